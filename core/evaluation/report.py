"""One evaluation: from a predictions file to the report that gates and reviewers read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from core.evaluation.champion import compare_with_champion
from core.evaluation.error_records import SeedSpread
from core.evaluation.inside import Inside, Packaged, Verdicts, entropy, look_inside
from core.evaluation.predictions import labelled, read_predictions
from core.evaluation.records import EvaluationReport, MonthResult, ScoreHistogram
from core.kernel.clock import utc_text
from core.kernel.progress import Progress
from core.measures import classification as measure
from core.measures.calibration import calibration
from core.measures.fair_thresholds import Rate, fair_trade
from core.measures.fairness import fairness
from core.measures.intervals import auc_interval, bootstrap
from core.measures.recalibration import recalibrations
from core.measures.records import Confusion, Estimate, FairnessReport, Recalibration
from core.measures.slices import level_text, slice_metrics
from core.project.schema import Evaluation

VALIDATION = "validate"  # the name of the split, as in plimsoll.yaml
STEPS = 7
RATES: tuple[Rate, ...] = ("selection_rate", "tpr")
FEW_POSITIVES = 100


def evaluate(
    predictions: Path,
    spec: Evaluation,
    *,
    split: str = "test",
    champion: Path | None = None,
    champion_threshold: float | None = None,
    packaged: Packaged | None = None,
    seeds: SeedSpread | None = None,
    progress: Progress,
) -> EvaluationReport:
    """Judge one split of a predictions file as ``spec`` declares.

    With ``packaged``, the model and the rows behind its predictions, the report also finds slices and
    kinds of error, explains answers and times them.

    Columns: ``key``, ``split`` (train, validate, test, ...), ``prediction_time``, ``label`` (null where
    unknown), ``probability``, and every slice feature and the fairness group. The threshold is
    chosen on the validation split, never on the judged one. Intervals are 95 %.

    Raises:
        InputError: naming all that is wrong with the file.
    """
    group = [spec.fairness_group] if spec.fairness_group else []
    features = list(dict.fromkeys([name for names in spec.slices for name in names] + group))
    frame = read_predictions(predictions, features)
    known, unlabelled = labelled(frame, split, predictions.name)
    _tell(progress, 1, "Choosing the threshold")
    threshold, source = _threshold(frame, spec, predictions.name)
    y, s = known["label"].to_numpy(), known["probability"].to_numpy()
    costs = {"cost_fp": spec.cost_false_positive, "cost_fn": spec.cost_false_negative}
    table = measure.confusion(y, s, threshold, **costs)
    _tell(progress, 2, "Measuring, with intervals")
    metrics = _metrics(y, s, table, spec)
    _tell(progress, 3, "Slicing")
    slices = slice_metrics(known, spec.slices, threshold=threshold, min_rows=spec.min_slice_rows)
    fair = _fairness(frame, known, spec, threshold, predictions.name)
    _tell(progress, 4, "Comparing months")
    stability = _months(known, threshold, spec.min_slice_rows)
    _tell(progress, 5, "Comparing with the champion" if champion else "Summing up")
    against = None
    if champion is not None:
        thresholds = (threshold, champion_threshold if champion_threshold is not None else threshold)
        against = compare_with_champion(
            known, champion, primary=spec.primary_for("binary"), bootstrap=spec.bootstrap, thresholds=thresholds
        )
    _tell(progress, 6, "Looking for weak slices and reasons" if packaged else "Summing up")
    inside = _inside(packaged, known, threshold, split, spec, progress)
    report = EvaluationReport(
        split=split,
        rows=known.height,
        unlabelled=unlabelled,
        positives=int(y.sum()),
        base_rate=float(y.mean()),
        first_prediction=utc_text(known["prediction_time"].dt.min()),  # type: ignore[arg-type]
        last_prediction=utc_text(known["prediction_time"].dt.max()),  # type: ignore[arg-type]
        primary=spec.primary_for("binary"),
        threshold=threshold,
        threshold_source=source,
        cost_false_positive=spec.cost_false_positive,
        cost_false_negative=spec.cost_false_negative,
        metrics=metrics,
        confusion=table,
        thresholds=measure.threshold_table(y, s, cost_fp=spec.cost_false_positive, cost_fn=spec.cost_false_negative),
        calibration=calibration(y, s),
        curves=measure.curves(y, s),
        scores=_scores(y, s),
        slices=slices,
        fairness=fair,
        stability=stability,
        champion=against,
        recalibration=_recalibration(frame, y, s),
        seeds=seeds,
        discovered=inside.discovered if inside else None,
        errors=inside.errors if inside else [],
        explanation=inside.explanation if inside else None,
        inference=inside.inference if inside else None,
        notes=_notes(known, unlabelled, spec, fair, [item.name for item in slices if not item.adequate]),
    )
    _tell(progress, STEPS, "Evaluated")
    return report


def _tell(progress: Progress, done: int, message: str) -> None:
    progress.check()
    progress.step(done, STEPS, message)


def _threshold(
    frame: pl.DataFrame, spec: Evaluation, where: str
) -> tuple[float, Literal["declared", "least cost on validation"]]:
    if spec.threshold is not None:
        return spec.threshold, "declared"
    chosen_on, _ = labelled(frame, VALIDATION, where)
    best = measure.best_threshold(
        chosen_on["label"].to_numpy(),
        chosen_on["probability"].to_numpy(),
        cost_fp=spec.cost_false_positive,
        cost_fn=spec.cost_false_negative,
    )
    return best, "least cost on validation"


def _metrics(y: measure.Bools, s: measure.Floats, table: Confusion, spec: Evaluation) -> dict[str, Estimate]:
    """Every point metric with its interval: DeLong's for ROC-AUC, the bootstrap's for the others."""
    values = {
        "average_precision": measure.average_precision(y, s),
        "brier": measure.brier(y, s),
        "log_loss": measure.log_loss(y, s),
        "accuracy": measure.accuracy(table),
        "precision": measure.precision(table),
        "recall": measure.recall(table),
        "f1": measure.f1(table),
        "expected_cost": table.cost,
    }
    bands = bootstrap(
        y,
        s,
        table.threshold,
        times=spec.bootstrap,
        cost_fp=spec.cost_false_positive,
        cost_fn=spec.cost_false_negative,
    )
    method = f"bootstrap percentile, {spec.bootstrap} resamples"
    found = {"roc_auc": auc_interval(y, s)}
    for name, value in values.items():
        found[name] = Estimate(value=value, low=bands[name][0], high=bands[name][1], method=method)
    return found


def _fairness(
    frame: pl.DataFrame, known: pl.DataFrame, spec: Evaluation, threshold: float, where: str
) -> FairnessReport | None:
    """Group figures, and what thresholds by group, chosen on validation, would give."""
    if spec.fairness_group is None:
        return None
    group = spec.fairness_group
    judged = (known["label"].to_numpy(), known["probability"].to_numpy(), level_text(known[group]).to_numpy())
    made = fairness(*judged, threshold=threshold, feature=group, min_rows=spec.min_slice_rows)
    if not _has_both(frame, VALIDATION):
        return made
    fit, _ = labelled(frame, VALIDATION, where)
    chosen_on = (fit["label"].to_numpy(), fit["probability"].to_numpy(), level_text(fit[group]).to_numpy())
    costs = {"cost_fp": spec.cost_false_positive, "cost_fn": spec.cost_false_negative}
    trades = [
        fair_trade(chosen_on, judged, rate=rate, threshold=threshold, min_rows=spec.min_slice_rows, **costs)
        for rate in RATES
    ]
    return made.model_copy(update={"trades": [trade for trade in trades if trade is not None]})


def _has_both(frame: pl.DataFrame, split: str) -> bool:
    """The split has labelled rows of both classes."""
    labels = frame.filter((pl.col("split") == split) & pl.col("label").is_not_null())["label"]
    return labels.n_unique() == 2


def _recalibration(frame: pl.DataFrame, y: measure.Bools, s: measure.Floats) -> list[Recalibration]:
    if not _has_both(frame, VALIDATION):
        return []
    fit = frame.filter((pl.col("split") == VALIDATION) & pl.col("label").is_not_null())
    return recalibrations((fit["label"].to_numpy(), fit["probability"].to_numpy()), (y, s))


def _inside(
    packaged: Packaged | None, known: pl.DataFrame, threshold: float, split: str, spec: Evaluation, progress: Progress
) -> Inside | None:
    if packaged is None:
        return None
    y, s = known["label"].to_numpy(), known["probability"].to_numpy()
    kinds = np.select([(s < threshold) & y, (s >= threshold) & ~y], ["missed", "false alarm"], "").tolist()
    verdicts = Verdicts(
        keys=known["key"].to_list(),
        labels=["yes" if one else "no" for one in y.tolist()],
        predictions=[f"{one:.3f}" for one in s.tolist()],
        answer=s,
        loss=measure.row_log_loss(y, s),
        loss_name="log loss",
        kinds=kinds,
        expected=entropy(s),
    )
    return look_inside(packaged, verdicts, split, spec.min_slice_rows, progress)


def _months(known: pl.DataFrame, threshold: float, min_rows: int) -> list[MonthResult]:
    named = known.with_columns(month=pl.col("prediction_time").dt.strftime("%Y-%m"))
    found = []
    for (month,), part in sorted(named.group_by(["month"], maintain_order=True), key=lambda item: str(item[0][0])):
        y, s = part["label"].to_numpy(), part["probability"].to_numpy()
        found.append(
            MonthResult(
                month=str(month),
                rows=part.height,
                adequate=part.height >= min_rows,
                base_rate=float(y.mean()),
                predicted_rate=float((s >= threshold).mean()),
                auc=auc_interval(y, s) if measure.both_classes(y) else None,
                brier=measure.brier(y, s),
                log_loss=measure.log_loss(y, s),
                ece=calibration(y, s).ece,
            )
        )
    return found


def _scores(y: measure.Bools, s: measure.Floats) -> ScoreHistogram:
    edges = np.linspace(0.0, 1.0, 21)
    positives, negatives = (np.histogram(s[which], edges)[0].tolist() for which in (y, ~y))
    return ScoreHistogram(edges=edges.tolist(), positives=positives, negatives=negatives)


def _notes(
    known: pl.DataFrame, unlabelled: int, spec: Evaluation, fair: FairnessReport | None, small: list[str]
) -> list[str]:
    """What a reader must know before trusting a figure."""
    notes = []
    rarer = min(int(known["label"].sum()), known.height - int(known["label"].sum()))
    if rarer < FEW_POSITIVES:
        notes.append(f"The rarer class has {rarer} rows only: every figure is rough.")
    if unlabelled:
        notes.append(f"{unlabelled:,} rows have no label and are not judged.")
    if small:
        shown = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        notes.append(f"Slices under {spec.min_slice_rows} rows are shown but not tested: {shown}.")
    if fair and any(not group.counted for group in fair.groups):
        left = ", ".join(group.group for group in fair.groups if not group.counted)
        notes.append(f"Groups under {fair.min_rows} rows do not count in the fairness figures: {left}.")
    return notes
