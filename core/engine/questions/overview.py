"""The whole project at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from core.engine.context import state_of
from core.engine.operations.models import champion_of, stage_of
from core.engine.operations.releases import tally_of
from core.engine.projects import newest_version, read_version
from core.engine.questions.monitoring import newest_windows
from core.engine.questions.releases import targets
from core.engine.questions.training import user_names
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.kernel.errors import NotFound
from core.store.ledger import EntryBody
from core.store.tables import (
    Collection,
    Deployment,
    Incident,
    LedgerEntry,
    ModelVersion,
    Package,
    Release,
    Report,
    Run,
    Snapshot,
)

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("overview")
def overview(engine: Engine) -> dict[str, Any]:
    """Champion, what waits for people, the loop's stages, recent entries."""
    with engine.workspace.database.reading() as session:
        try:
            version = newest_version(session)
            title, name = read_version(version, {}).title, version.name
        except NotFound:
            title, name = "", ""
        champion = champion_of(session, name) if name else None
        releases = list(session.exec(select(Release).order_by(col(Release.created_at).desc())))
        pending = [row for row in releases if state_of(session, "release", row.id) == "proposed"]
        candidates = [
            row
            for row in session.exec(select(ModelVersion).order_by(col(ModelVersion.created_at).desc()))
            if stage_of(session, row.id) == "candidate"
        ]
        open_incidents = [
            row for row in session.exec(select(Incident)) if state_of(session, "incident", row.id) != "closed"
        ]
        windows = newest_windows(engine, session, champion.id) if champion else []
        return {
            "project": name,
            "title": title,
            "champion": _champion(session, champion) if champion else None,
            "candidates": [{"model": row.model, "version": row.version, "model_version": row.id} for row in candidates],
            "release_state": state_of(session, "release", releases[0].id) if releases else None,
            "pending_sign_offs": sum(tally_of(session, row).missing for row in pending),
            "open_incidents": len(open_incidents),
            "running_jobs": sum(job["state"] in ("queued", "running") for job in engine.jobs.views()),
            "targets": [{key: _plain(value) for key, value in row.items()} for row in targets(engine).to_dicts()],
            "stages": stages(session),
            "recent": _recent(session),
            "quality_by_window": [
                {
                    "window": body["window"]["start"][:10],
                    "auc": (body["quality"]["auc"] or {}).get("value"),
                    "low": (body["quality"]["auc"] or {}).get("low"),
                    "high": (body["quality"]["auc"] or {}).get("high"),
                    "n": body["window"]["rows"],
                }
                for body in windows
            ],
        }


def _champion(session: Session, row: ModelVersion) -> dict[str, Any]:
    report = session.get_one(Report, row.detail["evaluation"])
    release = session.exec(
        select(Release).where(Release.model_version == row.id).order_by(col(Release.created_at).desc())
    ).first()
    deployment = None
    if release is not None:
        query = select(Deployment).where(Deployment.release == release.id).order_by(col(Deployment.created_at).desc())
        deployment = session.exec(query).first()
    return {
        "model": row.model,
        "version": row.version,
        "model_version": row.id,
        "candidate": row.detail["candidate"],
        "stage": stage_of(session, row.id),
        "auc": report.facts.get("metrics.roc_auc.value"),
        "low": report.facts.get("metrics.roc_auc.low"),
        "high": report.facts.get("metrics.roc_auc.high"),
        "release": release.id if release else None,
        "target": deployment.target if deployment else None,
        "since": utc_text(deployment.created_at) if deployment else None,
    }


def stages(session: Session) -> list[dict[str, Any]]:
    """The loop, stage by stage: when each was last reached and with what."""
    reports: dict[str, Report] = {}
    for row in session.exec(select(Report).order_by(col(Report.created_at))):
        reports[row.kind] = row
    snapshots: dict[str, Snapshot] = {}
    for snapshot in session.exec(select(Snapshot).order_by(col(Snapshot.created_at))):
        snapshots[snapshot.kind] = snapshot
    facts: list[tuple[str, Any, str, bool | None]] = [
        ("ingest", snapshots.get("source"), _rows(snapshots.get("source")), None),
        ("validate", reports.get("validation"), _said(reports.get("validation")), _passed(reports.get("validation"))),
        ("features", snapshots.get("training_set"), _rows(snapshots.get("training_set")), None),
        ("leakage", reports.get("leakage"), _said(reports.get("leakage")), _passed(reports.get("leakage"))),
        ("train", _newest(session, Run), "", None),
        ("evaluate", reports.get("evaluation"), _said(reports.get("evaluation")), None),
        ("gates", reports.get("gates"), _said(reports.get("gates")), _passed(reports.get("gates"))),
        ("register", _newest(session, ModelVersion), "", None),
        ("sign", _newest(session, Release), "", None),
        ("package", _newest(session, Package), "", None),
        ("deploy", _newest(session, Deployment), "", None),
        ("collect", _newest(session, Collection), "", None),
        ("monitor", reports.get("monitoring"), _said(reports.get("monitoring")), _passed(reports.get("monitoring"))),
    ]
    return [
        {
            "stage": stage,
            "state": _state(session, stage, row, passed),
            "at": utc_text(row.created_at) if row is not None else None,
            "detail": detail,
        }
        for stage, row, detail, passed in facts
    ]


def _state(session: Session, stage: str, row: Any, passed: bool | None) -> str:
    if row is None:
        return "waiting"
    if stage == "sign":
        return state_of(session, "release", row.id) or "proposed"
    return "done" if passed is not False else "attention"


def _newest(session: Session, table: Any) -> Any:
    return session.exec(select(table).order_by(col(table.created_at).desc())).first()


def _rows(row: Snapshot | None) -> str:
    return f"{row.name}: {row.rows:,} rows" if row else ""


def _said(row: Report | None) -> str:
    return row.summary if row else ""


def _passed(row: Report | None) -> bool | None:
    return row.passed if row else None


def _recent(session: Session) -> list[dict[str, Any]]:
    quiet = ("job.start", "job.queue", "job.end", "job.recover")
    query = select(LedgerEntry).where(col(LedgerEntry.kind).not_in(quiet)).order_by(col(LedgerEntry.seq).desc())
    names = user_names(session)
    return [
        {
            "seq": row.seq,
            "at": utc_text(row.at),
            "actor": names.get(row.actor, row.actor),
            "kind": row.kind,
            "subject": row.subject,
            "outcome": row.outcome,
            "summary": EntryBody.model_validate_json(row.body).summary,
        }
        for row in session.exec(query.limit(12))
    ]


def _plain(value: Any) -> Any:
    return utc_text(value) if hasattr(value, "tzinfo") else value
