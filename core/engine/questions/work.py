"""Jobs, pipelines, schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from core.engine.context import state_of
from core.engine.find import find
from core.engine.jobs import folder_of, last_transition
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.store.tables import Job, PipelineRun, Schedule

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("job")
def job(engine: Engine, id: str) -> dict[str, Any]:
    """One job: live if this owner runs it, else as the store remembers it."""
    with engine.workspace.database.reading() as session:
        row = find(session, Job, id)
        for view in engine.jobs.views():
            if view["job"] == row.id:
                return view
        last = last_transition(session, row.id)
        return {
            "job": row.id,
            "kind": row.kind,
            "title": row.title,
            "state": last.state if last else "unknown",
            "error": {"error": "SystemFault", "headline": last.reason} if last and last.reason else None,
            "result": {},
        }


@question("jobs")
def jobs(engine: Engine, most: int = 100) -> list[dict[str, Any]]:
    """The newest jobs, newest first: live ones as they are now, others as the store remembers them."""
    live = {view["job"]: view for view in engine.jobs.views()}
    with engine.workspace.database.reading() as session:
        rows = session.exec(select(Job).order_by(col(Job.created_at).desc()).limit(most)).all()
        return [
            {
                "job": row.id,
                "kind": row.kind,
                "title": row.title,
                "state": _shown(live[row.id]) if row.id in live else state_of(session, "job", row.id),
                "priority": int(row.spec.get("priority", 0)),
                "queued_at": utc_text(row.created_at),
                "message": live[row.id]["message"] if row.id in live else "",
            }
            for row in rows
        ]


def _shown(view: dict[str, Any]) -> str:
    return "paused" if view["paused"] and view["state"] == "running" else str(view["state"])


@question("job_log")
def job_log(engine: Engine, id: str, most: int = 200) -> list[str]:
    """The last lines of a job's log, while its folder is there: of a finished run see the run itself."""
    with engine.workspace.database.reading() as session:
        row = find(session, Job, id)
    file = folder_of(engine.workspace, row.key or row.id) / "log.txt"
    return file.read_text(encoding="utf-8", errors="replace").splitlines()[-most:] if file.is_file() else []


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
