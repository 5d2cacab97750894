"""Copying a snapshot out of the blobs: what is written is proven against its digests first."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from core.data.writing import sink, whole_file
from core.kernel.digests import digest_file
from core.kernel.errors import SystemFault
from core.kernel.progress import Silent


def restore_table(files: Sequence[tuple[Path, str]], out: Path) -> int:
    """Write a table's Parquet files (path, digest), in order, as the one file ``out``; returns its bytes.

    Raises:
        SystemFault: naming every file whose bytes are no longer those of its digest, or when the disk is full.
            ``out`` stays as it was.
    """
    changed = [digest for path, digest in files if digest_file(path) != digest]
    if changed:
        raise SystemFault(
            "The stored bytes were changed", where=", ".join(changed), remedy="See `plimsoll ledger verify`."
        )
    with whole_file(out) as part:
        if len(files) == 1:
            shutil.copyfile(files[0][0], part)
        else:
            sink(pl.scan_parquet([path for path, _ in files]), part, Silent())
    return out.stat().st_size
