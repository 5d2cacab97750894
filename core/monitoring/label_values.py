"""Labels of each kind of task in their one form: true or false, the name of a class, or a number."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from core.contract.tasks import Task


@dataclass(frozen=True)
class LabelKind:
    """How a column ``label`` is read, and which values are none; ``words`` say what a wrong one is."""

    read: pl.Expr
    wrong: pl.Expr
    words: str
    final: pl.Expr
    dtype: pl.DataType


_NUMBER = pl.col("label").cast(pl.Float64, strict=False)
LABEL_KINDS: dict[Task, LabelKind] = {
    "binary": LabelKind(
        _NUMBER,
        ~pl.col("label").is_in([0.0, 1.0]).fill_null(value=False),
        "neither 0 nor 1",
        pl.col("label") == 1.0,
        pl.Boolean(),
    ),
    "multiclass": LabelKind(
        pl.col("label").cast(pl.String, strict=False),
        ~(pl.col("label").str.len_chars() > 0).fill_null(value=False),
        "no name of a class",
        pl.col("label"),
        pl.String(),
    ),
    "regression": LabelKind(
        _NUMBER, ~pl.col("label").is_finite().fill_null(value=False), "no finite number", pl.col("label"), pl.Float64()
    ),
}
