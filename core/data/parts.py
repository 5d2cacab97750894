"""Cutting a table into parts where its own rows say so, so that a later version shares the parts it did not change.

A boundary lies after a row whose hash ends in enough zero bits. That depends on the row alone, so an insertion, an
edit or a removal moves only the boundaries near it, and rows that are appended leave all earlier parts as they are.
What follows the last coarse boundary is cut finely, so that a table that grows stores little more than its new rows.

A young table is kept another way, since parts are dear when they are small: as long as it begins with all rows that it
had before, the parts from before stay, and the new rows are one more (decision 0034).

The hash is Polars' own: another version of Polars may cut elsewhere, which costs shared parts and changes no row.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from core.blobs.manifest import TableManifest, TablePart
from core.blobs.store import MANIFEST, PARTS, TABLE
from core.data.writing import disk_fault, files_of
from core.kernel.digests import PREFIX, digest_file, digest_json
from core.kernel.progress import Progress

SMALL = 8_192  # rows: a table up to here is one file, and no coarse part is meant to be smaller
_LARGE = 131_072
_PARTS = 256  # of a large table, about
_FINE = 16  # fine parts to one coarse part
_CELLS = 8_000_000  # in memory at a time
_YOUNG_ROWS, _YOUNG_PARTS = 131_072, 64  # up to here a table that grows keeps its parts
_SEED = 20


def cut_table(folder: Path, progress: Progress, before: Path | None = None) -> TableManifest | None:
    """Cut ``table.parquet`` of a job's folder into ``parts/`` and ``parts.json``; a small table stays as it is.

    Parts are synced and named by their digest; the manifest appears last, and whole. Memory holds about eight
    million cells at a time. ``before`` is the table as it was stored last: parts of it that stay are in the manifest
    and not in the folder.

    Raises:
        SystemFault: when the disk is full.
    """
    parts, manifest = folder / PARTS, folder / MANIFEST
    shutil.rmtree(parts, ignore_errors=True)
    manifest.unlink(missing_ok=True)
    frame = pl.scan_parquet(folder / TABLE)
    rows = int(frame.select(pl.len()).collect().item())
    written = _kept(frame, rows, before) if before is not None else []
    if not written and (rows <= SMALL or not _hashed(frame.collect_schema())):
        return None
    parts.mkdir()
    try:
        start = sum(part.rows for part in written)
        for part in cut_frames(frame.slice(start), rows - start):
            progress.check()
            written.append(_write(part, parts))
        made = TableManifest(parts=written, rows=rows, schema_digest=_schema_digest(frame.collect_schema()))
        temporary = folder / (MANIFEST + ".new")
        temporary.write_bytes(made.canonical())
        temporary.replace(manifest)
    except (OSError, pl.exceptions.PolarsError) as error:
        if fault := disk_fault(error, parts):
            raise fault from error
        raise
    return made


def _kept(frame: pl.LazyFrame, rows: int, before: Path) -> list[TablePart]:
    """The parts of a young table as it was before, if it begins with all of its rows; none if it does not."""
    files, old = files_of(before), pl.scan_parquet(before)
    schema = old.collect_schema()
    had = int(old.select(pl.len()).collect().item())
    young = 0 < had <= min(rows, _YOUNG_ROWS, _CELLS // max(len(schema), 1)) and len(files) < _YOUNG_PARTS
    if not young or (had == rows and len(files) == 1) or schema != frame.collect_schema():
        return []
    if not frame.head(had).collect().equals(old.collect()):
        return []
    counts = [int(pl.scan_parquet(file).select(pl.len()).collect().item()) for file in files]
    return [
        TablePart(digest=digest_file(file), rows=count, size=file.stat().st_size)
        for file, count in zip(files, counts, strict=True)
    ]


def cut_frames(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """The parts of a table in order. They depend on its rows and nothing else."""
    if rows <= SMALL:
        if rows:
            yield frame.collect()
        return
    columns = _hashed(frame.collect_schema())
    coarse = coarse_rows(rows)
    window = max(SMALL, _CELLS // max(len(frame.collect_schema()), 1))
    rest: pl.DataFrame | None = None
    for start in range(0, rows, window):
        read = frame.slice(start, window).collect()
        rest = read if rest is None else pl.concat([rest, read])
        ends = _ends(rest.select(columns), coarse)
        yield from _between(rest, ends)
        rest = rest[ends[-1] :] if ends else rest
    if rest is not None and rest.height:
        ends = _ends(rest.select(columns), coarse // _FINE)
        yield from _between(rest, [*ends, rest.height] if not ends or ends[-1] < rest.height else ends)


def coarse_rows(rows: int) -> int:
    """How many rows a coarse part of a table is meant to have: a power of two, so that doubling it keeps boundaries."""
    wanted = max(rows // _PARTS, 1)
    return min(_LARGE, max(SMALL, 1 << (wanted.bit_length() - 1)))


def _ends(frame: pl.DataFrame, target: int) -> list[int]:
    """Ends of the parts that are decided whatever follows ``frame``: from a quarter to four times ``target`` rows."""
    hashes = frame.hash_rows(seed=_SEED).to_numpy()
    marked = np.flatnonzero((hashes & np.uint64(target - 1)) == 0) + 1
    ends, start = list[int](), 0
    while True:
        place = int(np.searchsorted(marked, start + target // 4))
        end = min(int(marked[place]) if place < len(marked) else frame.height + 1, start + 4 * target)
        if end > frame.height:
            return ends
        ends.append(end)
        start = end


def _between(frame: pl.DataFrame, ends: list[int]) -> Iterator[pl.DataFrame]:
    for start, end in zip([0, *ends], ends, strict=False):
        yield frame[start:end].rechunk()


def _write(part: pl.DataFrame, folder: Path) -> TablePart:
    temporary = folder / "new"
    part.write_parquet(temporary, compression="zstd", compression_level=3, row_group_size=part.height, statistics=True)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    digest = digest_file(temporary)
    size = temporary.stat().st_size
    temporary.replace(folder / digest.removeprefix(PREFIX))
    return TablePart(digest=digest, rows=part.height, size=size)


def _hashed(schema: pl.Schema) -> list[str]:
    """Columns whose values decide where parts end: those whose hash is the same in every process."""
    return [name for name, dtype in schema.items() if not dtype.is_nested() and dtype != pl.Categorical]


def _schema_digest(schema: pl.Schema) -> str:
    return digest_json([[name, str(dtype)] for name, dtype in schema.items()])
