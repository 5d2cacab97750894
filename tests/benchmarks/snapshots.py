"""Snapshots against the bare work: hashing (BLAKE3), copying, scanning; and what each of them stores anew.

Run it as ``python tests/benchmarks/snapshots.py [MIB] [FILES]``: MiB of the large file (1024 if absent) and how many
small files (10,000). CPU seconds of the process with the system's share, the best of rounds that alternate between
ours and the floor. Everything lies in a temporary folder that is gone afterwards.

With the environment variable ``DVC`` naming a ``dvc`` command, ``dvc add`` of the same file is timed beside them.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from core.blobs.manifest import FilesManifest
from core.blobs.packs import PACKS
from core.blobs.store import BlobStore
from core.data.files import list_files, snapshot_files
from core.data.parts import cut_table
from core.kernel.digests import digest_file
from core.kernel.progress import Silent

ROUNDS = 3


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    own, other = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + other.ru_utime + other.ru_stime


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of one run."""
    start = cpu()
    work()
    return cpu() - start


def side_by_side(ours: Callable[[], object], floor: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Least CPU seconds of each, run in turns."""
    pairs = [(timed(floor), timed(ours)) for _ in range(rounds)]
    return min(pair[1] for pair in pairs), min(pair[0] for pair in pairs)


def say(what: str, ours: float, floor: float, target: float, more: str = "") -> None:
    """One line of the table."""
    print(
        f"{what}: {ours:.2f} against {floor:.2f} CPU s, ratio {ours / floor:.2f} (at most {target}){more}", flush=True
    )


class Shelf:
    """A blob store in an empty folder, with the folder of a job."""

    def __init__(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        self.job = root / "job"
        self.job.mkdir(parents=True)
        self.blobs = BlobStore(root / "blobs")

    def stored(self) -> int:
        """Bytes of all blobs."""
        return sum(path.stat().st_size for glob in ("??/*", "packs/*") for path in self.blobs.root.glob(glob))

    def keep(self, file: Path, before: FilesManifest | None = None) -> FilesManifest:
        """A snapshot of a file, as a job takes it and its commit keeps it."""
        made, _ = snapshot_files(list_files(file), self.job, self.blobs, Silent(), before=before)
        self.blobs.adopt_packs(self.job / PACKS)
        self.blobs.put_bytes(made.canonical())
        return made

    def keep_table(self) -> int:
        """A snapshot of the job's table; returns the bytes that were new."""
        before = self.stored()
        cut_table(self.job, Silent())
        self.blobs.put_table(self.job)
        return self.stored() - before


def store_whole(file: Path, out: Path) -> None:
    """The floor of a first snapshot: hash the file, copy it, bring the copy to the disk."""
    digest_file(file)
    shutil.copyfile(file, out)
    with out.open("rb+") as copy:
        os.fsync(copy.fileno())
    out.unlink()


def large_file(root: Path, mebibytes: int) -> None:
    """A first snapshot, then one after each kind of change."""
    file, size = root / "large.bin", mebibytes << 20
    rng = np.random.default_rng(7)
    with file.open("wb") as out:
        for _ in range(mebibytes):
            out.write(rng.bytes(1 << 20))
    shelves = [Shelf(root / f"shelf{number}") for number in range(ROUNDS)]
    ours, floor = side_by_side(lambda: shelves.pop().keep(file), lambda: store_whole(file, root / "copy"))
    for number in range(ROUNDS):
        shutil.rmtree(root / f"shelf{number}")
    say(f"first snapshot of {mebibytes} MiB / hash and copy", ours, floor, 1.5)
    if os.environ.get("DVC"):
        peer(root, file, floor)
    shelf = Shelf(root / "shelf")
    first = shelf.keep(file)
    edited, appended, inserted = (rng.bytes(size // 100) for _ in range(3))
    data = file.read_bytes()
    half = size // 2
    for change, parts in {
        "edit in place": (data[:half], edited, data[half + len(edited) :]),
        "append": (data, appended),
        "removal": (data[:half], data[half + len(edited) :]),
        "insertion": (data[:half], inserted, data[half:]),
    }.items():
        with file.open("wb") as out:
            out.writelines(parts)
        before = shelf.stored()
        ours = timed(lambda: shelf.keep(file, first))
        new = shelf.stored() - before
        again, floor = side_by_side(lambda: shelf.keep(file, first), lambda: digest_file(file))
        say(
            f"{change} of 1 % / hash again",
            max(ours, again),
            floor,
            2,
            f"; {100 * new / size:.2f} % new bytes (under 2)",
        )
    shutil.rmtree(root / "shelf")
    file.unlink()


def peer(root: Path, file: Path, floor: float) -> None:
    """``dvc add`` with copies of the same file."""
    folder = root / "dvc"
    folder.mkdir()
    (folder / file.name).hardlink_to(file)
    command = os.environ["DVC"]
    quiet = {"cwd": folder, "check": True, "capture_output": True}
    subprocess.run([command, "init", "--no-scm"], **quiet)
    subprocess.run([command, "config", "cache.type", "copy"], **quiet)
    add = lambda: subprocess.run([command, "add", file.name], **quiet)  # noqa: E731
    say("dvc add / hash and copy", timed(add), floor, 1.5)
    held = sum(path.stat().st_size for path in (folder / ".dvc" / "cache").rglob("*") if path.is_file())
    with (folder / file.name).open("rb+") as edited:
        edited.seek(file.stat().st_size // 2)
        edited.write(os.urandom(file.stat().st_size // 100))
    ours, hashed = timed(add), timed(lambda: digest_file(file))
    new = sum(path.stat().st_size for path in (folder / ".dvc" / "cache").rglob("*") if path.is_file()) - held
    more = f"; {100 * new / file.stat().st_size:.0f} % new bytes"
    say("dvc add after an edit in place of 1 % / hash again", ours, hashed, 2, more)
    shutil.rmtree(folder)


def table(rows: int) -> pl.DataFrame:
    """20 columns of numbers, texts and times, some of them nearly random."""
    rng = np.random.default_rng(9)
    columns: dict[str, object] = {f"x{number}": rng.normal(size=rows).round(4) for number in range(10)}
    columns |= {f"n{number}": rng.integers(0, 10 ** (number + 1), rows) for number in range(6)}
    columns |= {
        f"t{number}": rng.choice([f"word {one}" for one in range(40 * (number + 1))], rows) for number in range(3)
    }
    columns["at"] = np.arange(rows) * 60_000_000
    return pl.DataFrame(columns).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))


def tables(root: Path, mebibytes: int) -> None:
    """What 1 % of new rows in the middle costs: as parts of a table, and as a file that pyarrow cut by content."""
    rows = max(50_000, mebibytes * 2_000)
    frame = table(rows)
    more = frame[: rows // 100].with_columns(pl.col("x0") + 1)
    changed = pl.concat([frame[: rows // 2], more, frame[rows // 2 :]])
    shelf = Shelf(root / "shelf")
    sizes = []
    for version in (frame, changed):
        version.write_parquet(shelf.job / "table.parquet", compression="zstd", compression_level=3)
        sizes.append(shelf.keep_table())
    whole = (shelf.job / "table.parquet").stat().st_size
    print(f"table of {rows:,} rows, {whole >> 20} MiB: parts take {sizes[0] / whole:.2f} of one file")
    print(f"1 % of rows inserted, as parts: {100 * sizes[1] / sizes[0]:.2f} % new bytes (under 8)")
    pages = {"min_chunk_size": 32 << 10, "max_chunk_size": 128 << 10, "norm_level": 1}
    for name, options in {
        "pages of 32 to 128 KiB by content, one row group": {
            "use_content_defined_chunking": pages,
            "row_group_size": 2 * rows,
        },
        "the same pages, row groups of 1 Mi rows": {"use_content_defined_chunking": pages},
        "fixed pages": {},
    }.items():
        shelf = Shelf(root / "shelf")
        sizes, kept = [], None
        for version in (frame, changed):
            pq.write_table(version.to_arrow(), root / "file.parquet", compression="zstd", **options)
            before = shelf.stored()
            kept = shelf.keep(root / "file.parquet", kept)
            sizes.append(shelf.stored() - before)
        print(f"1 % of rows inserted, as a file of {name}: {100 * sizes[1] / sizes[0]:.2f} % new bytes", flush=True)
        first_of(root / "file.parquet", root)
    shutil.rmtree(root / "shelf")


def growing(root: Path) -> None:
    """Twenty daily snapshots of a table from its first day, 900 rows a day."""
    frame, shelf, last = table(20 * 900), Shelf(root / "shelf"), ""
    for day in range(1, 21):
        frame[: 900 * day].write_parquet(shelf.job / "table.parquet", compression="zstd", compression_level=3)
        cut_table(shelf.job, Silent(), shelf.blobs.path(last) if last else None)
        last = shelf.blobs.put_table(shelf.job)
    newest, one = shelf.blobs.size(last), (shelf.job / "table.parquet").stat().st_size
    stored = shelf.stored()
    told = f"{stored / newest:.2f} times the newest, {stored / one:.2f} times it as one file"
    print(f"20 daily snapshots from the first day: {told}", flush=True)
    shutil.rmtree(root / "shelf")


def first_of(file: Path, root: Path) -> None:
    """A first snapshot of a Parquet file: its many small chunks cost more than those of others."""
    shelves = [Shelf(root / f"shelf{number}") for number in range(ROUNDS)]
    ours, floor = side_by_side(lambda: shelves.pop().keep(file), lambda: store_whole(file, root / "copy"))
    print(f"  first snapshot of it / hash and copy: {ours:.2f} against {floor:.2f} CPU s, ratio {ours / floor:.2f}")
    for number in range(ROUNDS):
        shutil.rmtree(root / f"shelf{number}")


def small_files(root: Path, count: int) -> None:
    """Unchanged files are recognised by their status."""
    folder = root / "small"
    for number in range(count):
        file = folder / f"{number % 100:02}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(number.to_bytes(8, "little") * 40)
        os.utime(file, (time.time() - 3600,) * 2)
    shelf = Shelf(root / "shelf")
    listing = list_files(folder)
    key = listing.digest
    made, _ = snapshot_files(listing, shelf.job, shelf.blobs, Silent())
    shelf.blobs.adopt_packs(shelf.job / PACKS)

    def recognise() -> None:
        now = list_files(folder)
        assert now.digest == key  # this is all that a walk does: the step's key is the same

    def look_again() -> None:
        again, result = snapshot_files(list_files(folder), shelf.job, shelf.blobs, Silent(), before=made, known=listing)
        assert again == made
        assert result.looked_at == 0

    ours, floor = side_by_side(recognise, lambda: scan(str(folder)), rounds=15)
    say(f"{count:,} small files unchanged / bare scan", ours, floor, 2)
    ours, floor = side_by_side(look_again, lambda: scan(str(folder)), rounds=15)
    say("the same when the snapshot is made again from the last one", ours, floor, 2)


def scan(folder: str) -> int:
    """The status of every file below a folder."""
    found = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += scan(entry.path)
            else:
                found += entry.stat(follow_symlinks=False).st_size
    return found


def main() -> None:
    """Run all of them."""
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        small_files(root, count)
        tables(root, mebibytes)
        growing(root)
        large_file(root, mebibytes)


if __name__ == "__main__":
    main()
