"""Searches for better settings: each with its trials, what was best, and which settings mattered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import col, or_, select

from core.engine.registry import question
from core.kernel.clock import utc_text
from core.kernel.digests import strict_json
from core.kernel.errors import NotFound
from core.store.tables import Report

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("tunings")
def tunings(engine: Engine) -> list[dict[str, Any]]:
    """The newest report of each search, newest first."""
    with engine.workspace.database.reading() as session:
        query = select(Report).where(Report.kind == "tuning").order_by(col(Report.created_at).desc())
        newest: dict[str, Report] = {}
        for row in session.exec(query):
            newest.setdefault(row.subject, row)
        return [
            {
                "report": row.id,
                "name": row.name,
                "summary": row.summary,
                "created_at": utc_text(row.created_at),
                **row.facts,
            }
            for row in newest.values()
        ]


@question("tuning")
def tuning(engine: Engine, name: str) -> dict[str, Any]:
    """One search with all its trials, by name (the newest) or by the id of its report.

    Raises:
        NotFound: when nothing was searched under that name.
    """
    with engine.workspace.database.reading() as session:
        query = select(Report).where(Report.kind == "tuning", or_(Report.name == name, Report.id == name))
        row = session.exec(query.order_by(col(Report.created_at).desc())).first()
        if row is None:
            raise NotFound(f"Nothing was searched as {name!r} yet", remedy="Run `plimsoll tune TRAINER --budget N`.")
        body: dict[str, Any] = strict_json(engine.workspace.blobs.path(row.blob).read_bytes())
        return {**body, "report": row.id, "name": row.name, "summary": row.summary}
