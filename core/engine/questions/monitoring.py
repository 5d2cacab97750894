"""The four layers of a model in production, alerts, incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.context import state_of
from core.engine.find import find
from core.engine.incidents import incident_record, timeline
from core.engine.operations.models import champion_of, find_model
from core.engine.projects import newest_version
from core.engine.questions.training import user_names
from core.engine.registry import question
from core.kernel.clock import parse_utc, utc_text
from core.kernel.digests import strict_json
from core.kernel.errors import NotFound
from core.monitoring.playbooks import playbook
from core.store.tables import Alert, Collection, Decision, Incident, ModelVersion, Report, Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("monitoring")
def monitoring(engine: Engine, model: str = "") -> dict[str, Any] | None:
    """The newest reports of a version (the champion if none is named), window by window; none without traffic."""
    with engine.workspace.database.reading() as session:
        version = find_model(session, model) if model else _champion(session)
        if version is None:
            return None
        reports = newest_windows(engine, session, version.id)
        if not reports:
            return None
        last = reports[-1]
        return {
            "model": version.model,
            "version": version.version,
            "model_version": version.id,
            "window": last["window"],
            "as_of": last["as_of"],
            "system": last["system"],
            "data": last["data"],
            "quality": last["quality"],
            "slos": last["slos"],
            "windows": [_summary(body) for body in reports],
            "drift": _drift(last),
            "parity": last["parity"],
            "business": _business(reports),
            "decisions": _decisions(session, version.id),
        }


def newest_windows(engine: Engine, session: Session, version: str) -> list[dict[str, Any]]:
    """The newest report on each window of a version, oldest window first."""
    query = select(Report).where(Report.kind == "monitoring", Report.subject == version)
    newest: dict[str, Report] = {}
    for row in session.exec(query.order_by(col(Report.created_at))):
        newest[row.facts["start"]] = row
    out = []
    for start in sorted(newest):
        body = strict_json(engine.workspace.blobs.path(newest[start].blob).read_bytes())
        out.append({**body, "report": newest[start].id, "parity": newest[start].facts["parity"]})
    return out


def _summary(body: dict[str, Any]) -> dict[str, Any]:
    quality, data = body["quality"], body["data"]
    auc = quality["auc"] or {}
    return {
        "window": body["window"]["start"][:10],
        "start": body["window"]["start"],
        "end": body["window"]["end"],
        "n": body["window"]["rows"],
        "auc": auc.get("value"),
        "auc_low": auc.get("low"),
        "auc_high": auc.get("high"),
        "brier": quality["brier"],
        "labels": (quality["coverage"] or {}).get("labelled"),
        "label_rate": quality["label_rate"],
        "mean_probability": quality["mean_probability"],
        "positive_share": quality["positive_share"],
        "availability": body["system"]["availability"],
        "p50_ms": body["system"]["p50_ms"],
        "p95_ms": body["system"]["p95_ms"],
        "p99_ms": body["system"]["p99_ms"],
        "drifted": [
            item["name"] for item in (data["drift"] or {"columns": []})["columns"] if item["verdict"] == "alarm"
        ],
    }


def _drift(body: dict[str, Any]) -> list[dict[str, Any]]:
    out = []
    for report in (body["data"]["drift"], body["quality"]["prediction_drift"]):
        out += [
            {
                "column": item["name"],
                "statistic": item["statistic"],
                "effect": item["effect"],
                "p": item["p_value"],
                "psi": item["psi"],
                "null_effect": item["null_effect"],
                "verdict": item["verdict"],
                "alarm": item["verdict"] == "alarm",
                "reason": item["reason"],
            }
            for item in (report or {"columns": []})["columns"]
        ]
    return sorted(out, key=lambda item: (not item["alarm"], -item["effect"]))


def _business(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Delays foreseen among those whose outcome is known: what the users of the warnings got."""
    labelled = sum((body["quality"]["coverage"] or {}).get("labelled", 0) for body in reports)
    warned = [body["quality"]["positive_share"] for body in reports if body["quality"]["positive_share"] is not None]
    return {
        "labelled predictions": labelled,
        "share warned": sum(warned) / len(warned) if warned else None,
        "note": "Cost and lift of actions need recorded actions: none are recorded in this project.",
    }


def _decisions(session: Session, version: str) -> list[dict[str, Any]]:
    query = select(Decision).where(Decision.kind == "response", Decision.subject == version)
    return [
        {
            "at": utc_text(row.created_at),
            "action": row.verdict,
            "on": row.evidence["on"],
            "reason": row.evidence["reason"],
            "as_of": row.evidence["as_of"],
        }
        for row in session.exec(query.order_by(col(Decision.created_at).desc()))
    ]


def _champion(session: Session) -> ModelVersion | None:
    try:
        return champion_of(session, newest_version(session).name)
    except NotFound:
        return None


@question("alerts")
def alerts(engine: Engine) -> pl.DataFrame:
    """All alerts, the newest state of each key first."""
    with engine.workspace.database.reading() as session:
        newest: dict[tuple[str, str], Alert] = {}
        for row in session.exec(select(Alert).order_by(col(Alert.created_at))):
            newest[row.incident, row.cause] = row
        rows = [
            (row.id, row.cause, row.severity, row.headline, row.incident, row.detail["count"], row.created_at)
            for row in reversed(newest.values())
        ]
    names = ["alert", "cause", "severity", "headline", "incident", "count", "at"]
    return pl.DataFrame(rows, schema=names, orient="row")


@question("incidents")
def incidents(engine: Engine) -> pl.DataFrame:
    """All incidents, newest first."""
    with engine.workspace.database.reading() as session:
        rows = []
        for row in session.exec(select(Incident).order_by(col(Incident.created_at).desc())):
            record = incident_record(session, row)
            rows.append(
                (
                    row.id,
                    row.title,
                    record.severity,
                    record.state,
                    len(record.alerts),
                    record.breaches,
                    row.created_at,
                    row.cause,
                )
            )
    names = ["incident", "title", "severity", "state", "alerts", "breaches", "opened_at", "cause"]
    return pl.DataFrame(rows, schema=names, orient="row")


@question("incident")
def incident(engine: Engine, id: str) -> dict[str, Any]:
    """One incident: alerts, timeline, playbook."""
    with engine.workspace.database.reading() as session:
        row = find(session, Incident, id)
        record = incident_record(session, row)
        names = user_names(session)
        return {
            "incident": row.id,
            "title": row.title,
            "severity": record.severity,
            "state": state_of(session, "incident", row.id),
            "subject": row.subject,
            "opened_at": utc_text(row.created_at),
            "alerts": [item.plain() for item in record.alerts],
            "timeline": [
                {
                    "at": utc_text(one.created_at),
                    "who": names.get(one.created_by, one.created_by),
                    "what": one.state,
                    "text": one.reason,
                }
                for one in timeline(session, row.id)
            ],
            "playbook": playbook(record.kind).plain(),
        }


@question("recorded_labels")
def recorded_labels(engine: Engine, since: str, until: str, known_after: str, known_by: str) -> pl.DataFrame:
    """Labels of the champion's recorded events that became known in (known_after, known_by]: for replays."""
    with engine.workspace.database.reading() as session:
        champion = _champion(session)
        if champion is None:
            raise NotFound("No model is in production")
        blob = session.get_one(Snapshot, champion.detail["training_set"]).blob
        contract = strict_json(engine.workspace.blobs.path(champion.contract).read_bytes())
    moments = [parse_utc(text) for text in (since, until, known_after, known_by)]
    return (
        pl.scan_parquet(engine.workspace.blobs.path(blob))
        .filter(
            pl.col("prediction_time").is_between(moments[0], moments[1], closed="left")
            & pl.col("label_known_at").is_between(moments[2], moments[3], closed="right")
            & pl.col("label").is_not_null()
        )
        .select(*contract["key"], "label", pl.col("label_known_at").alias("known_at"))
        .collect()
    )


@question("collected")
def collected(engine: Engine, target: str) -> dict[str, Any]:
    """How many prediction rows were collected from a target."""
    with engine.workspace.database.reading() as session:
        rows = list(session.exec(select(Collection).where(Collection.target == target)))
    return {"target": target, "collections": len(rows), "rows": sum(row.rows for row in rows)}
