"""The health of one window of traffic: the service, the data that came in and the model's answers."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import polars as pl

from core.contract.checks import run_checks
from core.contract.schema import Contract
from core.kernel.clock import utc_text
from core.kernel.progress import Progress
from core.measures.calibration import calibration
from core.measures.classification import both_classes, brier
from core.measures.drift import compare
from core.measures.drift_reference import fit_reference
from core.measures.intervals import auc_interval
from core.measures.records import DriftReference
from core.monitoring.answer_quality import FEWEST_LABELS, answer_column, answer_figures
from core.monitoring.faults import data_faults
from core.monitoring.label_values import LABEL_KINDS
from core.monitoring.labels import coverage, join_labels
from core.monitoring.objectives import slo_results
from core.monitoring.records import (
    DataHealth,
    LabelCoverage,
    ModelHealth,
    MonitoringReport,
    SystemHealth,
    Window,
)
from core.monitoring.times import TIME
from core.monitoring.windows import features_of, fields_of, in_window
from core.project.schema import Drift, Slo

FAILED = "error"


class Traffic(NamedTuple):
    """What was collected about one model: the whole log (all windows) and the whole label table.

    ``server_errors`` counts requests of the window that failed before any row was logged.
    """

    log: pl.DataFrame
    labels: pl.DataFrame | None = None
    server_errors: int = 0


class Baseline(NamedTuple):
    """What the window is compared with: reference of the features, and the model's scores on its test period."""

    features: DriftReference | None = None
    scores: DriftReference | None = None


def score_reference(probability: pl.Series) -> DriftReference:
    """A :class:`Baseline`'s reference of scores, fitted on the test period's probabilities."""
    return fit_reference(pl.DataFrame({"probability": probability.cast(pl.Float64)}))


def analyse(
    traffic: Traffic,
    contract: Contract,
    baseline: Baseline,
    start: datetime,
    end: datetime,
    as_of: datetime,
    drift: Drift,
    slos: dict[str, Slo],
    progress: Progress,
) -> MonitoringReport:
    """The report on [start, end) by event time, with the labels that were known at ``as_of``.

    Asking again later with the same ``as_of`` gives the same report. Drift and objectives are tested
    on windows with rows only; no traffic is no failure. ``progress`` is asked to stop; its steps belong to
    the caller, who walks through the windows.
    """
    log = with_labels(traffic, contract, as_of)
    window = in_window(log, start, end)
    system = system_health(window, start, end, traffic.server_errors)
    progress.check()
    data = data_health(window, contract, baseline.features, drift, now=as_of)
    progress.check()
    told = None
    if traffic.labels is not None:
        told = coverage(window, log, traffic.labels, as_of, key=contract.key, task=contract.task)
    quality = model_health(window, baseline.scores, drift, told, contract)
    progress.check()
    objectives = slo_results(log, slos, end, quality.auc, traffic.server_errors)
    return MonitoringReport(
        model=contract.model,
        versions=_distinct(window, "version"),
        releases=_distinct(window, "release"),
        window=Window(start=utc_text(start), end=utc_text(end), rows=window.height),
        as_of=utc_text(as_of),
        system=system,
        data=data,
        quality=quality,
        slos=objectives,
    )


def with_labels(traffic: Traffic, contract: Contract, as_of: datetime) -> pl.DataFrame:
    """The log with label columns as known at ``as_of``; all null without a label table."""
    if traffic.labels is not None:
        return join_labels(traffic.log, traffic.labels, as_of, key=contract.key, task=contract.task)
    return traffic.log.with_columns(
        pl.lit(None, dtype=LABEL_KINDS[contract.task].dtype).alias("label"),
        pl.lit(None, dtype=TIME).alias("label_known_at"),
    )


def system_health(window: pl.DataFrame, start: datetime, end: datetime, server_errors: int = 0) -> SystemHealth:
    """Availability, latency (ms, linear quantiles over requests' rows) and throughput of a window."""
    failed = int((window["status"] == FAILED).sum()) + server_errors
    total = window.height + server_errors
    latency = window["latency_ms"].drop_nulls()
    points = [latency.quantile(q, interpolation="linear") if len(latency) else None for q in (0.5, 0.95, 0.99)]
    return SystemHealth(
        requests=_requests(window) + server_errors,
        rows=window.height,
        errors=failed,
        availability=1.0 - failed / total if total else None,
        rejected=int((window["status"] == "rejected").sum()),
        fallbacks=int((window["status"] == "fallback").sum()),
        p50_ms=points[0],
        p95_ms=points[1],
        p99_ms=points[2],
        rows_per_s=window.height / (end - start).total_seconds() if window.height else None,
    )


def data_health(
    window: pl.DataFrame, contract: Contract, reference: DriftReference | None, drift: Drift, *, now: datetime
) -> DataHealth:
    """Contract checks on the fields, nulls, drift of the features, and columns that look broken."""
    fields, undecodable = fields_of(window, contract)
    checks = run_checks(
        fields,
        contract.checks,
        table=contract.model,
        key=contract.key,
        personal=contract.personal,
        masked=contract.personal,
        now=now,
    )
    accepted = window.filter(pl.col("status") != "rejected")
    features = features_of(accepted, contract)
    shares = {name: features[name].null_count() / features.height for name in features.columns if features.height}
    if reference is None or not features.height:
        return DataHealth(checks=checks, undecodable=undecodable, null_shares=shares)
    known = without(reference, drift.ignore)
    report = compare(known, features, false_alarm=drift.false_alarm, min_effect=drift.min_effect)
    return DataHealth(
        checks=checks,
        undecodable=undecodable,
        null_shares=shares,
        drift=report,
        faults=data_faults(known, features),
    )


def without(reference: DriftReference, ignore: list[str]) -> DriftReference:
    """The reference less the columns that the project says to ignore."""
    return reference.model_copy(
        update={
            "numbers": [item for item in reference.numbers if item.name not in ignore],
            "categories": [item for item in reference.categories if item.name not in ignore],
        }
    )


def model_health(
    window: pl.DataFrame,
    scores: DriftReference | None,
    drift: Drift,
    known_labels: LabelCoverage | None,
    contract: Contract | None = None,
) -> ModelHealth:
    """Predictions against the test period's, and quality on the rows whose label is known.

    Fallback answers are not the model's and are left out. Quality needs ``FEWEST_LABELS`` labels of
    both classes; the interval of ROC-AUC is DeLong's, at 95 %. Without a contract the task is binary.
    """
    answer = "probability" if contract is None else answer_column(contract)
    answered = window.filter((pl.col("status") == "ok") & pl.col(answer).is_not_null())
    known = answered.filter(pl.col("label").is_not_null())
    moved = None
    if scores is not None and answered.height:
        moved = compare(scores, answered.select(answer), false_alarm=drift.false_alarm, min_effect=drift.min_effect)
    if contract is not None and contract.task != "binary":
        figures = answer_figures(known, contract)
        return ModelHealth(
            rows=answered.height,
            task=contract.task,
            prediction_drift=moved,
            coverage=known_labels,
            auc=figures.get("roc_auc"),
            figures=figures,
        )
    label, score = known["label"].to_numpy(), known["probability"].to_numpy()
    enough = known.height >= FEWEST_LABELS and both_classes(label)
    return ModelHealth(
        rows=answered.height,
        mean_probability=_mean(answered["probability"]),
        positive_share=_mean(answered["decision"].cast(pl.Float64)),
        prediction_drift=moved,
        coverage=known_labels,
        auc=auc_interval(label, score) if enough else None,
        brier=brier(label, score) if enough else None,
        calibration=calibration(label, score) if enough else None,
        label_rate=_mean(known["label"].cast(pl.Float64)),
    )


def _mean(values: pl.Series) -> float | None:
    found = values.mean()
    return float(found) if isinstance(found, int | float) else None


def _requests(window: pl.DataFrame) -> int:
    """Rows of one request share its id; a row without one is a request."""
    return window["request_id"].drop_nulls().n_unique() + window["request_id"].null_count()


def _distinct(window: pl.DataFrame, name: str) -> list[str]:
    return sorted(window[name].drop_nulls().unique().to_list())
