"""Reading predictions of several classes or of a number, and refusing what cannot be judged, all problems at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract.tasks import Task, prediction_columns
from core.evaluation.predictions import read_columns
from core.kernel.errors import InputError, Problem
from core.measures.classification import Floats

LEADING = ("key", "split", "prediction_time", "label")
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Answers:
    """Labelled rows of one split: ``y`` codes (n,) or numbers (n,), ``answer`` (n, k) or (n,), and how many
    rows have no label or one of a class that the model does not know.
    """

    frame: pl.DataFrame
    y: npt.NDArray[np.float64] | npt.NDArray[np.intp]
    answer: Floats
    unlabelled: int
    unseen: int


def read_answers(path: Path, task: Task, classes: list[str], split: str, features: list[str]) -> Answers:
    """The labelled rows of a split.

    Raises:
        InputError: for absent columns, repeated keys, answers that are null or no distribution, or no labelled row.
        SystemFault: when the file cannot be read.
    """
    columns = prediction_columns(task, classes)
    whole = read_columns(path, [*LEADING, *columns, *features])
    moment = pl.col("prediction_time")
    if whole.schema["prediction_time"] == pl.String:
        moment = moment.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    else:
        moment = moment.cast(pl.Datetime("us", "UTC"))
    part = whole.filter(pl.col("split") == split).with_columns(pl.col("key").cast(pl.String), moment)
    label = pl.col("label").cast(pl.String if task == "multiclass" else pl.Float64)
    known = part.with_columns(label if task == "multiclass" else label.fill_nan(None)).drop_nulls("label")
    _refuse(known, columns, task, path.name, split, whole)
    unlabelled = part.height - known.height
    if task == "regression":
        y = known["label"].to_numpy().astype(np.float64)
        return Answers(known, y, known[columns[0]].to_numpy().astype(np.float64), unlabelled, 0)
    ours = known.filter(pl.col("label").is_in(classes))
    if ours.is_empty():
        raise InputError(f"No row of the {split} split has a label among the model's classes", where=path.name)
    codes = ours["label"].replace_strict(classes, list(range(len(classes))), return_dtype=pl.Int64).to_numpy()
    answer = ours.select(columns).to_numpy().astype(np.float64)
    return Answers(ours, codes.astype(np.intp), answer, unlabelled, known.height - ours.height)


def _refuse(known: pl.DataFrame, columns: list[str], task: Task, where: str, split: str, whole: pl.DataFrame) -> None:
    if known.is_empty():
        splits = ", ".join(sorted(str(name) for name in whole["split"].unique()))
        raise InputError(
            f"The {split} split has no labelled rows",
            detail=f"The file holds the splits: {splits or 'none'}.",
            where=where,
        )
    answers = known.select(columns).to_numpy().astype(np.float64)
    bad = ~np.isfinite(answers).all(axis=1)
    if task == "multiclass":
        bad |= (answers < 0).any(axis=1) | (np.abs(answers.sum(axis=1) - 1) > SUM_TOLERANCE)
    repeated = int(known["key"].is_duplicated().sum())
    timeless = known["prediction_time"].null_count()
    found = [
        (int(bad.sum()), "answers are null, not finite" + (" or no distribution" if task == "multiclass" else "")),
        (repeated, "keys occur more than once in the split"),
        (timeless, "prediction times are null or no time"),
    ]
    problems = [Problem(what=f"{words} in {count:,} rows", where=where) for count, words in found if count]
    if problems:
        raise InputError("The predictions cannot be judged", where=where, problems=problems)
