"""Questions about single tables: the files of a snapshot, a file before it is ingested."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session

from core.engine.pasts import collect_past
from core.engine.privacy import ingest_privacy, masked_columns
from core.engine.projects import newest_version, read_version
from core.engine.questions.data import find_snapshot
from core.engine.references import require_content
from core.engine.registry import question
from core.engine.work.past import Earlier
from core.kernel.errors import NotFound
from core.kernel.progress import Silent
from core.project.schema import Project

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("snapshot_file")
def snapshot_file(engine: Engine, id: str) -> dict[str, Any]:
    """Where a snapshot's Parquet files lie, in the order of its rows, and their digests, for copying it out."""
    with engine.workspace.database.reading() as session:
        row = require_content(session, find_snapshot(session, id))
    blobs = engine.workspace.blobs
    return {
        "snapshot": row.id,
        "table": row.name,
        "digest": row.blob,
        "kind": row.kind,
        "blobs": str(blobs.root),
        "replaced": blobs.replaced if row.kind == "files" else {},
        "files": [
            {"path": str(blobs.file(part)), "digest": part} for part in blobs.parts(row.blob) if row.kind != "files"
        ],
    }


@question("check_file")
def check_file(engine: Engine, name: str, file: str) -> dict[str, Any]:
    """Hold a file against the suite of source ``name`` without keeping anything of it.

    Raises:
        NotFound: when there is no such source or suite. InputError: when the file cannot be read as that source.
    """
    from core.contract.checks import run_checks
    from core.data.guarding import guard_of
    from core.data.sources import ingest
    from core.data.sources.files import form_of

    with engine.workspace.database.reading() as session:
        project = _project(session)
        if name not in project.sources or name not in project.suites:
            known = ", ".join(one for one in project.suites if one in project.sources)
            raise NotFound(f"There is no source {name!r} with a suite", detail=f"Sources with a suite: {known}")
        source = project.sources[name].model_copy(update={"path": file, "kind": form_of(project.sources[name], file)})
        guard = guard_of(source, name, ingest_privacy(engine.workspace, session, name, source))
        hidden = masked_columns(session, project, name)
        tables = {one.table for one in project.suites[name].checks if one.table}
        blobs = {table: find_snapshot(session, table).blob for table in tables if table != name}
    past = collect_past(engine.workspace, name, project.suites[name].checks)
    with tempfile.TemporaryDirectory(dir=engine.workspace.jobs) as folder:
        table = Path(folder) / "table.parquet"
        ingest(name, source, Path(file).parent, table, Silent(), guard=guard)
        report = run_checks(
            pl.scan_parquet(table),
            project.suites[name].checks,
            table=name,
            tables={one: pl.scan_parquet(engine.workspace.blobs.path(blob)) for one, blob in blobs.items()},
            key=source.key,
            personal=hidden,
            past=Earlier.read(past),
        )
    return {**report.plain(), "passed": report.passed, "file": file}


def _project(session: Session) -> Project:
    return read_version(newest_version(session), {})
