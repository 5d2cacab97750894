"""Snapshots: lists, one with its profile and verdicts, its rows, and differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.blobs.manifest import files_at
from core.blobs.store import BlobStore
from core.contract.checks import MASK
from core.engine.context import state_of
from core.engine.find import find
from core.engine.privacy import tagged_columns
from core.engine.projects import last_loaded, read_version
from core.engine.references import CONTENT, gone, require_content
from core.engine.registry import question
from core.engine.retention import tags_of
from core.kernel.clock import utc_text
from core.kernel.digests import strict_json
from core.store.tables import Report, Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

LIST: dict[str, Any] = {
    "snapshot": pl.String,
    "table": pl.String,
    "kind": pl.String,
    "rows": pl.Int64,
    "columns": pl.Int64,
    "bytes": pl.Int64,
    "created_at": pl.Datetime("us", "UTC"),
    "created_by": pl.String,
    "digest": pl.String,
    "checks_passed": pl.Int64,
    "checks_failed": pl.Int64,
    "checks_warned": pl.Int64,
    "tags": pl.String,
    "content": pl.String,
}


@question("snapshots")
def snapshots(engine: Engine) -> pl.DataFrame:
    """All snapshots, newest first, with the verdicts of their newest validation."""
    with engine.workspace.database.reading() as session:
        checks = {
            row.subject: row.facts
            for row in session.exec(select(Report).where(Report.kind == "validation").order_by(col(Report.created_at)))
        }
        tags, lost = tags_of(session), gone(session)
        rows = [
            (
                *_listed(row, checks.get(row.id)),
                ", ".join(sorted(tag for tag, snapshot in tags.items() if snapshot == row.id)),
                lost[row.id].state if row.id in lost else "kept",
            )
            for row in session.exec(select(Snapshot).order_by(col(Snapshot.created_at).desc()))
        ]
    return pl.DataFrame(rows, schema=LIST, orient="row")


def _listed(row: Snapshot, facts: dict[str, Any] | None) -> tuple[Any, ...]:
    failed, warned = (facts["failed"], facts["warned"]) if facts else (None, None)
    passed = facts["checks"] - facts["failed"] - facts["warned"] if facts else None
    return (
        row.id,
        row.name,
        row.kind,
        row.rows,
        len(row.columns),
        row.bytes,
        row.created_at,
        row.created_by,
        row.blob,
        passed,
        failed,
        warned,
    )


@question("snapshot")
def snapshot(engine: Engine, id: str) -> dict[str, Any]:
    """One snapshot with its profile and its validation."""
    with engine.workspace.database.reading() as session:
        row = find_snapshot(session, id)
        return {
            "snapshot": row.id,
            "table": row.name,
            "kind": row.kind,
            "rows": row.rows,
            "bytes": row.bytes,
            "digest": row.blob,
            "source_digest": row.source_digest,
            "schema_digest": row.schema_digest,
            "created_at": utc_text(row.created_at),
            "created_by": row.created_by,
            "columns": [{"name": name, "type": kind} for name, kind in row.columns.items()],
            "detail": row.detail,
            "tags": sorted(tag for tag, one in tags_of(session).items() if one == row.id),
            "content": state_of(session, "snapshot", row.id, CONTENT) or "kept",
            "key": _key(session, row.name),
            "profile": report_body(engine, session, "profile", row.id),
            "validation": report_body(engine, session, "validation", row.id),
            "leakage": report_body(engine, session, "leakage", row.id),
            "drift": report_body(engine, session, "schema_drift", row.id),
        }


def _key(session: Session, table: str) -> list[str]:
    """The columns that identify a row of a source, as the loaded project says."""
    version = last_loaded(session)
    source = read_version(version, {}).sources.get(table) if version else None
    return source.key if source else []


@question("snapshot_rows")
def snapshot_rows(
    engine: Engine, id: str, offset: int = 0, limit: int = 256, sort: str = "", descending: bool = False
) -> pl.DataFrame:
    """A page of a snapshot's rows; values of columns that are tagged as personal are masked."""
    with engine.workspace.database.reading() as session:
        row = require_content(session, find_snapshot(session, id))
        hidden = set(tagged_columns(session, row.name)) & set(row.columns)
    blobs = engine.workspace.blobs
    frame = _files(blobs, row.blob) if row.kind == "files" else pl.scan_parquet(blobs.path(row.blob))
    if sort:
        frame = frame.sort(sort, descending=descending, nulls_last=True, maintain_order=True)
    page = frame.slice(offset, min(limit, 10_000)).collect()
    masked = [pl.when(pl.col(name).is_not_null()).then(pl.lit(MASK)).alias(name) for name in sorted(hidden)]
    return page.with_columns(masked)


def _files(blobs: BlobStore, digest: str) -> pl.LazyFrame:
    """The files of a snapshot, a row each: path, bytes, chunks."""
    manifest = files_at(blobs.file(digest))
    rows = [(entry.path, sum(entry.sizes), len(entry.chunks)) for entry in manifest.files] if manifest else []
    return pl.LazyFrame(rows, schema={"path": pl.String, "bytes": pl.Int64, "chunks": pl.Int64}, orient="row")


@question("snapshot_diff")
def snapshot_diff(engine: Engine, a: str, b: str, key: list[str]) -> dict[str, Any]:
    """What differs between two snapshots."""
    from core.data.snapshots import diff

    with engine.workspace.database.reading() as session:
        first, second = (require_content(session, find_snapshot(session, name)) for name in (a, b))
    blobs = engine.workspace.blobs
    return diff(blobs.path(first.blob), blobs.path(second.blob), key).plain()


def find_snapshot(session: Session, name: str) -> Snapshot:
    """A snapshot by id or tag, or the newest one of a table."""
    newest = session.exec(
        select(Snapshot).where(Snapshot.name == name).order_by(col(Snapshot.created_at).desc())
    ).first()
    return newest or find(session, Snapshot, tags_of(session).get(name, name))


def report_body(engine: Engine, session: Session, kind: str, subject: str) -> dict[str, Any] | None:
    """The newest report of a kind about a subject, as it was written."""
    row = session.exec(
        select(Report).where(Report.kind == kind, Report.subject == subject).order_by(col(Report.created_at).desc())
    ).first()
    if row is None:
        return None
    body: dict[str, Any] = strict_json(engine.workspace.blobs.path(row.blob).read_bytes())
    return {**body, "report": row.id, "passed": row.passed} if isinstance(body, dict) else {"items": body}
