"""The way of every source into a snapshot: raw table, drift, types, one file."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from core.data.drift import require_needed, schema_drift
from core.data.minimise import Guard
from core.data.paths import resolve_path
from core.data.records import Former, Ingested, SchemaDrift
from core.data.sources.files import form_of, open_file
from core.data.sources.folder import ingest_folder
from core.data.sources.growing import PAGES, Task, written
from core.data.sources.raw import Raw
from core.data.sources.types import column_types, refuse_misfits, require_stated
from core.data.typing_text import typed
from core.data.writing import described, sink, whole_file
from core.kernel.digests import digest_file
from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.project.schema import Source

STEPS = 5


def ingest(
    name: str,
    source: Source,
    project_dir: Path,
    out: Path,
    progress: Progress,
    *,
    former: Former | None = None,
    before: Path | None = None,
    needed: Collection[str] = (),
    secret: str = "",
    files: Mapping[str, str] | None = None,
    guard: Guard | None = None,
) -> Ingested:
    """Write the source as one zstd Parquet file at ``out``, in bounded memory.

    Types are those the source states; the others are inferred over the whole file. Texts in
    ``source.nulls`` become null; times become UTC. The same file gives the same bytes. ``former`` and
    its table ``before`` are what a growing source goes on from, and what drift is seen against;
    ``needed`` are the columns that the project uses; ``files`` are those of a folder, with their digests.
    ``guard`` keeps erased subjects out and minimises columns: raw values are not written to the snapshot.
    What was fetched is kept in a folder beside ``out``, so that a second try goes on from there.

    Raises:
        InputError: for anything wrong with the source, with lines and columns.
        SystemFault: when the disk is full or fails. Either way ``out`` stays as it was.
    """
    task = Task(name, source, project_dir, out, progress, former, before, frozenset(needed), secret, guard)
    try:
        return _of_kind(task, files)
    except InputError:  # what was fetched is wrong, and may be mended at its source: fetch it again the next time
        shutil.rmtree(task.out.with_name(PAGES), ignore_errors=True)
        raise


def _of_kind(task: Task, files: Mapping[str, str] | None) -> Ingested:
    """Each kind's reader is imported when it is needed: drivers of servers are extras."""
    kind = task.source.kind
    if kind == "folder":
        return ingest_folder(task, files)
    try:
        if kind == "sql":
            from core.data.sources.databases import opened
            from core.data.sources.sql import ingest_sql

            return ingest_sql(task, opened(task))
        if kind == "http":
            from core.data.sources.download import ingest_http

            return ingest_http(task)
        if kind == "stream":
            from core.data.sources.stream import ingest_stream

            return ingest_stream(task)
    except ModuleNotFoundError as error:
        raise InputError(
            f"The source {task.name} needs the package {error.name}, which is not installed here",
            where=f"sources.{task.name}",
            remedy="Install Plimsoll with its extra `scale`.",
        ) from error
    return ingest_file(task, resolve_path(task.source.path, task.project_dir))


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
