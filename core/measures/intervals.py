"""Intervals and paired tests: DeLong for ROC-AUC, a seeded bootstrap for the rest, McNemar."""

from __future__ import annotations

from collections.abc import Iterator
from math import erfc, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from core.kernel.errors import InputError
from core.measures.classification import (
    Bools,
    Floats,
    arrays,
    average_precision,
    both_classes,
    brier,
    log_loss,
    midranks,
    row_log_loss,
)
from core.measures.records import Estimate, PairedTest

CHUNK = 4_000_000  # cells of a weight matrix held at once: 32 MB
Weights = npt.NDArray[np.float64]
POINT = {"average_precision": average_precision, "brier": brier, "log_loss": log_loss}


def quantile_of_normal(confidence: float) -> float:
    """Two-sided critical value of the standard normal, 1.96 for 0.95."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2)


def two_sided_p(z: float) -> float:
    """P(|Z| >= |z|) for a standard normal."""
    return erfc(abs(z) / sqrt(2))


def delong_components(y: Bools, s: Floats) -> tuple[float, Floats, Floats]:
    """AUC and its structural components (DeLong 1988), through midranks (Sun and Xu 2014).

    Returns:
        auc, V10 of shape (positives,), V01 of shape (negatives,).
    """
    ranks = midranks(s)
    m, n = int(y.sum()), int((~y).sum())
    v10: Floats = (ranks[y] - midranks(s[y])) / n
    v01: Floats = 1.0 - (ranks[~y] - midranks(s[~y])) / m
    return float(v10.mean()), v10, v01


def _variance(v10: Floats, v01: Floats) -> float:
    """DeLong's variance from the components; 0 where a class has one row."""
    first = v10.var(ddof=1) / v10.size if v10.size > 1 else 0.0
    second = v01.var(ddof=1) / v01.size if v01.size > 1 else 0.0
    return float(first + second)


def auc_interval(label: Any, score: Any, confidence: float = 0.95) -> Estimate:
    """ROC-AUC with DeLong's interval, clipped to [0, 1].

    Raises:
        InputError: when only one class occurs.
    """
    y, s = arrays(label, score)
    if not both_classes(y):
        raise InputError("ROC-AUC needs both classes")
    auc, v10, v01 = delong_components(y, s)
    half = quantile_of_normal(confidence) * sqrt(_variance(v10, v01))
    return Estimate(
        value=auc, low=max(0.0, auc - half), high=min(1.0, auc + half), method="DeLong", confidence=confidence
    )


def paired_auc_test(label: Any, first: Any, second: Any, confidence: float = 0.95) -> PairedTest:
    """Difference of two correlated AUCs on the same rows (DeLong, DeLong and Clarke-Pearson 1988)."""
    y, s = arrays(label, first)
    _, t = arrays(label, second)
    if not both_classes(y):
        raise InputError("ROC-AUC needs both classes")
    auc_a, a10, a01 = delong_components(y, s)
    auc_b, b10, b01 = delong_components(y, t)
    error = sqrt(_variance(a10 - b10, a01 - b01))
    difference = auc_a - auc_b
    half = quantile_of_normal(confidence) * error
    p = two_sided_p(difference / error) if error > 0 else (1.0 if difference == 0 else 0.0)
    return PairedTest(
        first=auc_a,
        second=auc_b,
        difference=difference,
        low=difference - half,
        high=difference + half,
        p_value=p,
        method="DeLong paired",
    )


def mcnemar(label: Any, first: Any, second: Any, confidence: float = 0.95) -> PairedTest:
    """Paired difference of accuracy of two sets of calls (bool arrays); exact binomial p (McNemar 1947).

    The interval is Wald's for a difference of paired proportions.
    """
    from scipy.stats import binomtest

    y, a, b = (np.asarray(x).astype(np.bool_) for x in (label, first, second))
    right_a, right_b = a == y, b == y
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    n, apart = y.size, only_a + only_b
    p = float(binomtest(only_a, apart, 0.5).pvalue) if apart else 1.0
    difference = (only_a - only_b) / n
    half = quantile_of_normal(confidence) * sqrt(max(0.0, apart - (only_a - only_b) ** 2 / n)) / n
    return PairedTest(
        first=float(right_a.mean()),
        second=float(right_b.mean()),
        difference=difference,
        low=difference - half,
        high=difference + half,
        p_value=p,
        method="McNemar exact",
    )


def resample_weights(rows: int, times: int, seed: int) -> Iterator[Weights]:
    """Bootstrap weights (how often each row is drawn), in chunks of shape (k, rows), ``times`` in all."""
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK // max(rows, 1))
    for start in range(0, times, size):
        count = min(size, times - start)
        yield np.stack(
            [np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64) for _ in range(count)]
        )


class Resampler:
    """Bootstrap replicates of the metrics of one set of scores, given row weights."""

    def __init__(self, y: Bools, s: Floats) -> None:
        order = np.argsort(-s, kind="stable")
        fresh = np.r_[True, np.diff(s[order]) != 0]
        self._level = np.empty(s.size, dtype=np.intp)  # which of the distinct scores, the highest being 0
        self._level[order] = np.cumsum(fresh) - 1
        self._levels = int(fresh.sum())
        self._label = y.astype(np.float64)
        self._rows = np.column_stack([(s - y) ** 2, row_log_loss(y, s)])

    def replicates(self, weights: Weights) -> dict[str, Floats]:
        """``average_precision``, ``brier`` and ``log_loss``, each of shape (k,)."""
        n = weights.shape[1]
        means = weights @ self._rows / n
        return {"average_precision": self._average_precision(weights), "brier": means[:, 0], "log_loss": means[:, 1]}

    def _average_precision(self, weights: Weights) -> Floats:
        """Drawn rows and positives are summed over equal scores first, which also sorts them."""

        def summed(rows: Weights) -> Floats:
            return np.stack([np.bincount(self._level, weights=row, minlength=self._levels) for row in rows])

        positives = summed(weights * self._label)
        called, tp = np.cumsum(summed(weights), axis=1), np.cumsum(positives, axis=1)
        np.maximum(called, 1.0, out=called)
        total = np.maximum(tp[:, -1], 1.0)
        out: Floats = np.einsum("ij,ij,ij->i", positives, tp, 1.0 / called) / total
        return out


def bootstrap(
    label: Any,
    score: Any,
    threshold: float,
    *,
    times: int = 200,
    seed: int = 7,
    confidence: float = 0.95,
    cost_fp: float = 1.0,
    cost_fn: float = 1.0,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals (Efron 1979) of all metrics but ROC-AUC, from one set of resamples.

    Returns:
        Name to (low, high) for average_precision, brier, log_loss, accuracy, precision,
        recall, f1 and expected_cost (mean cost of a row).
    """
    y, s = arrays(label, score)
    sampler = Resampler(y, s)
    called = s >= threshold
    cells = np.column_stack([called & y, called & ~y, ~called & y, ~called & ~y]).astype(np.float64)
    parts: dict[str, list[Floats]] = {}
    for weights in resample_weights(y.size, times, seed):
        made = sampler.replicates(weights) | _calls(weights @ cells, cost_fp, cost_fn)
        for name, values in made.items():
            parts.setdefault(name, []).append(values)
    return {name: percentiles(np.concatenate(values), confidence) for name, values in parts.items()}


def percentiles(values: Floats, confidence: float) -> tuple[float, float]:
    """The central ``confidence`` share of replicates."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _calls(counts: Floats, cost_fp: float, cost_fn: float) -> dict[str, Floats]:
    """Accuracy, precision, recall, f1 and mean cost from counts of shape (k, 4): tp, fp, fn, tn."""
    tp, fp, fn, tn = counts.T
    return {
        "accuracy": (tp + tn) / (tp + fp + fn + tn),
        "precision": tp / np.maximum(tp + fp, 1.0),
        "recall": tp / np.maximum(tp + fn, 1.0),
        "expected_cost": (fp * cost_fp + fn * cost_fn) / (tp + fp + fn + tn),
        "f1": 2 * tp / np.maximum(2 * tp + fp + fn, 1.0),
    }


def paired_bootstrap(
    label: Any, first: Any, second: Any, *, times: int = 200, seed: int = 7, confidence: float = 0.95
) -> dict[str, PairedTest]:
    """Paired differences of average precision, Brier score and log loss, all on the same resampled rows.

    A p-value is twice the smaller share of replicates beyond zero, at least ``2 / (times + 1)``.
    """
    y, a = arrays(label, first)
    _, b = arrays(label, second)
    one, two = Resampler(y, a), Resampler(y, b)
    made: dict[str, list[Floats]] = {name: [] for name in POINT}
    for weights in resample_weights(y.size, times, seed):
        ours, theirs = one.replicates(weights), two.replicates(weights)
        for name, parts in made.items():
            parts.append(ours[name] - theirs[name])
    return {
        name: _paired(point(y, a), point(y, b), np.concatenate(made[name]), confidence) for name, point in POINT.items()
    }


def paired_means(
    first: dict[str, Floats],
    second: dict[str, Floats],
    *,
    roots: tuple[str, ...] = (),
    times: int = 200,
    seed: int = 7,
    confidence: float = 0.95,
) -> dict[str, PairedTest]:
    """Paired differences of means of row figures (n,) by name, all on the same resampled rows.

    The names in ``roots`` are square roots of their means, as the root mean squared error is.
    """
    names = list(first)
    ours, theirs = (np.column_stack([rows[name] for name in names]) for rows in (first, second))

    def means(weights: Weights, rows: Floats) -> Floats:
        out: Floats = weights @ rows / weights.sum(axis=1, keepdims=True)
        for i, name in enumerate(names):
            if name in roots:
                out[:, i] = np.sqrt(out[:, i])
        return out

    plain = np.ones((1, len(ours)))
    a, b = means(plain, ours)[0].tolist(), means(plain, theirs)[0].tolist()
    drawn = [means(w, ours) - means(w, theirs) for w in resample_weights(len(ours), times, seed)]
    gaps = np.concatenate(drawn)
    return {name: _paired(a[i], b[i], gaps[:, i], confidence) for i, name in enumerate(names)}


def _paired(first: float, second: float, differences: Floats, confidence: float) -> PairedTest:
    low, high = percentiles(differences, confidence)
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    times = differences.size
    return PairedTest(
        first=first,
        second=second,
        difference=first - second,
        low=low,
        high=high,
        p_value=min(1.0, 2 * (tail + 1) / (times + 1)),
        method=f"paired bootstrap, {times} resamples",
    )


def wilson(hits: float, rows: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's (1927) score interval of a proportion; (0, 1) without rows."""
    if rows <= 0:
        return 0.0, 1.0
    z = quantile_of_normal(confidence)
    share, z2 = hits / rows, z * z
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = z * sqrt(share * (1 - share) / rows + z2 / (4 * rows * rows)) / (1 + z2 / rows)
    return max(0.0, centre - half), min(1.0, centre + half)


def rates_differ(hits_a: float, rows_a: float, hits_b: float, rows_b: float) -> float:
    """Two-sided p of the pooled two-proportion z test; 1 where it is undefined."""
    if rows_a <= 0 or rows_b <= 0:
        return 1.0
    pooled = (hits_a + hits_b) / (rows_a + rows_b)
    error = sqrt(pooled * (1 - pooled) * (1 / rows_a + 1 / rows_b))
    return two_sided_p((hits_a / rows_a - hits_b / rows_b) / error) if error > 0 else 1.0
