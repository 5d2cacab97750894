"""Weak labels: labelling functions vote on each event, and a model weighs the votes.

They are guesses. Their table has no column ``label`` and is kept as another kind of snapshot than true labels, so
that nothing that reads the truth can take them for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from pydantic import Field

from core.contract.expressions import first_line, parse_expression
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress
from core.kernel.records import Record
from core.measures.classification import Floats, both_classes, brier, roc_auc
from core.measures.label_model import ABSTAIN, VoteReport, Votes, fit_label_model, majority, probabilities, vote_reports
from core.project.schema import Labelling, LabellingFunction


class Against(Record):
    """A set of weak labels against the true ones of the same events."""

    rows: int
    auc: float
    accuracy: float
    brier: float


class WeakLabels(Record):
    """Functions, the model that weighs them, and how both do where the truth is known."""

    rows: int
    labelled: int = Field(description="Rows on which at least one function votes")
    balance: float
    balance_given: bool
    functions: list[VoteReport]
    dependence: float
    anchored: bool
    model: Against | None = None
    majority: Against | None = None


def weak_labels(
    events: pl.DataFrame, labelling: Labelling, key: Sequence[str], truth: pl.Series | None, progress: Progress
) -> tuple[pl.DataFrame, WeakLabels]:
    """The key columns with ``probability`` (null where nobody votes) and ``votes``, and the report.

    ``truth`` (0, 1 or null) serves for comparison alone; the model never sees it.

    Raises:
        InputError: with every function that cannot be evaluated, or says something else than 0, 1 or null.
    """
    progress.step(0, 3, "asking the labelling functions")
    votes = cast_votes(events, labelling.functions)
    names = list(labelling.functions)
    known = None if truth is None else truth.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    progress.check()
    progress.step(1, 3, "weighing their votes")
    model = fit_label_model(votes, balance=labelling.balance)
    chance = probabilities(model, votes)
    progress.step(2, 3, "comparing with what is known")
    reports = [
        report.model_copy(update={"estimated_accuracy": accuracy})
        for report, accuracy in zip(vote_reports(votes, names, known), model.accuracy, strict=True)
    ]
    voted = (votes != ABSTAIN).sum(axis=1)
    table = events.select(*key).with_columns(
        pl.Series("probability", chance, nan_to_null=True), pl.Series("votes", voted.astype(np.int32))
    )
    return table, WeakLabels(
        rows=events.height,
        labelled=int((voted > 0).sum()),
        balance=model.balance,
        balance_given=labelling.balance is not None,
        functions=reports,
        dependence=model.dependence,
        anchored=model.anchored,
        model=_against(chance, known, voted),
        majority=_against(majority(votes, model.balance), known, voted),
    )


def cast_votes(events: pl.DataFrame, functions: Mapping[str, LabellingFunction]) -> Votes:
    """(rows, functions) of -1 (null: no opinion), 0 and 1. Raises as :func:`weak_labels`."""
    columns, problems = [], []
    for name, function in functions.items():
        where = f"labelling.functions.{name}"
        try:
            expr = parse_expression(function.expression, who=where)
            said = events.select(expr.cast(pl.Float64).alias("said"))["said"]
        except pl.exceptions.PolarsError as error:
            problems.append(Problem(f"It cannot be evaluated: {first_line(error)}", where=where))
            continue
        other = said.drop_nulls().filter(~said.drop_nulls().is_in([0.0, 1.0]))
        if other.len():
            problems.append(Problem(f"It says {other[0]:g}", where=where, expected="0, 1 or null"))
        columns.append(said.fill_null(ABSTAIN).fill_nan(ABSTAIN).cast(pl.Int8, strict=False).to_numpy())
    if problems:
        raise InputError("Labelling functions cannot vote", problems=problems)
    out: Votes = np.column_stack(columns)
    return out


def _against(chance: Floats, truth: Floats | None, voted: Floats) -> Against | None:
    if truth is None:
        return None
    judged = np.isfinite(truth) & (voted > 0)
    label, score = truth[judged] == 1.0, chance[judged]
    if not judged.any() or not both_classes(label):
        return None
    return Against(
        rows=int(judged.sum()),
        auc=roc_auc(label, score),
        accuracy=float(((score >= 0.5) == label).mean()),
        brier=brier(label, score),
    )
