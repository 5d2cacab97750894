"""Questions about single tables: a proposal of checks, the data sheet, a file before it is ingested."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session

from core.contract.schema import ValidationReport
from core.engine.pasts import collect_past
from core.engine.projects import newest_version, read_version
from core.engine.questions.data import find_snapshot, report_body
from core.engine.references import require_content
from core.engine.registry import question
from core.engine.work.past import Earlier
from core.kernel.errors import NotFound
from core.kernel.progress import Silent
from core.measures.records import TableProfile
from core.project.schema import Project
from core.store.tables import Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("data_sheet")
def data_sheet(engine: Engine, id: str) -> str:
    """The data sheet of a snapshot, as Markdown. Values of personal columns are left out."""
    from core.data.records import ColumnType, IngestResult
    from core.data.sheet import data_sheet as sheet

    with engine.workspace.database.reading() as session:
        row = find_snapshot(session, id)
        profile = _profile(engine, session, row)
        validation = _body(engine, session, "validation", row.id)
        source = _project(session).sources.get(row.name)
        result = IngestResult(
            table=row.name,
            rows=row.rows,
            columns=[ColumnType(name=name, type=kind) for name, kind in row.columns.items()],
            source_digest=row.source_digest,
            schema_digest=row.schema_digest,
            size=row.bytes,
        )
    return sheet(
        result,
        profile,
        ValidationReport.read(validation) if validation else None,
        description=source.description if source else "",
        path=source.path if source else "",
        key=source.key if source else [],
        personal=source.personal if source else [],
    )


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
    from core.data.sources import ingest
    from core.data.sources.files import form_of

    with engine.workspace.database.reading() as session:
        project = _project(session)
        if name not in project.sources or name not in project.suites:
            known = ", ".join(one for one in project.suites if one in project.sources)
            raise NotFound(f"There is no source {name!r} with a suite", detail=f"Sources with a suite: {known}")
        tables = {one.table for one in project.suites[name].checks if one.table}
        blobs = {table: find_snapshot(session, table).blob for table in tables if table != name}
    past = collect_past(engine.workspace, name, project.suites[name].checks)
    source = project.sources[name].model_copy(update={"path": file, "kind": form_of(project.sources[name], file)})
    with tempfile.TemporaryDirectory(dir=engine.workspace.jobs) as folder:
        table = Path(folder) / "table.parquet"
        ingest(name, source, Path(file).parent, table, Silent())
        report = run_checks(
            pl.scan_parquet(table),
            project.suites[name].checks,
            table=name,
            tables={one: pl.scan_parquet(engine.workspace.blobs.path(blob)) for one, blob in blobs.items()},
            key=source.key,
            personal=source.personal,
            past=Earlier.read(past),
        )
    return {**report.plain(), "passed": report.passed, "file": file}


def _project(session: Session) -> Project:
    return read_version(newest_version(session), {})


def _profile(engine: Engine, session: Session, row: Snapshot) -> TableProfile:
    body = _body(engine, session, "profile", row.id)
    if body is None:
        raise NotFound(
            f"{row.name} has no profile", where=row.id, remedy=f"Run `plimsoll run --to profile:{row.name}`."
        )
    return TableProfile.read(body)


def _body(engine: Engine, session: Session, kind: str, subject: str) -> dict[str, Any] | None:
    found = report_body(engine, session, kind, subject)
    return {key: value for key, value in found.items() if key not in ("report", "passed")} if found else None
