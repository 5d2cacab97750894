"""Is one column alone too good at ranking the label? A sign of a leak, not a proof of its absence."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from core.kernel.errors import InputError
from core.measures.classification import Bools, Floats, both_classes, midranks
from core.measures.records import LeakageSuspicion, SingleFeature

FOLDS = 2


def single_feature_auc(values: Any, label: Any, *, feature: str = "") -> SingleFeature:
    """How well a column alone ranks a binary label: the larger of AUC and 1 - AUC, nulls left out.

    ``values`` is a Polars Series or an array (n,) and ``label`` bool (n,). Categories are replaced
    by the label's rate in the other fold (cross-fitted), so that many levels do not look good by
    memory. The indicator 'is null' is judged separately: an outcome column is often null exactly
    when the outcome did not happen.

    Raises:
        InputError: when the label has one class only.
    """
    column, y = _inputs(values, label)
    number, scores, known = _scores(column, y)
    return _single(feature or column.name, number, y, scores, known)


def _single(feature: str, number: bool, y: Bools, scores: Floats, known: Bools) -> SingleFeature:
    return SingleFeature(
        feature=feature,
        kind="number" if number else "category",
        rows=y.size,
        auc=_auc(y[known], midranks(scores[known])) if known.any() else 0.5,
        null_share=1.0 - float(known.mean()),
        null_indicator_auc=_auc(y, midranks((~known).astype(np.float64))),
    )


def too_good(
    values: Any, label: Any, *, feature: str = "", limit: float = 0.85, permutations: int = 200, seed: int = 7
) -> LeakageSuspicion:
    """Compare a column's AUC, or its null indicator's, with ``limit`` and with permuted labels.

    Suspicious when the AUC is above ``limit`` and above the 99 % quantile of the AUCs under
    ``permutations`` shufflings of the label, so that a column of few rows is not accused by chance.
    """
    column, y = _inputs(values, label)
    number, scores, known = _scores(column, y)
    single = _single(feature or column.name, number, y, scores, known)
    by_null = single.null_indicator_auc > single.auc
    auc = max(single.auc, single.null_indicator_auc)
    ranks = midranks((~known).astype(np.float64)) if by_null else midranks(scores[known])
    null = _null(y if by_null else y[known], ranks, permutations, seed)
    high = float(np.quantile(null, 0.99)) if null.size else 1.0
    suspicious = auc > limit and auc > high
    what = "being null or not" if by_null else "its value"
    return LeakageSuspicion(
        feature=single.feature,
        auc=auc,
        limit=limit,
        null_high=high,
        p_value=(1 + int((null >= auc).sum())) / (1 + null.size),
        suspicious=suspicious,
        reason=f"{what} alone reaches AUC {auc:.3f}, above {limit:g}" if suspicious else "",
    )


def _inputs(values: Any, label: Any) -> tuple[pl.Series, Bools]:
    column = values if isinstance(values, pl.Series) else pl.Series("", values, nan_to_null=True)
    y = (label.to_numpy() if isinstance(label, pl.Series) else np.asarray(label)).astype(np.bool_)
    if len(column) != y.size or not y.size:
        raise InputError("The column and the label must have one length, not empty")
    if not both_classes(y):
        raise InputError("The label has one class only")
    return column, y


def _scores(column: pl.Series, y: Bools) -> tuple[bool, Floats, Bools]:
    """Is it a number; a score per row; which rows are known."""
    if column.dtype.is_numeric() or column.dtype.is_temporal():
        numeric = column.to_physical() if column.dtype.is_temporal() else column
        scores = numeric.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return True, scores, np.isfinite(scores)
    known = column.is_not_null().to_numpy()
    levels = pl.Series(column.drop_nulls().cast(pl.String).unique(maintain_order=True))
    names = column.cast(pl.String).replace_strict(levels, pl.Series(range(1, len(levels) + 1)), default=0)
    codes = names.cast(pl.Int64).to_numpy()
    return False, _cross_fitted(codes, y), known


def _cross_fitted(codes: Any, y: Bools) -> Floats:
    """Rate of the label per level, each row from the fold that it is not in, shrunk by one base-rate row."""
    fold = np.arange(y.size) % FOLDS
    levels, base = int(codes.max()) + 1, float(y.mean())
    scores = np.empty(y.size)
    for k in range(FOLDS):
        other = fold != k
        rows = np.bincount(codes[other], minlength=levels)
        hits = np.bincount(codes[other], weights=y[other], minlength=levels)
        scores[~other] = ((hits + base) / (rows + 1.0))[codes[~other]]
    return scores


def _auc(y: Bools, ranks: Floats) -> float:
    """Direction-free AUC from midranks; one half when a class is missing."""
    m, n = int(y.sum()), int((~y).sum())
    if not m or not n:
        return 0.5
    auc = (float(ranks[y].sum()) - m * (m + 1) / 2) / (m * n)
    return max(auc, 1.0 - auc)


def _null(y: Bools, ranks: Floats, permutations: int, seed: int) -> Floats:
    """AUCs under shuffled labels."""
    if not y.size or not both_classes(y):
        return np.empty(0)
    rng = np.random.default_rng(seed)
    return np.array([_auc(rng.permutation(y), ranks) for _ in range(permutations)])
