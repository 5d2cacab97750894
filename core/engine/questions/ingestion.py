"""How a source was taken last: rows, how far, and what drifted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from core.engine.ingestion import newest_of
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.store.tables import Report

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("ingestion")
def ingestion(engine: Engine, source: str) -> dict[str, Any]:
    """The newest snapshot of a source and how it came about; empty before the first one."""
    with engine.workspace.database.reading() as session:
        row = newest_of(session, source)
        if row is None:
            return {}
        reports = select(Report).where(Report.kind == "schema_drift", Report.subject == row.id)
        drift = session.exec(reports.order_by(col(Report.created_at).desc())).first()
    how = row.detail.get("ingest", {})
    return {
        "snapshot": row.id,
        "rows": row.rows,
        "rows_new": how.get("rows_new", row.rows),
        "rows_updated": how.get("rows_updated", 0),
        "watermark": watermark_words(how.get("watermark", {})),
        "drift": drift.summary.split("; ") if drift else [],
        "notes": how.get("notes", []),
        "taken_at": utc_text(row.created_at),
    }


def watermark_words(mark: Mapping[str, Any]) -> str:
    """How far a source was taken, for people."""
    if "files" in mark:
        return f"{len(mark['files']):,} files, the last {max(mark['files'])}"
    if "column" in mark:
        return f"{mark['column']} up to {mark['value']}"
    if "id" in mark:
        return f"entries up to {mark['id']}"
    return str(mark.get("etag") or mark.get("modified") or "")
