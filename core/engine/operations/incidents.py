"""What people do about alerts and incidents."""

from __future__ import annotations

from pydantic import Field

from core.engine.context import Context, Done, state_of
from core.engine.find import find
from core.engine.registry import operation
from core.kernel.durations import parse_duration
from core.kernel.errors import Conflict
from core.kernel.records import Record
from core.store.tables import Alert, Decision, Incident


class NotedIncident(Record):
    """An incident and words about it."""

    incident: str
    text: str = Field(min_length=1)


class MuteAlert(Record):
    """Silence an alert's key for a while."""

    alert: str
    duration: str
    reason: str = Field(min_length=1)


@operation("incident.acknowledge", "alert.ack", NotedIncident)
def acknowledge(context: Context, request: NotedIncident) -> Done:
    """Somebody takes it on."""
    return _note(context, request, "acknowledged")


@operation("incident.act", "incident.act", NotedIncident)
def act(context: Context, request: NotedIncident) -> Done:
    """A step of the playbook was taken."""
    return _note(context, request, "acknowledged")


@operation("incident.close", "incident.close", NotedIncident)
def close(context: Context, request: NotedIncident) -> Done:
    """It is over; a later breach of the same cause opens a new one."""
    return _note(context, request, "closed")


@operation("alert.mute", "alert.ack", MuteAlert)
def mute(context: Context, request: MuteAlert) -> Done:
    """Silence an alert; it goes on being recorded."""
    parse_duration(request.duration)
    row = find(context.session, Alert, request.alert)
    evidence = {"for": request.duration, "reason": request.reason}
    context.add(Decision, "dec", kind="mute", subject=row.cause, verdict="muted", evidence=evidence)
    return Done(subject=row.id, summary=f"{row.cause} is muted for {request.duration}: {request.reason}")


def _note(context: Context, request: NotedIncident, state: str) -> Done:
    row = find(context.session, Incident, request.incident)
    if state_of(context.session, "incident", row.id) == "closed":
        raise Conflict(f"Incident {row.id} is closed already", where=row.id)
    context.transition("incident", row.id, state, reason=request.text)
    return Done(subject=row.id, summary=f"{row.title}: {state} — {request.text}", result={"incident": row.id})
