"""Incidents between the store's rows and the records that the rules of monitoring work on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlmodel import Session, col, select

from core.engine.context import Context, state_of
from core.kernel.clock import utc_text
from core.kernel.durations import parse_duration
from core.monitoring.records import Absorbed, Mute, Note
from core.monitoring.records import Alert as AlertRecord
from core.monitoring.records import Incident as IncidentRecord
from core.store.tables import Alert, Decision, Incident, Transition

NOTED: dict[str, Any] = {"acknowledged": "acknowledged", "closed": "closed"}


def live_incidents(session: Session) -> list[IncidentRecord]:
    """Incidents that are not closed."""
    rows = session.exec(select(Incident).order_by(col(Incident.created_at)))
    records = [incident_record(session, row) for row in rows]
    return [record for record in records if record.state != "closed"]


def incident_record(session: Session, row: Incident) -> IncidentRecord:
    """An incident with its alerts added up and what people did about it."""
    alerts: dict[str, AlertRecord] = {}
    severity = row.severity
    for one in session.exec(select(Alert).where(Alert.incident == row.id).order_by(col(Alert.created_at))):
        alerts[one.cause] = AlertRecord.read(one.detail)
        severity = "critical" if one.severity == "critical" else severity
    state: Any = state_of(session, "incident", row.id) or "open"
    return IncidentRecord(
        id=row.id,
        cause=row.cause,
        kind=row.playbook,
        model=row.cause.split("/")[1],
        severity=severity,
        opened_at=utc_text(row.created_at),
        alerts=list(alerts.values()),
        state=state,
        notes=[
            Note(at=utc_text(one.created_at), who=one.created_by, what=NOTED.get(one.state, "noted"), text=one.reason)
            for one in timeline(session, row.id)
            if one.state != "open"
        ],
    )


def timeline(session: Session, incident: str) -> list[Transition]:
    """Everything that people and the engine did about an incident."""
    query = select(Transition).where(Transition.kind == "incident", Transition.subject == incident)
    return list(session.exec(query.order_by(col(Transition.order))))


def record_incidents(context: Context, absorbed: Absorbed, subject: str) -> int:
    """Write what is new: incidents that opened, and alerts whose count moved. Returns how many opened."""
    session, opened = context.session, 0
    for record in absorbed.incidents:
        row = session.get(Incident, record.id)
        if row is None:
            opened += 1
            row = context.add(
                Incident,
                "inc",
                id=record.id,
                cause=record.cause,
                title=_title(record),
                severity=record.severity,
                playbook=record.kind,
                subject=subject,
            )
            context.transition("incident", record.id, "open", reason=record.alerts[0].summary)
            known: dict[str, AlertRecord] = {}
        else:
            known = {alert.key: alert for alert in incident_record(session, row).alerts}
        for alert in record.alerts:
            if known.get(alert.key) != alert:
                context.add(
                    Alert,
                    "al",
                    incident=record.id,
                    cause=alert.key,
                    severity=alert.severity,
                    headline=alert.summary,
                    detail=alert.plain(),
                )
    return opened


def _title(record: IncidentRecord) -> str:
    words = {
        "drift": "Data drifted",
        "quality": "Quality fell",
        "data": "Data broke its contract",
        "slo": "Objective missed",
    }
    return f"{words[record.kind]}: {record.model}"


def mutes(session: Session) -> list[Mute]:
    """Mutes that people set; whether one has run out is the rules' business."""
    out = []
    for row in session.exec(select(Decision).where(Decision.kind == "mute")):
        until = row.created_at + timedelta(seconds=parse_duration(row.evidence["for"]))
        out.append(
            Mute(
                prefix=row.subject,
                until=utc_text(until),
                by=row.created_by,
                reason=row.evidence["reason"],
            )
        )
    return out
