"""Is one column alone too good at telling the label? A sign of a leak, not a proof of its absence.

A binary label is judged by ROC-AUC, other labels by cross-fitted R². Both are held against what shuffled labels
would give (Fisher 1935; Good 2005, ch. 3), corrected by Bonferroni for the number of columns that are looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy.special import log_ndtr

from core.kernel.errors import InputError
from core.measures.classification import Bools, Floats, both_classes, midranks, roc_auc
from core.measures.records import LeakageSuspicion, R2Suspicion, SingleFeature

FOLDS = 2
BINS = 50  # quantile bins of a number, for R²
CHANCE = 0.01  # of any accusation by chance, over all columns together
R2_LIMIT = 0.9


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
    values: Any,
    label: Any,
    *,
    feature: str = "",
    limit: float = 0.85,
    columns: int = 1,
    permutations: int = 200,
    seed: int = 7,
) -> LeakageSuspicion:
    """Compare a column's AUC, or its null indicator's, with ``limit`` and with permuted labels.

    Suspicious when the AUC is above ``limit``, above the 99 % quantile of the AUCs under ``permutations``
    shufflings of the label, and its chance under shuffling, times ``columns`` (how many are looked at), is
    below 1 %. That chance is the normal tail of the rank sum, whose mean and variance over all shufflings are
    known exactly, ties included (Hajek, Sidak and Sen 1999, ch. 3), so it can be smaller than 1 / permutations.
    """
    column, y = _inputs(values, label)
    number, scores, known = _scores(column, y)
    single = _single(feature or column.name, number, y, scores, known)
    by_null = single.null_indicator_auc > single.auc
    auc = max(single.auc, single.null_indicator_auc)
    ranks = midranks((~known).astype(np.float64)) if by_null else midranks(scores[known])
    compared = y if by_null else y[known]
    null = _null(compared, ranks, permutations, seed) if auc > limit else np.empty(0)
    high = float(np.quantile(null, 0.99)) if null.size else 1.0
    chance = min(1.0, columns * _rank_sum_chance(compared, ranks))
    suspicious = auc > limit and auc > high and chance < CHANCE
    what = "being null or not" if by_null else "its value"
    return LeakageSuspicion(
        feature=single.feature,
        auc=auc,
        limit=limit,
        null_high=high,
        p_value=(1 + int((null >= auc).sum())) / (1 + null.size),
        p_corrected=chance,
        suspicious=suspicious,
        reason=f"{what} alone reaches AUC {auc:.3f}, above {limit:g}" if suspicious else "",
    )


def single_feature_r2(values: Any, target: Any) -> float:
    """Share of the target's variance that a column alone explains, each half predicted from the other half.

    ``target`` is a number (n,) or classes (n,) of any other type; classes are taken as indicators, so that the
    figure is the Brier score's gain over always saying the base rates (in sample: Light and Margolin 1971).
    Numbers are cut at 50 quantiles; nulls are a level. 0 when nothing is explained; 1 when everything is.

    Raises:
        InputError: when the lengths differ, or the target does not vary.
    """
    column, wanted = _column(values), _indicators(target)
    if len(column) != len(wanted) or not len(column):
        raise InputError("The column and the target must have one length, not empty")
    if not wanted.var(axis=0).sum() > 0:
        raise InputError("The target does not vary")
    return _r2(_levels(column), wanted)


def too_good_r2(
    values: Any, target: Any, *, feature: str = "", limit: float = R2_LIMIT, columns: int = 1, permutations: int = 100
) -> R2Suspicion:
    """Compare a column's cross-fitted R² with ``limit`` and with permuted targets: numbers and several classes.

    Suspicious when R² is above ``limit`` and its chance under shuffling (normal tail with the mean and deviation
    of ``permutations`` shufflings, times ``columns``) is below 1 %.
    """
    found = single_feature_r2(values, target)
    column = _column(values)
    name = feature or column.name
    if found <= limit:
        return R2Suspicion(feature=name, r2=found, limit=limit, p_corrected=1.0, suspicious=False)
    levels, wanted = _levels(column), _indicators(target)
    rng = np.random.default_rng(7)
    null = np.array([_r2(levels, wanted[rng.permutation(len(wanted))]) for _ in range(permutations)])
    z = (found - float(null.mean())) / max(float(null.std()), 1e-6)
    chance = min(1.0, columns * float(np.exp(log_ndtr(-z))))
    suspicious = chance < CHANCE and len(wanted) >= 20
    reason = f"its value alone explains {found:.1%} of the label, above {limit:.0%}" if suspicious else ""
    return R2Suspicion(feature=name, r2=found, limit=limit, p_corrected=chance, suspicious=suspicious, reason=reason)


def group_gain(train_group: pl.Series, train_label: Any, test_group: pl.Series, test_label: Any) -> float | None:
    """AUC on test rows of what train remembers of their group (its rate of the label), less one half.

    Groups that train does not know are left out. None when fewer than two classes are left.
    """
    rates = pl.DataFrame({"group": train_group, "rate": pl.Series(np.asarray(train_label, dtype=np.float64))})
    rates = rates.group_by("group").agg(pl.col("rate").mean())
    test = pl.DataFrame({"group": test_group, "label": pl.Series(np.asarray(test_label, dtype=np.bool_))})
    both = test.join(rates, on="group", how="inner")
    y = both["label"].to_numpy()
    return roc_auc(y, both["rate"].to_numpy()) - 0.5 if both.height and both_classes(y) else None


def _column(values: Any) -> pl.Series:
    return values if isinstance(values, pl.Series) else pl.Series("", values, nan_to_null=True)


def _indicators(target: Any) -> Floats:
    """The target as columns (n, k): itself if a number, else one indicator for each class."""
    series = _column(target)
    if series.null_count():
        raise InputError("The target holds nulls", remedy="Keep labelled rows only.")
    if series.dtype.is_float() or (series.dtype.is_integer() and series.n_unique() > 20):
        return series.cast(pl.Float64).to_numpy().reshape(-1, 1)
    codes = series.cast(pl.String).rank("dense").to_numpy().astype(np.int64) - 1
    out: Floats = np.eye(int(codes.max()) + 1 if codes.size else 1)[codes]
    return out


def _levels(column: pl.Series) -> Any:
    """Level of each row as a small integer: a category's own, a number's quantile bin; 0 for nulls."""
    if column.dtype.is_numeric() or column.dtype.is_temporal():
        number = column.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
        known = np.isfinite(number)
        if not known.any():
            return np.zeros(len(column), dtype=np.int64)
        edges = np.unique(np.quantile(number[known], np.linspace(0, 1, BINS + 1)[1:-1]))
        return np.where(known, np.searchsorted(edges, number, side="right") + 1, 0)
    return column.cast(pl.String).rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _r2(levels: Any, wanted: Floats) -> float:
    """Cross-fitted R² of level means, shrunk by one row of the mean."""
    count, fold = int(levels.max()) + 1, np.arange(len(levels)) % FOLDS
    wrong = 0.0
    for k in range(FOLDS):
        other = fold != k
        if not other.any():
            continue
        rows = np.bincount(levels[other], minlength=count) + 1.0
        for y in wanted.T:
            means = (np.bincount(levels[other], weights=y[other], minlength=count) + y[other].mean()) / rows
            wrong += float(((y[~other] - means[levels[~other]]) ** 2).sum())
    whole = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
    return max(0.0, 1.0 - wrong / whole)


def _rank_sum_chance(y: Bools, ranks: Floats) -> float:
    """Two-sided chance of a rank sum at least as far from its mean, over all shufflings of ``y``."""
    m, n = int(y.sum()), int((~y).sum())
    spread = float(((ranks - ranks.mean()) ** 2).sum()) if ranks.size else 0.0
    if not m or not n or spread == 0.0:
        return 1.0
    deviation = np.sqrt(m * n / ((m + n) * (m + n - 1.0)) * spread)
    z = abs(float(ranks[y].sum()) - m * float(ranks.mean())) / deviation
    return float(min(1.0, 2.0 * np.exp(log_ndtr(-z))))


def _inputs(values: Any, label: Any) -> tuple[pl.Series, Bools]:
    column = _column(values)
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
