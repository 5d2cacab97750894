"""Quality by declared slice, all slices of one declaration in a few group-bys."""

from __future__ import annotations

import itertools
from math import sqrt
from typing import Any

import numpy as np
import polars as pl

from core.kernel.errors import InputError, Problem
from core.measures.classification import both_classes, midranks, row_log_loss
from core.measures.intervals import quantile_of_normal, rates_differ, two_sided_p
from core.measures.records import Estimate, SliceResult

MAX_LEVELS = 20  # a number with more distinct values is cut at its quartiles
NULL = "(null)"


def benjamini_hochberg(p_values: list[float]) -> list[float]:
    """Adjusted p-values (q) that bound the false discovery rate (Benjamini and Hochberg 1995)."""
    p = np.asarray(p_values, dtype=np.float64)
    if p.size == 0:
        return []
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    q = np.empty(p.size)
    q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return [float(value) for value in q]


def slice_metrics(
    frame: pl.DataFrame,
    slices: list[list[str]],
    *,
    threshold: float,
    min_rows: int = 200,
    alpha: float = 0.05,
    label: str = "label",
    score: str = "probability",
) -> list[SliceResult]:
    """Quality on every value of every slice; ``frame`` has ``label``, ``score`` and the named features.

    ROC-AUC carries DeLong's interval and is compared with the rest of the rows by a z test; the
    rest's variance uses the components of the whole sample. Error rates are compared by the
    two-proportion z test.

    Raises:
        InputError: naming every feature that the frame lacks.
    """
    missing = sorted({name for names in slices for name in names if name not in frame.columns})
    if missing:
        raise InputError(
            "Slices name features that are not in the predictions",
            problems=[Problem(what=f"no column {name!r}", where="evaluation.slices") for name in missing],
        )
    rows = _row_figures(frame, threshold, label, score)
    found = [
        result for names in slices if names and frame.height for result in _one(frame, rows, names, min_rows, threshold)
    ]
    return _corrected(found, alpha)


def level_text(column: pl.Series) -> pl.Series:
    """The column as slice names: text as it is, a number of many values as quartile intervals, nulls named."""
    values = column.fill_nan(None) if column.dtype.is_float() else column
    if column.dtype.is_numeric() and values.n_unique() > MAX_LEVELS:
        values = _quartile_names(values.cast(pl.Float64))
    return values.cast(pl.String).fill_null(NULL)


def _quartile_names(values: pl.Series) -> pl.Series:
    """Each number's quartile as ``Q1 < 480``, ``Q2 480 to 836``, ... ``Q4 >= 1343``; nulls stay."""
    cuts = sorted({float(values.quantile(q, "linear") or 0.0) for q in (0.25, 0.5, 0.75)})
    text = [f"{cut:.4g}" for cut in cuts]
    between = [f"Q{i + 2} {low} to {high}" for i, (low, high) in enumerate(itertools.pairwise(text))]
    names = np.array([f"Q1 < {text[0]}", *between, f"Q{len(cuts) + 1} >= {text[-1]}"])
    index = np.searchsorted(cuts, values.fill_null(cuts[0]).to_numpy(), side="right")
    return pl.Series(names[index]).set(values.is_null(), None)


def _row_figures(frame: pl.DataFrame, threshold: float, label: str, score: str) -> pl.DataFrame:
    """Per row: label, score, loss, error, and how the row ranks among the other class.

    ``rank`` of a positive is the share of negatives below it, of a negative the share of
    positives above it (ties one half): DeLong's components over the whole sample.
    """
    y = frame[label].cast(pl.Boolean).to_numpy()
    s = frame[score].cast(pl.Float64).to_numpy()
    component = np.full(y.size, np.nan)
    if both_classes(y):
        ranks, m, n = midranks(s), int(y.sum()), int((~y).sum())
        component[y] = (ranks[y] - midranks(s[y])) / n
        component[~y] = 1.0 - (ranks[~y] - midranks(s[~y])) / m
    return pl.DataFrame(
        {"y": y, "s": s, "loss": row_log_loss(y, s), "wrong": (s >= threshold) != y, "component": component}
    )


def _one(
    frame: pl.DataFrame, rows: pl.DataFrame, names: list[str], min_rows: int, threshold: float
) -> list[SliceResult]:
    keys = [f"key{i}" for i in range(len(names))]
    table = rows.with_columns(level_text(frame[name]).alias(key) for name, key in zip(names, keys, strict=True))
    y, component = pl.col("y"), pl.col("component")
    table = table.with_columns(
        pl.col("s").rank("average").over(keys).alias("within"),
        pl.col("s").rank("average").over([*keys, "y"]).alias("within_class"),
        y.sum().over(keys).cast(pl.Float64).alias("m"),
        (~y).sum().over(keys).cast(pl.Float64).alias("n"),
    ).with_columns(
        pl.when(y)
        .then((pl.col("within") - pl.col("within_class")) / pl.col("n"))
        .otherwise(1.0 - (pl.col("within") - pl.col("within_class")) / pl.col("m"))
        .alias("own")
    )
    sums = [
        pl.len().alias("rows"),
        y.sum().cast(pl.Int64).alias("m"),
        (pl.col("s") >= threshold).sum().alias("called"),
        pl.col("wrong").sum().cast(pl.Int64).alias("wrong"),
        pl.col("loss").sum().alias("loss"),
        pl.col("own").filter(y).mean().alias("auc"),
        pl.col("own").filter(y).var().alias("own_v10"),
        pl.col("own").filter(~y).var().alias("own_v01"),
        *(
            expr.filter(which).sum().alias(f"{word}_{side}")
            for side, which in (("pos", y), ("neg", ~y))
            for word, expr in (("c", component), ("c2", component**2))
        ),
    ]
    grouped = table.group_by(keys, maintain_order=True).agg(sums).sort(keys)
    whole = table.select(sums).row(0, named=True)
    return [_result(names, keys, group, whole, min_rows) for group in grouped.iter_rows(named=True)]


def _result(names: list[str], keys: list[str], g: dict[str, Any], whole: dict[str, Any], min_rows: int) -> SliceResult:
    n, rest = g["rows"], whole["rows"] - g["rows"]
    wrong_rest = whole["wrong"] - g["wrong"]
    adequate = n >= min_rows
    auc, difference, p = _auc_against_rest(g, whole)
    tested = adequate and rest > 0
    return SliceResult(
        features=names,
        values=[g[key] for key in keys],
        rows=n,
        share=n / whole["rows"],
        adequate=adequate,
        positive_rate=g["m"] / n,
        predicted_rate=g["called"] / n,
        error_rate=g["wrong"] / n,
        error_difference=g["wrong"] / n - wrong_rest / rest if rest else None,
        error_p=rates_differ(g["wrong"], n, wrong_rest, rest) if tested else None,
        log_loss=g["loss"] / n,
        log_loss_difference=g["loss"] / n - (whole["loss"] - g["loss"]) / rest if rest else None,
        auc=auc,
        auc_difference=difference,
        auc_p=p if tested else None,
    )


def _auc_against_rest(g: dict[str, Any], whole: dict[str, Any]) -> tuple[Estimate | None, float | None, float | None]:
    """AUC of the slice, its difference from the AUC of all other rows, and the p-value.

    Pairs won within the rest = all pairs won, less those with a positive or a negative of the
    slice, plus those counted twice (both in the slice).
    """
    m, n = g["m"], g["rows"] - g["m"]
    m_all, n_all = whole["m"], whole["rows"] - whole["m"]
    if not m or not n:
        return None, None, None
    auc = float(g["auc"])
    variance = (g["own_v10"] or 0.0) / m + (g["own_v01"] or 0.0) / n
    half = quantile_of_normal(0.95) * sqrt(variance)
    estimate = Estimate(value=auc, low=max(0.0, auc - half), high=min(1.0, auc + half), method="DeLong")
    m_rest, n_rest = m_all - m, n_all - n
    if m_rest < 2 or n_rest < 2:
        return estimate, None, None
    won = whole["c_pos"] * n_all - g["c_pos"] * n_all - g["c_neg"] * m_all + auc * m * n
    rest_auc = won / (m_rest * n_rest)
    rest_variance = _variance_of_rest(g, whole, "pos", m_rest) + _variance_of_rest(g, whole, "neg", n_rest)
    error = sqrt(variance + rest_variance)
    difference = auc - rest_auc
    return estimate, difference, two_sided_p(difference / error) if error > 0 else 1.0


def _variance_of_rest(g: dict[str, Any], whole: dict[str, Any], side: str, rows: int) -> float:
    """Variance of the mean of the rest's components of one class."""
    total, squares = whole[f"c_{side}"] - g[f"c_{side}"], whole[f"c2_{side}"] - g[f"c2_{side}"]
    return max(0.0, float(squares - total * total / rows)) / (rows - 1) / rows


def _corrected(found: list[SliceResult], alpha: float) -> list[SliceResult]:
    """The results with q-values over all tested slices."""
    out = found
    for word in ("auc", "error"):
        tested = [i for i, item in enumerate(out) if getattr(item, f"{word}_p") is not None]
        adjusted = benjamini_hochberg([getattr(out[i], f"{word}_p") for i in tested])
        changed = dict(zip(tested, adjusted, strict=True))
        out = [
            item.model_copy(update={f"{word}_q": changed[i], f"{word}_significant": changed[i] <= alpha})
            if i in changed
            else item
            for i, item in enumerate(out)
        ]
    return out
