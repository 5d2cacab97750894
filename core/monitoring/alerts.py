"""From findings to people: signals, alerts that repeat, and one incident for one cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from core.kernel.clock import utc_text
from core.kernel.digests import digest_json
from core.kernel.errors import Conflict, InputError
from core.monitoring.records import (
    Absorbed,
    Alert,
    Incident,
    MonitoringReport,
    Mute,
    Note,
    Severity,
    Signal,
    SignalKind,
)

_RANK: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


def signals_of(report: MonitoringReport) -> list[Signal]:
    """Everything in a report that somebody, or a trigger, should know of, in a fixed order."""
    return [*_data(report), *_drift(report), *_slo(report)]


def _signal(
    report: MonitoringReport,
    kind: SignalKind,
    subject: str,
    severity: Severity,
    summary: str,
    value: float | None = None,
    fault: bool = False,
) -> Signal:
    return Signal(
        kind=kind,
        model=report.model,
        subject=subject,
        severity=severity,
        summary=summary,
        value=value,
        window_end=report.window.end,
        fault=fault,
    )


def _data(report: MonitoringReport) -> list[Signal]:
    found = [
        _signal(report, "data", item.column, "critical", f"{item.column} looks broken: {item.detail}", fault=True)
        for item in report.data.faults
    ]
    for result in report.data.checks.results:
        if not result.passed:
            severity: Severity = "warning" if result.severity == "warn" else "critical"
            found.append(_signal(report, "data", result.name, severity, f"{result.name}: {result.observed}"))
    return found + [
        _signal(report, "data", name, "warning", f"{count} values of {name} do not fit its type", float(count))
        for name, count in sorted(report.data.undecodable.items())
    ]


def _drift(report: MonitoringReport) -> list[Signal]:
    broken = {item.column for item in report.data.faults}
    found = []
    for drift in (report.data.drift, report.quality.prediction_drift):
        for column in drift.columns if drift else []:
            if column.verdict == "same":
                continue
            severity: Severity = "warning" if column.verdict == "alarm" else "info"
            effect = max(column.effect, column.null_effect)
            text = f"{column.name}: {column.reason or 'a significant shift below the least effect'}"
            fault = column.name in broken
            found.append(_signal(report, "drift", column.name, severity, text, effect, fault))
    return found


def _slo(report: MonitoringReport) -> list[Signal]:
    found = []
    for slo in report.slos:
        if not (slo.page or slo.ticket):
            continue
        kind: SignalKind = "quality" if slo.indicator == "quality" else "slo"
        value = "unknown" if slo.observed is None else f"{slo.observed:.4f}"
        text = f"{slo.name}: {slo.indicator} is {value}, objective {slo.objective:g}"
        found.append(_signal(report, kind, slo.name, "critical" if slo.page else "warning", text, slo.observed))
    return found


def absorb(
    incidents: Sequence[Incident], signals: Sequence[Signal], now: datetime, mutes: Sequence[Mute] = ()
) -> Absorbed:
    """Fold signals into the open incidents; a cause without one opens one.

    ``info`` signals open nothing. Somebody is told when an incident opens or becomes more severe, never
    for a repeat, and never while every signal of the cause is muted.
    """
    at = utc_text(now)
    live = {item.cause: item for item in incidents if item.state != "closed"}
    loud: set[str] = set()
    muted = 0
    before = dict(live)
    for signal in signals:
        if signal.severity == "info":
            continue
        if any(signal.key.startswith(mute.prefix) and at < mute.until for mute in mutes):
            muted += 1
        else:
            loud.add(signal.cause)
        live[signal.cause] = _with(live.get(signal.cause) or _opened(signal, at), signal, at)
    notify = [cause for cause in sorted(loud) if _worse(before.get(cause), live[cause])]
    return Absorbed(
        incidents=sorted(live.values(), key=lambda item: (item.opened_at, item.cause)),
        notify=[live[cause].id for cause in notify],
        muted=muted,
    )


def acknowledge(incident: Incident, who: str, now: datetime, text: str = "") -> Incident:
    """Somebody takes it on. Repeats go on being counted; a rise in severity tells again."""
    return _noted(incident, who, now, "acknowledged", text)


def close(incident: Incident, who: str, now: datetime, reason: str) -> Incident:
    """End an incident; a later breach of the same cause opens a new one.

    Raises:
        InputError: without a reason.
    """
    if not reason.strip():
        raise InputError("An incident is closed with a reason", remedy="Say what was found and done.")
    return _noted(incident, who, now, "closed", reason)


def mute(prefix: str, until: datetime, by: str, reason: str, now: datetime) -> Mute:
    """Silence alerts for a while.

    Raises:
        InputError: without a reason, an end in the future or a prefix (nobody mutes everything).
    """
    if not (prefix.strip() and reason.strip() and until > now):
        raise InputError("A mute needs the alerts' key, a reason and an end in the future")
    return Mute(prefix=prefix, until=utc_text(until), by=by, reason=reason.strip())


def _noted(incident: Incident, who: str, now: datetime, what: Literal["acknowledged", "closed"], text: str) -> Incident:
    if incident.state == "closed":
        raise Conflict("The incident is closed already", where=incident.id)
    note = Note(at=utc_text(now), who=who, what=what, text=text.strip())
    return incident.model_copy(update={"state": what, "notes": [*incident.notes, note]})


def _opened(signal: Signal, at: str) -> Incident:
    name = digest_json([signal.cause, at])[3:13]
    return Incident(
        id=f"inc-{name}",
        cause=signal.cause,
        kind=signal.kind,
        model=signal.model,
        severity=signal.severity,
        opened_at=at,
        alerts=[],
    )


def _with(incident: Incident, signal: Signal, at: str) -> Incident:
    alerts = {alert.key: alert for alert in incident.alerts}
    known = alerts.get(signal.key)
    alerts[signal.key] = Alert(
        key=signal.key,
        summary=signal.summary,
        severity=_higher(known.severity, signal.severity) if known else signal.severity,
        first_at=known.first_at if known else at,
        last_at=at,
        count=known.count + 1 if known else 1,
    )
    severity = _higher(incident.severity, signal.severity)
    return incident.model_copy(update={"alerts": list(alerts.values()), "severity": severity})


def _higher(first: Severity, second: Severity) -> Severity:
    return first if _RANK[first] >= _RANK[second] else second


def _worse(before: Incident | None, after: Incident) -> bool:
    return before is None or _RANK[after.severity] > _RANK[before.severity]
