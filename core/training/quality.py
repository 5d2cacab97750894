"""Headline quality of predictions, split by split; the evaluation says it all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from core.contract.tasks import Task, prediction_columns
from core.measures import classification, multiclass, regression
from core.training.matrices import codes_of
from core.training.records import SplitQuality

SPLITS = ("validate", "test", "production")
Figures = dict[str, float]


def split_quality(predictions: pl.DataFrame, task: Task = "binary", classes: Sequence[str] = ()) -> list[SplitQuality]:
    """Headline figures of each split whose labels allow them."""
    measure: dict[Task, Callable[[pl.DataFrame], Figures]] = {
        "binary": _binary,
        "multiclass": lambda rows: _multiclass(rows, list(classes)),
        "regression": _regression,
    }
    found = []
    for split in SPLITS:
        rows = predictions.filter(pl.col("split") == split)
        figures = measure[task](rows) if rows.height else {}
        if figures:
            found.append(SplitQuality(split=split, rows=rows.height, figures=figures))
    return found


def _binary(rows: pl.DataFrame) -> Figures:
    label, score = rows["label"].to_numpy(), rows["probability"].to_numpy()
    if not classification.both_classes(label.astype(bool)):
        return {}
    return {
        "positive_rate": float(label.mean()),
        "roc_auc": classification.roc_auc(label, score),
        "brier": classification.brier(label, score),
        "log_loss": classification.log_loss(label, score),
        "average_precision": classification.average_precision(label, score),
    }


def _multiclass(rows: pl.DataFrame, classes: list[str]) -> Figures:
    """Over the rows of known classes; how many are of others is a figure too."""
    codes = codes_of(rows["label"], classes)
    known = codes >= 0
    if not known.any():
        return {}
    scores = rows.select(prediction_columns("multiclass", classes)).to_numpy()[known]
    found = multiclass.class_metrics(codes[known], scores, times=0)
    return {name: figure.value for name, figure in found.items()} | {"unseen_share": float((~known).mean())}


def _regression(rows: pl.DataFrame) -> Figures:
    found = regression.number_metrics(rows["label"].to_numpy(), rows["prediction"].to_numpy(), times=0)
    return {name: figure.value for name, figure in found.items()}
