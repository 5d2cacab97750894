"""Quality by declared slice where the label is one of several classes or a number: each row's loss and figure."""

from __future__ import annotations

from math import sqrt

import numpy as np
import polars as pl

from core.kernel.errors import InputError, Problem
from core.measures.classification import Floats
from core.measures.intervals import quantile_of_normal, two_sided_p
from core.measures.slices import benjamini_hochberg, level_text
from core.measures.task_records import LossSlice


def loss_slices(
    frame: pl.DataFrame,
    slices: list[list[str]],
    loss: Floats,
    figure: Floats,
    *,
    min_rows: int = 200,
    alpha: float = 0.05,
) -> list[LossSlice]:
    """Mean loss and mean figure (n,) on every value of every slice, against all other rows.

    The test is Welch's (1947), in its normal form for the row counts asked; q-values are over all
    tested slices (Benjamini and Hochberg 1995).

    Raises:
        InputError: naming every feature that the frame lacks.
    """
    missing = sorted({name for names in slices for name in names if name not in frame.columns})
    if missing:
        raise InputError(
            "Slices name features that are not in the predictions",
            problems=[Problem(what=f"no column {name!r}", where="evaluation.slices") for name in missing],
        )
    found = []
    for names in slices:
        texts = [level_text(frame[name]) for name in names]
        keys = [f"key{i}" for i in range(len(names))]
        table = pl.DataFrame(dict(zip(keys, texts, strict=True))).with_columns(
            loss=pl.Series(loss), square=pl.Series(loss**2), figure=pl.Series(figure)
        )
        sums = (pl.len().alias("n"), pl.col("loss", "square", "figure").sum())
        whole = np.array(table.select(sums).row(0), dtype=np.float64)
        for row in table.group_by(keys).agg(sums).sort(keys).iter_rows():
            values, own = list(row[: len(keys)]), np.array(row[len(keys) :], dtype=np.float64)
            found.append(_slice(names, values, own, whole - own, min_rows))
    return _corrected(found, alpha)


def _slice(names: list[str], values: list[str], own: Floats, rest: Floats, min_rows: int) -> LossSlice:
    """From sums of rows, loss, squared loss and figure inside and outside."""
    n, m = own[0], rest[0]
    mean, spread = own[1] / n, _error(own)
    half = quantile_of_normal(0.95) * spread
    gap = mean - rest[1] / m if m else None
    both = sqrt(spread**2 + _error(rest) ** 2) if m else 0.0
    adequate = n >= min_rows
    return LossSlice(
        features=names,
        values=values,
        rows=int(n),
        share=n / (n + m),
        adequate=adequate,
        loss=mean,
        low=mean - half,
        high=mean + half,
        difference=gap,
        figure=own[3] / n,
        figure_difference=own[3] / n - rest[3] / m if m else None,
        p=two_sided_p(gap / both) if adequate and gap is not None and both > 0 else None,
    )


def _error(sums: Floats) -> float:
    """Standard error of the mean loss."""
    n = sums[0]
    return sqrt(max(0.0, (sums[2] - sums[1] ** 2 / n) / (n - 1)) / n) if n > 1 else 0.0


def _corrected(found: list[LossSlice], alpha: float) -> list[LossSlice]:
    tested = [i for i, item in enumerate(found) if item.p is not None]
    adjusted = benjamini_hochberg([found[i].p or 0.0 for i in tested])
    changed = dict(zip(tested, adjusted, strict=True))
    return [
        item.model_copy(update={"q": changed[i], "significant": changed[i] <= alpha}) if i in changed else item
        for i, item in enumerate(found)
    ]
