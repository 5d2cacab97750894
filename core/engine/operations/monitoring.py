"""Labels, analysis of production windows, and what their signals lead to."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, select

from core.engine.context import Context, Done, state_of
from core.engine.incidents import live_incidents, mutes, record_incidents
from core.engine.jobs import submit
from core.engine.operations.delivery import target_row
from core.engine.operations.models import champion_of
from core.engine.operations.online import keep_materialised
from core.engine.operations.projects import Retrain, retrain
from core.engine.projects import newest_version, read_version
from core.engine.registry import JobOutcome, job_kind, operation
from core.kernel.clock import parse_utc, utc_text
from core.kernel.digests import canonical_json
from core.kernel.errors import InputError, NotFound
from core.kernel.records import Record
from core.monitoring.alerts import absorb
from core.monitoring.decide import decide
from core.monitoring.records import Decision as MonitorDecision
from core.monitoring.records import MonitoringReport, PastAction, Signal
from core.project.schema import Project, Split, Trigger
from core.store.tables import Decision, Deployment, ModelVersion, Release, Report, Run, Snapshot, TargetRow


class Analyse(Record):
    """Look at the champion's traffic of a period, knowing what was known at ``as_of``."""

    since: str
    until: str
    as_of: str = ""


class Replay(Record):
    """Send recorded events of a period to a target as if they happened now."""

    target: str
    since: str
    until: str


@operation("traffic.replay", "features.materialize", Replay)
def start_replay(context: Context, request: Replay) -> Done:
    """Queue a replay: features are pushed to the target as they become known, then requests are sent."""
    champion, project = _champion(context.session)
    detail = champion.detail
    session = context.session
    training_set = session.get_one(Snapshot, detail["training_set"])
    tables = {name: session.get_one(Snapshot, one).blob for name, one in detail["snapshots"].items()}
    params = {
        "target": target_row(session, request.target).spec,
        "since": request.since,
        "until": request.until,
        "project": project.model_dump(mode="json", by_alias=True),
        "snapshots": {view.table: detail["snapshots"][view.table] for view in project.features.views.values()},
    }
    inputs = {"contract": champion.contract, "training_set": training_set.blob}
    inputs |= {f"table:{name}": blob for name, blob in tables.items()}
    job = submit(
        context, "traffic.replay", f"Replay {request.since[:10]} to {request.until[:10]}", params=params, inputs=inputs
    )
    return Done(subject=champion.id, summary="Replaying traffic", result={"job": job})


@job_kind(
    "traffic.replay",
    "features.materialize",
    "core.engine.work.replay:replay",
    rooms=("features", "delivery"),
    timeout_s=1800,
)
def keep_replay(context: Context, outcome: JobOutcome) -> Done:
    """Record what was sent, and what the target's online store holds now."""
    value = {**outcome.value}
    place, project = f"target:{outcome.params['target']['name']}", outcome.params["project"]["project"]
    keep_materialised(context, project, place, value.pop("materialised"), outcome.params["snapshots"])
    told = f"{value['rows']:,} rows in {value['requests']:,} requests, {value['pushed_values']:,} feature values pushed"
    return Done(subject=outcome.params["target"]["name"], summary=told, result=value)


@operation("monitor.analyse", "monitor.analyse", Analyse)
def start_analyse(context: Context, request: Analyse) -> Done:
    """Queue the analysis of the champion's traffic."""
    session = context.session
    champion, project = _champion(session)
    run = session.get_one(Run, champion.run)
    inputs = {
        "contract": champion.contract,
        "training_set": session.get_one(Snapshot, champion.detail["training_set"]).blob,
        "run_predictions": run.artefacts["predictions"],
    }
    used: list[str] = []
    for kind in ("predictions", "labels"):
        rows = session.exec(select(Snapshot).where(Snapshot.kind == kind).order_by(col(Snapshot.created_at))).all()
        inputs |= {f"{kind}:{number:06d}": row.blob for number, row in enumerate(rows)}
        used += [row.id for row in rows]
    if not any(name.startswith("predictions:") for name in inputs):
        raise NotFound("No predictions were collected yet", remedy="Run `plimsoll monitor collect TARGET` first.")
    params = {
        "model": champion.id,
        "snapshots": used,
        "since": request.since,
        "until": request.until,
        "as_of": request.as_of or utc_text(context.now),
        "drift": project.drift.plain(),
        "slos": {name: slo.plain() for name, slo in project.slos.items()},
    }
    job = submit(context, "monitor.analyse", f"Analyse traffic of {champion.model}", params=params, inputs=inputs)
    return Done(subject=champion.id, summary="Analysing traffic", result={"job": job})


@job_kind(
    "monitor.analyse",
    "monitor.analyse",
    "core.engine.work.monitoring:analyse_traffic",
    rooms=("monitoring", "measures", "contract"),
)
def keep_analysis(context: Context, outcome: JobOutcome) -> Done:
    """Keep the reports, open incidents, decide, and start what the policy decided."""
    session = context.session
    champion = session.get_one(ModelVersion, outcome.params["model"])
    project = read_version(newest_version(session, champion.model), {})
    for body in outcome.value["reports"]:
        report = _keep_report(context, champion, MonitoringReport.read(body), outcome.value["parity"])
        for snapshot in outcome.params["snapshots"]:
            context.edge(snapshot, report, "analysed")
    signals = [Signal.read(item) for item in outcome.value["signals"]]
    as_of = parse_utc(outcome.params["as_of"])
    absorbed = absorb(live_incidents(session), signals, as_of, mutes(session))
    opened = record_incidents(context, absorbed, champion.id)
    places = places_to_roll_back(session, champion)
    decisions = decide(signals, _possible(project.triggers, bool(places)), past_actions(session), as_of)
    pipeline = _act(context, champion, project, decisions, as_of)
    if any(item.action == "rollback" for item in decisions):
        _roll_back(context, places, "; ".join(item.reason for item in decisions if item.action == "rollback"))
    taken = sorted({item.action for item in decisions})
    loud = sum(signal.severity != "info" for signal in signals)
    return Done(
        subject=champion.id,
        summary=f"{len(outcome.value['reports'])} windows, {loud} alerts, {opened} new incidents; decided: "
        + (", ".join(taken) or "nothing"),
        result={
            "windows": len(outcome.value["reports"]),
            "signals": len(signals),
            "alerts": loud,
            "incidents": opened,
            "decisions": [item.plain() for item in decisions],
            "pipeline": pipeline,
            "parity": outcome.value["parity"],
        },
    )


def _keep_report(context: Context, champion: ModelVersion, report: MonitoringReport, parity: dict[str, Any]) -> str:
    blob = context.workspace.blobs.put_bytes(canonical_json(report.plain()))
    auc = report.quality.auc
    drifted = [item.name for item in report.data.drift.columns if item.verdict == "alarm"] if report.data.drift else []
    row = context.add(
        Report,
        "rep",
        kind="monitoring",
        subject=champion.id,
        name=f"{report.window.start[:10]} to {report.window.end[:10]}",
        blob=blob,
        passed=all(slo.met is not False for slo in report.slos),
        summary=f"{report.window.rows:,} predictions, {len(drifted)} columns drifted",
        facts={
            "start": report.window.start,
            "end": report.window.end,
            "rows": report.window.rows,
            "auc": auc.value if auc else None,
            "drifted": drifted,
            "parity": parity,
        },
    )
    return row.id


def _act(
    context: Context, champion: ModelVersion, project: Project, decisions: list[MonitorDecision], as_of: datetime
) -> str | None:
    pipeline = None
    for item in decisions:
        context.add(
            Decision,
            "dec",
            kind="response",
            subject=champion.id,
            verdict=item.action,
            policy=f"triggers of {project.project}",
            evidence={**item.plain(), "as_of": utc_text(as_of)},
        )
        if item.action == "retrain" and pipeline is None:
            split = shifted_split(project.split, as_of.date())
            request = Retrain(project=project.project, signal=item.on, reason=item.reason, split=split)
            pipeline = str(retrain(context, request).result["pipeline"])
    return pipeline


def _possible(triggers: list[Trigger], can_roll_back: bool) -> list[Trigger]:
    """A first release has nothing to go back to: then people are alerted instead."""
    if can_roll_back:
        return triggers
    return [item.model_copy(update={"action": "alert"}) if item.action == "rollback" else item for item in triggers]


def places_to_roll_back(session: Session, champion: ModelVersion) -> list[TargetRow]:
    """Targets that run the champion and ran another release before."""
    mine = {row.id for row in session.exec(select(Release).where(Release.model_version == champion.id))}
    ran: dict[str, set[str]] = {}
    for row in session.exec(select(Deployment)):
        ran.setdefault(row.target, set()).add(row.release)
    return [
        target_row(session, name)
        for name, releases in sorted(ran.items())
        if state_of(session, "target", name, "release") in mine and releases - mine
    ]


def _roll_back(context: Context, places: list[TargetRow], reason: str) -> None:
    for place in places:
        params = {"target": place.spec, "reason": reason, "actor": context.actor.name}
        submit(context, "deploy.roll_back", f"Roll back {place.name}", params=params, inputs={})


def past_actions(session: Session) -> list[PastAction]:
    """What earlier signals led to, in the time of their data."""
    rows = session.exec(select(Decision).where(Decision.kind == "response"))
    return [
        PastAction(on=row.evidence["on"], action=row.evidence["action"], at=row.evidence["as_of"])
        for row in rows
        if row.verdict != "log"
    ]


def shifted_split(split: Split, today: date) -> dict[str, tuple[str, str]]:
    """The same periods, moved by whole months until the test period ends last before ``today``.

    Raises:
        InputError: when no later period is complete yet.
    """
    months = (today.year - split.test[1].year) * 12 + today.month - split.test[1].month
    if today.day < split.test[1].day:
        months -= 1
    if months < 1:
        raise InputError("There is no newer whole period to train on yet")
    periods = {"train": split.train, "validate": split.validate_, "test": split.test}
    moved = {
        name: (_shift(start, months).isoformat(), _shift(end, months).isoformat())
        for name, (start, end) in periods.items()
    }
    if split.production and split.production[1].isoformat() > moved["test"][1]:
        moved["production"] = (moved["test"][1], split.production[1].isoformat())
    return moved


def _shift(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, 28))


def _champion(session: Session) -> tuple[ModelVersion, Project]:
    version = newest_version(session)
    champion = champion_of(session, version.name)
    if champion is None:
        raise NotFound("No model is in production", remedy="Deploy a signed release first.")
    return champion, read_version(version, {})
