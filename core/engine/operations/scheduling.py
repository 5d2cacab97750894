"""Schedules and the end of jobs."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlmodel import select

from core.engine.context import Context, Done, state_of
from core.engine.registry import find_operation, operation
from core.engine.schedules import cron_trigger
from core.identity.roles import authorise
from core.kernel.errors import Conflict, NotFound, Refused
from core.kernel.records import Record
from core.store.tables import Schedule


class AddSchedule(Record):
    """Dispatch an operation whenever a cron expression says so (UTC)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    cron: str
    operation: str
    request: dict[str, Any] = Field(default_factory=dict)


class NamedSchedule(Record):
    """A schedule by its name."""

    name: str


@operation("schedule.add", "schedule.edit", AddSchedule)
def add_schedule(context: Context, request: AddSchedule) -> Done:
    """Add a schedule. The engine runs it with its own role, so only what that role may do is accepted."""
    cron_trigger(request.cron)
    found = find_operation(request.operation)
    found.request.read(request.request, where=request.operation)
    if not authorise(["system"], found.permission):
        raise Refused(f"The engine itself may not do {request.operation}: it needs a person")
    if _live(context, request.name) is not None:
        raise Conflict(f"There is a schedule {request.name!r} already")
    row = context.add(
        Schedule, "sch", name=request.name, cron=request.cron, operation=request.operation, request=request.request
    )
    context.transition("schedule", row.id, "on")
    return Done(subject=row.id, summary=f"{request.name}: {request.operation} at '{request.cron}'")


@operation("schedule.remove", "schedule.edit", NamedSchedule)
def remove_schedule(context: Context, request: NamedSchedule) -> Done:
    """Switch a schedule off; its past stays on record."""
    row = _live(context, request.name)
    if row is None:
        raise NotFound(f"There is no schedule {request.name!r}")
    context.transition("schedule", row.id, "off")
    return Done(subject=row.id, summary=f"{request.name}: off")


def _live(context: Context, name: str) -> Schedule | None:
    for row in context.session.exec(select(Schedule).where(Schedule.name == name)):
        if state_of(context.session, "schedule", row.id) == "on":
            return row
    return None
