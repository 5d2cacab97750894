"""The way of every source into a snapshot, whatever its kind."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from core.data.minimise import Guard
from core.data.paths import resolve_path
from core.data.records import Former, Ingested
from core.data.sources.folder import ingest_folder
from core.data.sources.growing import PAGES, Task
from core.data.sources.whole import ingest_file
from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.project.schema import Source


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
