"""Commits of work on features and models, and the gates between them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.engine.context import Context, Done
from core.engine.curves import FILE, read_curves
from core.engine.feature_history import versions_of
from core.engine.operations.data import keep_report
from core.engine.projects import read_version
from core.engine.registry import JobOutcome, job_kind
from core.engine.steps import NOTED
from core.project.schema import Project
from core.store.metrics import append_points, new_batch
from core.store.tables import MetricBatch, ProjectVersion, Run, Snapshot

FEATURE_ROOMS = ("features", "contract", "measures", "project")
ARTEFACTS = (
    ("model", "model.onnx"),
    ("predictions", "predictions.parquet"),
    ("log", "log.txt"),
    ("changes", "changes.patch"),  # what git did not hold when it was trained
)
TRAINING_ROOMS = ("training", "contract")
GPU_TRAINERS = ("mlp",)


@job_kind("features.build", "features.build", "core.engine.work.training:build_features", rooms=FEATURE_ROOMS)
def keep_training_set(context: Context, outcome: JobOutcome) -> Done:
    """Keep a training set and its contract."""
    blobs = context.workspace.blobs
    value = outcome.value
    blob = blobs.put_table(outcome.folder)
    contract = blobs.put_file(outcome.folder / "contract.json")
    row = context.add(
        Snapshot,
        "snap",
        kind="training_set",
        name=outcome.params["name"],
        rows=value["rows"],
        bytes=blobs.size(blob),
        blob=blob,
        columns=dict.fromkeys(value["columns"], ""),
        detail={
            "splits": value["splits"],
            "features": value["features"],
            "contract": contract,
            "fill": value["fill"],
            "views": versions_of(Project.read(outcome.params["project"])),
        },
    )
    for snapshot in outcome.params["snapshots"]:
        context.edge(snapshot, row.id, "features")
    labelled = sum(split["labelled"] for split in value["splits"])
    return Done(
        subject=row.id,
        summary=f"{row.rows:,} rows, {labelled:,} labelled, {len(value['features'])} features",
        result={"snapshot": row.id, "blob": blob, "contract": contract, "features": value["features"]},
    )


@job_kind("features.leakage", "features.build", "core.engine.work.training:test_leakage", rooms=FEATURE_ROOMS)
def keep_leakage(context: Context, outcome: JobOutcome) -> Done:
    """Keep the verdict of the leak tests."""
    value = outcome.value
    summary = "; ".join(value["caught"]) if value["caught"] else f"{value['tests']} leak tests, none found a leak"
    return keep_report(context, outcome, "leakage", bool(value["passed"]), summary, {"caught": value["caught"]})


def wants_gpu(params: dict[str, Any]) -> bool:
    """Whether a candidate's training takes a GPU where there is one."""
    candidate = params["candidate"]
    return candidate["trainer"] in GPU_TRAINERS and candidate["settings"].get("device", "auto") != "cpu"


@job_kind(
    "training.train",
    "train.run",
    "core.engine.work.training:train_candidate",
    rooms=TRAINING_ROOMS,
    timeout_s=7200,
    retries=2,
    gpu=wants_gpu,
)
def keep_run(context: Context, outcome: JobOutcome) -> Done:
    """Keep a run: its model, predictions, curves, and all that decided its outcome."""
    blobs = context.workspace.blobs
    result, environment = outcome.value["result"], outcome.value["environment"]
    artefacts = {
        name: blobs.put_file(outcome.folder / file) for name, file in ARTEFACTS if (outcome.folder / file).is_file()
    }
    row = context.add(
        Run,
        "run",
        name=outcome.params["name"],
        project=outcome.params["project_name"],
        trainer=outcome.params["candidate"]["trainer"],
        seed=int(outcome.params["seed"]),
        settings=outcome.params["candidate"]["settings"],
        inputs={**outcome.params["lineage"], **outcome.params[NOTED], **_code(outcome.params)},
        environment=environment,
        metrics={**outcome.value["metrics"], **_cost(context, outcome)},
        resources={
            **outcome.resources,
            "determinism": result["determinism"],
            "rounds": result["rounds"],
            "resumed_from": result["resumed_from"],
        },
        artefacts=artefacts,
        started_at=context.now - timedelta(seconds=outcome.seconds),
        seconds=outcome.seconds,
    )
    _keep_points(context, outcome, row.id)
    context.edge(outcome.params["lineage"]["training_set"], row.id, "trained on")
    return Done(
        subject=row.id,
        summary=f"{row.name}: " + ", ".join(f"{name} {value:.4f}" for name, value in headline(row.metrics)),
        result={"run": row.id, **artefacts, "metrics": row.metrics},
    )


def _cost(context: Context, outcome: JobOutcome) -> dict[str, float]:
    """What the run cost by the project's rate card, if it has one: cores by their time, a GPU by the clock."""
    version = context.session.get_one(ProjectVersion, outcome.params[NOTED]["project_version"])
    rates = read_version(version, {}).training.rates
    if rates is None:
        return {}
    on_gpu = str(outcome.value["result"]["determinism"]["device"]).startswith("cuda")
    cores = outcome.resources.get("cpu_seconds", 0.0) / 3600 * rates.cpu_hour
    return {"train.cost": cores + (outcome.seconds / 3600 * rates.gpu_hour if on_gpu else 0.0)}


def _code(params: dict[str, Any]) -> dict[str, str]:
    """Digests of the code that trained: Plimsoll's, and the project's own function where one did."""
    candidate = params["candidate"]
    own = {"function": candidate["function"], "own_code": candidate["source"]} if candidate.get("function") else {}
    return {"code": params["code"], **own}


HEADLINES = ("validate.roc_auc", "test.roc_auc", "validate.rmse", "test.rmse", "test.r2")


def headline(metrics: dict[str, Any]) -> list[tuple[str, float]]:
    """The figures worth a line."""
    return [(name, float(metrics[name])) for name in HEADLINES if name in metrics]


def _keep_points(context: Context, outcome: JobOutcome, run: str) -> None:
    points = read_curves(outcome.folder / FILE)
    if points.is_empty():
        return
    batch = context.write(MetricBatch, "mb", **new_batch(run, points))
    append_points(context.session, batch, points)


PRIMARY_WORDS = {"roc_auc": "ROC-AUC", "rmse": "RMSE", "mae": "MAE", "r2": "R²", "log_loss": "log loss"}


@job_kind(
    "evaluation.evaluate",
    "evaluate.run",
    "core.engine.work.training:evaluate_model",
    rooms=("evaluation", "measures", "training", "contract"),
)
def keep_evaluation(context: Context, outcome: JobOutcome) -> Done:
    """Keep an evaluation report, as data and as a page."""
    facts = outcome.value["facts"]
    html = context.workspace.blobs.put_file(outcome.folder / "report.html")
    primary = outcome.value["primary"]
    value, low, high = (facts.get(f"metrics.{primary}.{part}") for part in ("value", "low", "high"))
    between = f" [{low:.4f}, {high:.4f}]" if low is not None and high is not None else ""
    summary = f"{outcome.params['name']}: {PRIMARY_WORDS.get(primary, primary)} {value:.4f}{between}"
    done = keep_report(context, outcome, "evaluation", None, summary, facts)
    result = {**done.result, "html": html, "threshold": outcome.value["threshold"]}
    return done.model_copy(update={"result": result})
