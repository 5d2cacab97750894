"""Runs, their curves, evaluations, models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.find import find
from core.engine.operations.models import find_model, stage_of
from core.engine.registry import question
from core.engine.tracking.told import curated, is_tracked, tracked_run
from core.kernel.clock import utc_text
from core.kernel.digests import strict_json
from core.kernel.errors import InputError, NotFound
from core.measures.smoothing import exponential_mean
from core.store.metrics import read_points
from core.store.tables import ModelVersion, Report, Run, User

if TYPE_CHECKING:
    from core.engine.engine import Engine

RUNS: dict[str, Any] = {
    "run": pl.String,
    "name": pl.String,
    "trainer": pl.String,
    "state": pl.String,
    "roc_auc": pl.Float64,
    "validate_auc": pl.Float64,
    "brier": pl.Float64,
    "started_at": pl.Datetime("us", "UTC"),
    "seconds": pl.Float64,
    "cpu_seconds": pl.Float64,
    "author": pl.String,
    "model": pl.String,
}
EVALUATIONS: dict[str, Any] = {
    "evaluation": pl.String,
    "run": pl.String,
    "name": pl.String,
    "roc_auc": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "brier": pl.Float64,
    "ece": pl.Float64,
    "champion": pl.String,
    "gates": pl.String,
    "created_at": pl.Datetime("us", "UTC"),
    "primary": pl.String,
    "value": pl.Float64,
}


@question("runs")
def runs(engine: Engine) -> pl.DataFrame:
    """All runs, newest first."""
    with engine.workspace.database.reading() as session:
        models = {row.run: f"{row.model} v{row.version}" for row in session.exec(select(ModelVersion))}
        names = user_names(session)
        rows = [
            (
                row.id,
                row.name,
                row.trainer,
                "done",
                row.metrics.get("test.roc_auc"),
                row.metrics.get("validate.roc_auc"),
                row.metrics.get("test.brier"),
                row.started_at,
                row.seconds,
                row.resources.get("cpu_seconds"),
                names.get(row.created_by, row.created_by),
                models.get(row.id),
            )
            for row in session.exec(select(Run).order_by(col(Run.created_at).desc()))
        ]
    return pl.DataFrame(rows, schema=RUNS, orient="row")


@question("run")
def run(engine: Engine, id: str) -> dict[str, Any]:
    """One run with everything that decided its outcome."""
    with engine.workspace.database.reading() as session:
        if is_tracked(session, id):
            return tracked_run(session, id)
        row = find(session, Run, id)
        model = session.exec(select(ModelVersion).where(ModelVersion.run == row.id)).first()
        evaluation = newest_report(session, "evaluation", row.id)
        log = row.artefacts.get("log")
        return {
            "run": row.id,
            "name": row.name,
            "trainer": row.trainer,
            "project": row.project,
            "author": user_names(session).get(row.created_by, row.created_by),
            "seed": row.seed,
            "started_at": utc_text(row.started_at),
            "seconds": row.seconds,
            "parameters": row.settings,
            "environment": row.environment,
            "inputs": row.inputs,
            "metrics": row.metrics,
            "resources": row.resources,
            "artefacts": row.artefacts,
            "model": model.id if model else None,
            "evaluation": evaluation.id if evaluation else None,
            "log": engine.workspace.blobs.path(log).read_text()[-20_000:] if log else "",
            **curated(session, row.id),
        }


@question("run_metrics")
def run_metrics(engine: Engine, id: str, points: int = 4000, smoothing: float = 0.0) -> pl.DataFrame:
    """A run's curves: columns name, step, value; smoothed by a weight from 0 to below 1, then thinned."""
    with engine.workspace.database.reading() as session:
        run = id if is_tracked(session, id) else find(session, Run, id).id
    if not 0 <= smoothing < 1:
        raise InputError("Smoothing is from 0 to below 1", where=str(smoothing))
    shaped = exponential_mean(smoothing) if smoothing else None
    return read_points(engine.workspace.database, run, most=points, value=shaped)


def _deciding(facts: dict[str, Any]) -> tuple[str | None, float | None]:
    """A figure to tell evaluations apart by, whatever their label is."""
    for name in ("roc_auc", "accuracy", "rmse"):
        if f"metrics.{name}.value" in facts:
            return name, float(facts[f"metrics.{name}.value"])
    return None, None


@question("evaluations")
def evaluations(engine: Engine) -> pl.DataFrame:
    """All evaluations, newest first."""
    with engine.workspace.database.reading() as session:
        rows = []
        query = select(Report).where(Report.kind == "evaluation").order_by(col(Report.created_at).desc())
        for row in session.exec(query):
            gates = newest_report(session, "gates", row.subject)
            facts = row.facts
            rows.append(
                (
                    row.id,
                    row.subject,
                    row.name,
                    facts.get("metrics.roc_auc.value"),
                    facts.get("metrics.roc_auc.low"),
                    facts.get("metrics.roc_auc.high"),
                    facts.get("metrics.brier.value"),
                    facts.get("calibration.ece"),
                    str(facts.get("champion.verdict", "none")),
                    ("passed" if gates.passed else "blocked") if gates else None,
                    row.created_at,
                    *_deciding(facts),
                )
            )
    return pl.DataFrame(rows, schema=EVALUATIONS, orient="row")


@question("evaluation")
def evaluation(engine: Engine, id: str) -> dict[str, Any]:
    """One evaluation report, by its own id or its run's, with the outcomes of the gates."""
    with engine.workspace.database.reading() as session:
        row = newest_report(session, "evaluation", id) or find(session, Report, id)
        if row.kind != "evaluation":
            raise NotFound(f"{id!r} is a {row.kind}, not an evaluation")
        gates = newest_report(session, "gates", row.subject)
        blobs = engine.workspace.blobs
        body: dict[str, Any] = strict_json(blobs.path(row.blob).read_bytes())
        return {
            **body,
            "evaluation": row.id,
            "run": row.subject,
            "name": row.name,
            "summary": row.summary,
            "created_at": utc_text(row.created_at),
            "gates": strict_json(blobs.path(gates.blob).read_bytes()) if gates else [],
        }


@question("models")
def models(engine: Engine) -> pl.DataFrame:
    """All model versions with their stages."""
    with engine.workspace.database.reading() as session:
        rows = [
            (row.id, row.model, row.version, stage_of(session, row.id), row.run, row.payload, row.created_at)
            for row in session.exec(select(ModelVersion).order_by(col(ModelVersion.created_at).desc()))
        ]
    names = ["model_version", "model", "version", "stage", "run", "payload", "created_at"]
    return pl.DataFrame(rows, schema=names, orient="row")


@question("model")
def model(engine: Engine, name: str) -> dict[str, Any]:
    """One version: by ``champion``, ``latest``, id, ``model`` or ``model/number``."""
    with engine.workspace.database.reading() as session:
        row = find_model(session, name)
        card = engine.workspace.blobs.path(row.detail["files"]["card.md"]).read_text(encoding="utf-8")
        return {
            "model_version": row.id,
            "model": row.model,
            "version": row.version,
            "stage": stage_of(session, row.id),
            "run": row.run,
            "payload": row.payload,
            "onnx": row.onnx,
            "detail": row.detail,
            "card": card,
            "created_at": utc_text(row.created_at),
        }


def newest_report(session: Session, kind: str, subject: str) -> Report | None:
    """The newest report of a kind about a subject."""
    query = select(Report).where(Report.kind == kind, Report.subject == subject)
    return session.exec(query.order_by(col(Report.created_at).desc())).first()


def user_names(session: Session) -> dict[str, str]:
    """User ids to names."""
    return {user.id: user.name for user in session.exec(select(User))} | {"system": "Plimsoll"}
