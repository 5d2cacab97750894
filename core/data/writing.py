"""Parquet files that appear whole or not at all, written in bounded memory and always the same way."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from core.contract.rules import type_class
from core.data.records import ColumnType, IngestResult, schema_digest
from core.kernel.errors import Cancelled, InputError, SystemFault
from core.kernel.progress import Progress

ROW_GROUP = 131_072
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = ("no space left", "file too large", "disk quota", "os error 28", "os error 27", "os error 122")
_POLL_S = 0.1


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """A temporary path beside ``out`` that takes its place if the block succeeds.

    Raises:
        SystemFault: when the disk is full or the file cannot be written; nothing is left behind.
    """
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(out)
    except (OSError, pl.exceptions.PolarsError) as error:
        if fault := disk_fault(error, out):
            raise fault from error
        raise
    finally:
        part.unlink(missing_ok=True)


def disk_fault(error: BaseException, out: Path) -> SystemFault | None:
    """The fault behind an error of writing, if the disk is to blame."""
    words = str(error).lower()
    if getattr(error, "errno", None) in _FULL or any(part in words for part in _FULL_WORDS):
        return SystemFault(
            "The disk is full", where=str(out.parent), remedy="Free some space and run it again; nothing was changed."
        )
    if isinstance(error, OSError):
        return SystemFault("The snapshot cannot be written", detail=str(error), where=str(out.parent))
    return None


def sink(frame: pl.LazyFrame, out: Path, progress: Progress) -> None:
    """Stream ``frame`` into one zstd Parquet file; the same rows give the same bytes."""
    plan = frame.sink_parquet(
        out,
        compression="zstd",
        compression_level=3,
        row_group_size=ROW_GROUP,
        statistics=True,
        maintain_order=True,
        lazy=True,
    )
    query = plan.collect(background=True)
    interruptible(query.fetch_blocking, query.cancel, progress)


def interruptible(work: Callable[[], Any], stop: Callable[[], Any], progress: Progress) -> Any:
    """Run blocking native work in a thread; ``stop`` it when the progress asks to."""
    answer: list[Any] = []
    failure: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            answer.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failure.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="plimsoll-data", daemon=True)
    thread.start()
    try:
        while not done.wait(_POLL_S):
            progress.check()
    except Cancelled:
        stop()
        thread.join()
        raise
    thread.join()
    if failure:
        raise failure[0]
    return answer[0]


def described(table: str, file: Path, source_digest: str) -> IngestResult:
    """The record of a Parquet file that was just written."""
    scan = pl.scan_parquet(file)
    columns = columns_of(scan.collect_schema())
    return IngestResult(
        table=table,
        rows=int(scan.select(pl.len()).collect().item()),
        columns=columns,
        source_digest=source_digest,
        schema_digest=schema_digest(columns),
        size=file.stat().st_size,
    )


def files_of(table: Path) -> list[Path]:
    """The Parquet files of a table in the order of its rows: itself, or the parts in its folder."""
    return sorted(table.iterdir()) if table.is_dir() else [table]


def columns_of(schema: pl.Schema) -> list[ColumnType]:
    """Columns in the contract's words."""
    return [ColumnType(name=name, type=type_class(dtype)) for name, dtype in schema.items()]


def require_columns(names: list[str], schema: pl.Schema, *, what: str) -> None:
    """Refuse names that the schema does not have.

    Raises:
        InputError: naming all that are missing and what there is.
    """
    missing = [name for name in names if name not in schema]
    if missing:
        raise InputError(
            f"{what} names columns that are not there: {', '.join(missing)}",
            remedy="There are " + ", ".join(schema.names()),
        )
