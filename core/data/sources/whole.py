"""One file is the whole table: raw rows, drift, types, one Parquet file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from core.data.drift import require_needed, schema_drift
from core.data.records import Ingested, SchemaDrift
from core.data.sources.files import form_of, open_file
from core.data.sources.growing import Task, written
from core.data.sources.raw import Raw
from core.data.sources.types import column_types, refuse_misfits, require_stated
from core.data.typing_text import typed
from core.data.writing import described, sink, whole_file
from core.kernel.digests import digest_file
from core.kernel.errors import InputError

STEPS = 5


def ingest_file(task: Task, path: Path, form: str = "") -> Ingested:
    """One file is the whole table."""
    task.progress.step(0, STEPS, f"reading {path.name}")
    scratch = task.out.with_name(f".{task.out.name}.plain")
    form = form or form_of(task.source, path.name)
    with open_file(path, form, task.source, scratch, task.progress) as raw:
        types = column_types(raw, task.source, task.name, task.progress)
        frame, drift = _in_types(task, raw, types)
        require_stated(task.source, raw.frame.collect_schema(), task.name)
        refuse_misfits(raw, task.source)
        return _write(task, frame, drift, path, raw)


def _in_types(task: Task, raw: Raw, types: Mapping[str, str]) -> tuple[pl.LazyFrame, SchemaDrift]:
    schema = raw.frame.collect_schema()
    frame = task.guarded(raw.frame.select(typed(column, schema[column], types[column]) for column in schema))
    if task.former is None:
        return frame, SchemaDrift()
    drift = schema_drift(task.former.columns, task.before, frame)
    require_needed(task.name, drift, task.needed, task.former)
    return frame, drift


def _write(task: Task, frame: pl.LazyFrame, drift: SchemaDrift, path: Path, raw: Raw) -> Ingested:
    task.progress.step(3, STEPS, f"writing {task.name}")
    with whole_file(task.out) as part:
        sink(frame, part, task.progress)
        found = int(pl.scan_parquet(part).select(pl.len()).collect().item())
        if raw.rows is not None and found != raw.rows and not task.removes:
            raise InputError(
                f"The file reads as {found:,} or as {raw.rows:,} rows, depending on its blank lines",
                where=path.name,
                remedy="Remove blank lines, and quote values that hold line ends.",
            )
    task.progress.step(4, STEPS, "digest")
    result = described(task.name, task.out, digest_file(path))
    task.progress.step(STEPS, STEPS, f"{result.rows:,} rows")
    return written(task, result, drift, new=result.rows)
