"""One evaluation where the label is one of several classes or a number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from core.contract.schema import Contract
from core.contract.tasks import Task
from core.evaluation.champion_records import ChampionComparison, verdict_of
from core.evaluation.error_records import SeedSpread
from core.evaluation.inside import Packaged, Verdicts, entropy, look_inside
from core.evaluation.task_predictions import Answers, read_answers
from core.evaluation.task_report_records import TaskMonth, TaskReport
from core.kernel.clock import utc_text
from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.measures import multiclass as many
from core.measures import regression as number
from core.measures.classification import Floats
from core.measures.decisions import cost_decision, cost_matrix
from core.measures.intervals import mcnemar, paired_means
from core.measures.loss_slices import loss_slices
from core.measures.records import Estimate, PairedTest
from core.measures.task_records import ClassDecision
from core.project.schema import Evaluation

STEPS = 5


def evaluate_task(
    predictions: Path,
    spec: Evaluation,
    contract: Contract,
    *,
    split: str = "test",
    champion: Path | None = None,
    packaged: Packaged | None = None,
    seeds: SeedSpread | None = None,
    progress: Progress,
) -> TaskReport:
    """Judge one split of a predictions file of several classes (``probability.CLASS`` columns) or of a number.

    Raises:
        InputError: naming all that is wrong with the file.
    """
    task, classes = contract.task, list(contract.classes)
    group = [spec.fairness_group] if spec.fairness_group else []
    features = list(dict.fromkeys([name for names in spec.slices for name in names] + group))
    answers = read_answers(predictions, task, classes, split, features)
    _tell(progress, 1, "Measuring, with intervals")
    verdicts = _verdicts(answers, task, classes)
    metrics = _metrics(answers, task, spec.bootstrap)
    _tell(progress, 2, "Slicing")
    figure = _figure(answers, task)
    slices = loss_slices(answers.frame, spec.slices, verdicts.loss, figure, min_rows=spec.min_slice_rows)
    groups = loss_slices(answers.frame, [group], verdicts.loss, figure, min_rows=spec.min_slice_rows) if group else []
    _tell(progress, 3, "Comparing with the champion" if champion else "Comparing months")
    primary = spec.primary_for(task)
    against = _against(answers, champion, task, classes, split, primary, spec.bootstrap) if champion else None
    _tell(progress, 4, "Looking for weak slices and reasons" if packaged else "Summing up")
    inside = look_inside(packaged, verdicts, split, spec.min_slice_rows, progress) if packaged else None
    times = answers.frame["prediction_time"]
    report = TaskReport(
        task="multiclass" if task == "multiclass" else "regression",
        split=split,
        rows=answers.frame.height,
        unlabelled=answers.unlabelled,
        unseen=answers.unseen,
        first_prediction=utc_text(times.dt.min()),  # type: ignore[arg-type]
        last_prediction=utc_text(times.dt.max()),  # type: ignore[arg-type]
        primary=primary,
        metrics=metrics,
        classes=many.class_quality(answers.y, answers.answer, classes) if task == "multiclass" else [],
        confusion=many.class_confusion(answers.y, answers.answer, classes) if task == "multiclass" else None,
        decision=_decision(answers, spec, classes) if task == "multiclass" else None,
        calibration=many.top_label(answers.y, answers.answer) if task == "multiclass" else None,
        residuals=number.residuals(answers.y, answers.answer) if task == "regression" else None,
        slices=slices,
        fairness_feature=spec.fairness_group or "",
        groups=groups,
        stability=_months(answers, task, spec.min_slice_rows),
        champion=against,
        seeds=seeds,
        discovered=inside.discovered if inside else None,
        errors=inside.errors if inside else [],
        explanation=inside.explanation if inside else None,
        inference=inside.inference if inside else None,
        notes=_notes(answers, spec, [one.name for one in slices if not one.adequate]),
    )
    _tell(progress, STEPS, "Evaluated")
    return report


def _tell(progress: Progress, done: int, message: str) -> None:
    progress.check()
    progress.step(done, STEPS, message)


def _metrics(answers: Answers, task: Task, times: int) -> dict[str, Estimate]:
    measure = many.class_metrics if task == "multiclass" else number.number_metrics
    return measure(answers.y, answers.answer, times=times)


def _decision(answers: Answers, spec: Evaluation, classes: list[str]) -> ClassDecision | None:
    if not spec.costs:
        return None
    costs = cost_matrix(spec.costs, classes)
    return cost_decision(answers.y, answers.answer, classes, costs, times=spec.bootstrap)


def _figure(answers: Answers, task: Task) -> Floats:
    """What people read of a row: called right (1 or 0), or its absolute error."""
    if task == "multiclass":
        right: Floats = np.asarray(answers.answer.argmax(axis=1) == answers.y, dtype=np.float64)
        return right
    size: Floats = np.abs(answers.y - answers.answer)
    return size


def _verdicts(answers: Answers, task: Task, classes: list[str]) -> Verdicts:
    """Texts and losses of the rows: log loss, or squared error."""
    keys, y, answer = answers.frame["key"].to_list(), answers.y, answers.answer
    if task == "regression":
        gap = y - answer
        kinds = np.select([gap > 0, gap < 0], ["under-predicted", "over-predicted"], "").tolist()
        labels, said = [f"{one:.5g}" for one in y.tolist()], [f"{one:.5g}" for one in answer.tolist()]
        return Verdicts(keys, labels, said, answer, gap**2, "squared error", kinds)
    called = answer.argmax(axis=1)
    names = np.array(classes)
    kinds = [f"{t} called {c}" if t != c else "" for t, c in zip(names[y], names[called], strict=True)]
    top = answer.max(axis=1)
    said = [f"{c} ({p:.3f})" for c, p in zip(names[called], top, strict=True)]
    loss = many.row_figures(y.astype(np.intp), answer, answer.shape[1])["log_loss"]
    return Verdicts(keys, names[y].tolist(), said, top, loss, "log loss", kinds, entropy(answer))


def _against(
    answers: Answers, champion: Path, task: Task, classes: list[str], split: str, primary: str, times: int
) -> ChampionComparison:
    """Paired tests on the rows that both scored; a champion of another kind or of other classes is not comparable."""
    try:
        other = read_answers(champion, task, classes, split, [])
    except InputError as error:
        return ChampionComparison(
            rows=0,
            rows_missing=answers.frame.height,
            primary=primary,
            verdict="not comparable",
            reason=f"The champion's predictions cannot be judged as these: {error}.",
        )
    mine = answers.frame.select("key").with_row_index("at")
    both = mine.join(other.frame.select("key").with_row_index("there"), on="key", how="inner", maintain_order="left")
    missing = answers.frame.height - both.height
    if both.height * 2 < answers.frame.height:
        reason = f"The champion scored {both.height:,} of {answers.frame.height:,} rows."
        return ChampionComparison(
            rows=both.height, rows_missing=missing, primary=primary, verdict="not comparable", reason=reason
        )
    here, there = both["at"].to_numpy(), both["there"].to_numpy()
    tests = _tests(answers.y[here], answers.answer[here], other.answer[there], task, times)
    chosen = primary if primary in tests else "log_loss" if task == "multiclass" else "rmse"
    verdict, reason = verdict_of(tests[chosen], chosen)
    return ChampionComparison(
        rows=both.height, rows_missing=missing, primary=chosen, verdict=verdict, reason=reason, tests=tests
    )


def _tests(y: np.ndarray, ours: Floats, theirs: Floats, task: Task, times: int) -> dict[str, PairedTest]:
    if task == "regression":
        first, second = ({"rmse": (y - answer) ** 2, "mae": np.abs(y - answer)} for answer in (ours, theirs))
        return paired_means(first, second, roots=("rmse",), times=times)
    codes = y.astype(np.intp)
    first, second = (many.row_figures(codes, answer, answer.shape[1]) for answer in (ours, theirs))
    right = [answer.argmax(axis=1) == codes for answer in (ours, theirs)]
    return {**paired_means(first, second, times=times), "accuracy": mcnemar(np.ones(len(y)), right[0], right[1])}


def _months(answers: Answers, task: Task, min_rows: int) -> list[TaskMonth]:
    named = answers.frame.select(month=pl.col("prediction_time").dt.strftime("%Y-%m")).with_row_index("at")
    found = []
    for (month,), part in sorted(named.group_by(["month"]), key=lambda item: str(item[0][0])):
        at = part["at"].to_numpy()
        y, answer = answers.y[at], answers.answer[at]
        if task == "multiclass":
            own = many.row_figures(y.astype(np.intp), answer, answer.shape[1])["log_loss"]
            figures = {"accuracy": float((answer.argmax(axis=1) == y).mean()), "log_loss": float(own.mean())}
        else:
            figures = {"rmse": number.rmse(y, answer), "mae": number.mae(y, answer), "bias": float((y - answer).mean())}
        found.append(TaskMonth(month=str(month), rows=part.height, adequate=part.height >= min_rows, figures=figures))
    return found


def _notes(answers: Answers, spec: Evaluation, small: list[str]) -> list[str]:
    notes = []
    if answers.unlabelled:
        notes.append(f"{answers.unlabelled:,} rows have no label and are not judged.")
    if answers.unseen:
        notes.append(f"{answers.unseen:,} rows have a label that the model does not know, and are not judged.")
    if small:
        shown = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        notes.append(f"Slices under {spec.min_slice_rows} rows are shown but not tested: {shown}.")
    return notes
