"""Tables cut into parts: equal rows, equal names, and little that is new after a change."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.blobs.store import BlobStore
from core.data.parts import SMALL, cut_table
from core.data.restoring import restore_table
from core.data.tables import build_table
from core.kernel.digests import digest_bytes, digest_table
from core.kernel.errors import Cancelled, SystemFault
from core.kernel.progress import Silent
from core.project.schema import Table


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def keep(blobs: BlobStore, frame: pl.DataFrame, last: str = "") -> tuple[str, int]:
    """Store a table as a job does, after the ``last`` one; returns its digest and the bytes that were new."""
    job = blobs.root.parent / "job"
    job.mkdir(exist_ok=True)
    frame.write_parquet(job / "table.parquet", compression="zstd")
    cut_table(job, Silent(), blobs.path(last) if last else None)
    before = stored(blobs)
    return blobs.put_table(job), stored(blobs) - before


def stored(blobs: BlobStore) -> int:
    return sum(path.stat().st_size for path in blobs.root.glob("??/*"))


def made_up(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "n": rng.integers(0, 1 << 40, rows),
            "x": rng.normal(size=rows),
            "t": rng.choice(["a", "b", None], rows).tolist(),
        },
        schema_overrides={"t": pl.String},
    )


def test_a_small_table_is_one_file(blobs: BlobStore) -> None:
    frame = made_up(SMALL, 1)
    digest, _ = keep(blobs, frame)
    assert blobs.manifest(digest) is None
    assert blobs.parts(digest) == [digest]
    assert blobs.path(digest).is_file()
    assert blobs.size(digest) == blobs.path(digest).stat().st_size


def test_the_flights_come_back_and_are_named_alike(
    snapshots: dict[str, Path], blobs: BlobStore, tmp_path: Path
) -> None:
    frame = pl.read_parquet(snapshots["flights"])
    digest, _ = keep(blobs, frame)
    manifest = blobs.manifest(digest)
    assert manifest is not None
    assert 20 < len(manifest.parts) < 80
    assert pl.scan_parquet(blobs.path(digest)).collect().equals(frame)
    assert pl.read_parquet(blobs.path(digest)).equals(frame)
    assert digest_table(blobs.path(digest)) == digest
    assert keep(blobs, frame) == (digest, 0)
    assert manifest.size == blobs.size(digest)
    names = [(blobs.file(part), part) for part in blobs.parts(digest)]
    restore_table(names, tmp_path / "out" / "flights.parquet")
    assert pl.read_parquet(tmp_path / "out" / "flights.parquet").equals(frame)


def test_another_process_gives_the_same_name(snapshots: dict[str, Path], blobs: BlobStore, tmp_path: Path) -> None:
    digest, _ = keep(blobs, pl.read_parquet(snapshots["weather"]))
    code = (
        "import sys; from pathlib import Path; from core.data.parts import cut_table; "
        "from core.kernel.digests import digest_bytes; from core.kernel.progress import Silent; "
        "print(digest_bytes(cut_table(Path(sys.argv[1]), Silent()).canonical()))"
    )
    job = blobs.root.parent / "job"
    told = subprocess.run([sys.executable, "-c", code, job], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == digest


EDITS = st.lists(
    st.tuples(st.sampled_from(["edit", "append", "insert", "remove"]), st.floats(0, 1), st.integers(1, 3000)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, seed=st.integers(0, 1000))
def test_whatever_was_changed_every_version_reads_back(blobs: BlobStore, edits: list[tuple], seed: int) -> None:
    frame = made_up(60_000, seed)
    versions = {keep(blobs, frame)[0]: frame}
    for number, (kind, place, rows) in enumerate(edits):
        at = int(place * frame.height)
        new = made_up(rows, 5000 + number)
        frame = {
            "edit": lambda at=at, new=new, f=frame: pl.concat([f[:at], new[: f.height - at], f[at + new.height :]]),
            "append": lambda new=new, f=frame: pl.concat([f, new]),
            "insert": lambda at=at, new=new, f=frame: pl.concat([f[:at], new, f[at:]]),
            "remove": lambda at=at, rows=rows, f=frame: pl.concat([f[:at], f[at + rows :]]),
        }[kind]()
        digest, new_bytes = keep(blobs, frame)
        versions[digest] = frame
        assert new_bytes < 0.75 * blobs.size(digest)  # a part near the change and the tail, of about six parts
    for digest, expected in versions.items():
        assert pl.read_parquet(blobs.path(digest)).equals(expected)
    assert blobs.damaged(Silent()) == []


@pytest.mark.parametrize(
    "rows", [pl.DataFrame({"a": [7] * 300_000}), pl.DataFrame({"a": pl.int_range(300_000, eager=True) // 100_000})]
)
def test_rows_that_are_all_alike_are_cut_by_size(blobs: BlobStore, rows: pl.DataFrame) -> None:
    digest, _ = keep(blobs, rows)
    manifest = blobs.manifest(digest)
    assert manifest is not None
    assert max(part.rows for part in manifest.parts) <= 4 * SMALL
    assert pl.read_parquet(blobs.path(digest)).equals(rows)


def test_twenty_days_of_a_growing_table_in_little_more_than_the_newest(
    snapshots: dict[str, Path], blobs: BlobStore
) -> None:
    frame = pl.read_parquet(snapshots["flights"]).sort("year", "month", "day", maintain_order=True)
    days = frame.select(pl.date("year", "month", "day").alias("d")).to_series()
    newest = ""
    for day in sorted(days.unique())[-20:]:
        newest, _ = keep(blobs, frame.filter(days <= day))
    assert stored(blobs) < 1.25 * blobs.size(newest)
    assert pl.read_parquet(blobs.path(newest)).equals(frame)


def test_twenty_days_of_a_table_from_its_first_one(snapshots: dict[str, Path], blobs: BlobStore) -> None:
    frame = pl.read_parquet(snapshots["flights"]).sort("year", "month", "day", maintain_order=True)
    days = frame.select(pl.date("year", "month", "day").alias("d")).to_series()
    made: dict[str, int] = {}
    newest = ""
    for day in sorted(days.unique())[:20]:
        table = frame.filter(days <= day)
        newest, _ = keep(blobs, table, newest)
        made[newest] = table.height
    assert stored(blobs) < 1.1 * blobs.size(newest)
    frame[: made[newest]].write_parquet(blobs.root.parent / "one.parquet", compression="zstd")
    one = (blobs.root.parent / "one.parquet").stat().st_size
    assert stored(blobs) < 2.2 * one  # each small part has its own footer and dictionaries
    for digest, rows in made.items():
        assert pl.read_parquet(blobs.path(digest)).equals(frame[:rows])
    table = frame[: made[newest]]
    assert keep(blobs, table, newest) == (newest, 0)
    edited = table.with_columns(pl.when(pl.col("flight") == 1).then(0).otherwise("flight").alias("flight"))
    assert keep(blobs, edited, newest)[0] == keep(blobs, edited)[0], "only what was appended is kept in its old parts"


def test_parts_that_became_many_are_cut_anew(blobs: BlobStore) -> None:
    frame, newest, counts = made_up(66 * 200, 8), "", []
    for end in range(200, frame.height + 1, 200):
        newest, _ = keep(blobs, frame[:end], newest)
        counts.append(len(blobs.parts(newest)))
    assert counts[:64] == list(range(1, 65))
    assert counts[64] < 30
    assert pl.read_parquet(blobs.path(newest)).equals(frame)


def test_a_query_reads_parts_as_it_reads_a_file(snapshots: dict[str, Path], blobs: BlobStore, tmp_path: Path) -> None:
    digest, _ = keep(blobs, pl.read_parquet(snapshots["weather"]))
    table = Table(sql="SELECT origin, time_hour, temp FROM weather")
    build_table("t", table, {"weather": snapshots["weather"]}, tmp_path / "a.parquet", Silent())
    build_table("t", table, {"weather": blobs.path(digest)}, tmp_path / "b.parquet", Silent())
    assert pl.read_parquet(tmp_path / "a.parquet").equals(pl.read_parquet(tmp_path / "b.parquet"))


def test_a_changed_part_is_not_restored_and_a_removed_one_not_shown(blobs: BlobStore, tmp_path: Path) -> None:
    digest, _ = keep(blobs, made_up(60_000, 3))
    other, _ = keep(blobs, made_up(60_000, 4))
    shown = blobs.path(digest)
    assert blobs.path(other).is_dir()
    part = blobs.parts(digest)[1]
    data = blobs.file(part).read_bytes()
    blobs.file(part).chmod(0o600)
    blobs.file(part).write_bytes(data[:-1] + b"?")
    assert blobs.damaged(Silent()) == [part]
    with pytest.raises(SystemFault, match="changed"):
        restore_table([(blobs.file(name), name) for name in blobs.parts(digest)], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    assert blobs.remove([part, part]) == len(data)
    assert not shown.exists()
    assert blobs.path(other).is_dir()


def test_a_cut_that_is_cancelled_leaves_no_manifest(blobs: BlobStore, tmp_path: Path) -> None:
    made_up(60_000, 3).write_parquet(tmp_path / "table.parquet")
    stop = Silent()
    stop.cancel()
    with pytest.raises(Cancelled):
        cut_table(tmp_path, stop)
    assert not (tmp_path / "parts.json").exists()
    assert blobs.manifest(blobs.put_table(tmp_path)) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from core.blobs.store import BlobStore
left = [int(sys.argv[2])]
real = Path.replace
def replace(self, target):
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return real(self, target)
Path.replace = replace
root = Path(sys.argv[1])
BlobStore(root / "blobs").put_table(root / "job")
"""


@pytest.mark.parametrize("renames", [0, 1, 4])
def test_a_kill_while_a_table_is_stored_leaves_whole_blobs_and_is_made_good(
    blobs: BlobStore, tmp_path: Path, renames: int
) -> None:
    frame = made_up(60_000, 6)
    job = tmp_path / "job"
    job.mkdir()
    frame.write_parquet(job / "table.parquet")
    manifest = cut_table(job, Silent())
    assert manifest is not None
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(renames)], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    blobs.sweep()
    assert blobs.damaged(Silent()) == []
    assert (renames > 1) <= len(list(blobs.names())) <= renames  # a folder that was not there costs one more
    cut_table(job, Silent())  # the next owner runs the job again
    digest = blobs.put_table(job)
    assert digest == digest_bytes(manifest.canonical())
    assert pl.read_parquet(blobs.path(digest)).equals(frame)
