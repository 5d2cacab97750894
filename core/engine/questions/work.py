"""Jobs, pipelines, schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from core.engine.context import state_of
from core.engine.find import find
from core.engine.jobs import last_transition
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.store.tables import Job, PipelineRun, Schedule

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("job")
def job(engine: Engine, id: str) -> dict[str, Any]:
    """One job: live if this owner runs it, else as the store remembers it."""
    for view in engine.jobs.views():
        if view["job"] == id:
            return view
    with engine.workspace.database.reading() as session:
        row = find(session, Job, id)
        last = last_transition(session, row.id)
        return {
            "job": row.id,
            "kind": row.kind,
            "title": row.title,
            "state": last.state if last else "unknown",
            "error": {"error": "SystemFault", "headline": last.reason} if last and last.reason else None,
            "result": {},
        }


@question("pipeline")
def pipeline(engine: Engine, id: str = "latest") -> dict[str, Any]:
    """A walk with the state of each of its steps."""
    with engine.workspace.database.reading() as session:
        row = find(session, PipelineRun, id)
        state = state_of(session, "pipeline", row.id)
        reason, started, asked_by = row.reason, utc_text(row.created_at), row.created_by
    view = engine.pipelines.view(row.id)
    shown = view.plain() if view else {"run": row.id, "state": state, "steps": [], "error": None}
    return {**shown, "reason": reason, "started_at": started, "by": asked_by}


@question("schedules")
def schedules(engine: Engine) -> list[dict[str, Any]]:
    """All schedules with their state."""
    with engine.workspace.database.reading() as session:
        return [
            {
                "schedule": row.id,
                "name": row.name,
                "cron": row.cron,
                "operation": row.operation,
                "request": row.request,
                "state": state_of(session, "schedule", row.id),
            }
            for row in session.exec(select(Schedule).order_by(col(Schedule.created_at)))
        ]
