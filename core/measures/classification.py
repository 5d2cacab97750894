"""Quality of probabilities for a binary label: point metrics, curves, cost.

Throughout, ``label`` is a bool or 0/1 array and ``score`` a float array of the same length (n,).
A row is called positive when ``score >= threshold``. Values equal scikit-learn's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.kernel.errors import InputError
from core.measures.records import Confusion, CurvePoint, Curves

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
MAX_POINTS = 200


def arrays(label: Any, score: Any) -> tuple[Bools, Floats]:
    """Both inputs as arrays of one length.

    Raises:
        InputError: when they are empty, differ in length, or hold nulls or scores that are not finite.
    """
    y, s = np.asarray(label), np.asarray(score, dtype=np.float64)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise InputError("The label holds nulls", remedy="Keep labelled rows only.")
    if y.shape != s.shape or y.ndim != 1 or y.size == 0:
        raise InputError("Labels and scores must be two columns of one length, not empty")
    if not np.isfinite(s).all():
        raise InputError("The scores hold nulls or values that are not finite")
    return y.astype(np.bool_), s


def both_classes(y: Bools) -> bool:
    """There is at least one positive and one negative row."""
    return bool(y.any() and not y.all())


def midranks(values: Floats) -> Floats:
    """Ranks 1..n, ties sharing their mean rank."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], values.size]
    ranks = np.empty(values.size)
    ranks[order] = np.repeat((starts + ends + 1) / 2.0, ends - starts)
    return ranks


def roc_auc(label: Any, score: Any) -> float:
    """Area under the ROC curve: the Mann-Whitney share of ordered pairs, ties one half (Bamber 1975).

    Raises:
        InputError: when only one class occurs.
    """
    y, s = arrays(label, score)
    if not both_classes(y):
        raise InputError("ROC-AUC needs both classes")
    positives = int(y.sum())
    rank_sum = float(midranks(s)[y].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * (y.size - positives))


def average_precision(label: Any, score: Any) -> float:
    """Sum of precision times recall gained over the distinct thresholds, no interpolation."""
    y, s = arrays(label, score)
    if not y.any():
        raise InputError("Average precision needs at least one positive")
    tp, fp, _ = _cumulated(y, s)
    return float(np.sum(np.diff(np.r_[0.0, tp]) / tp[-1] * tp / (tp + fp)))


def brier(label: Any, score: Any) -> float:
    """Mean squared difference of score and label (Brier 1950)."""
    y, s = arrays(label, score)
    return float(np.mean((s - y) ** 2))


def row_log_loss(y: Bools, s: Floats) -> Floats:
    """Negative log likelihood of each row in nats; scores are clipped by the double's epsilon."""
    eps = np.finfo(np.float64).eps
    p = np.clip(s, eps, 1 - eps)
    out: Floats = -np.log(np.where(y, p, 1 - p))
    return out


def log_loss(label: Any, score: Any) -> float:
    """Mean negative log likelihood in nats."""
    return float(np.mean(row_log_loss(*arrays(label, score))))


def confusion(label: Any, score: Any, threshold: float, *, cost_fp: float = 1.0, cost_fn: float = 1.0) -> Confusion:
    """Counts and mean cost at one threshold."""
    y, s = arrays(label, score)
    called = s >= threshold
    tp, fp = int((called & y).sum()), int((called & ~y).sum())
    fn, tn = int(y.sum()) - tp, int((~y).sum()) - fp
    cost = (fp * cost_fp + fn * cost_fn) / y.size
    return Confusion(threshold=threshold, tp=tp, fp=fp, fn=fn, tn=tn, cost=cost)


def accuracy(c: Confusion) -> float:
    """Share of rows called right."""
    return (c.tp + c.tn) / (c.tp + c.tn + c.fp + c.fn)


def precision(c: Confusion) -> float:
    """Share of called rows that are positive; 0 when none is called."""
    return c.tp / (c.tp + c.fp) if c.tp + c.fp else 0.0


def recall(c: Confusion) -> float:
    """Share of positive rows that are called; 0 when there is none."""
    return c.tp / (c.tp + c.fn) if c.tp + c.fn else 0.0


def f1(c: Confusion) -> float:
    """Harmonic mean of precision and recall; 0 when both are."""
    total = 2 * c.tp + c.fp + c.fn
    return 2 * c.tp / total if total else 0.0


def threshold_table(
    label: Any, score: Any, *, steps: int = 101, cost_fp: float = 1.0, cost_fn: float = 1.0
) -> list[Confusion]:
    """Confusion and cost at ``steps`` thresholds evenly from 0 to 1."""
    y, s = arrays(label, score)
    thresholds = np.linspace(0.0, 1.0, steps)
    positive, negative = np.sort(s[y]), np.sort(s[~y])
    tp = positive.size - np.searchsorted(positive, thresholds, side="left")
    fp = negative.size - np.searchsorted(negative, thresholds, side="left")
    rows = []
    for threshold, hits, alarms in zip(thresholds.tolist(), tp.tolist(), fp.tolist(), strict=True):
        fn, tn = positive.size - hits, negative.size - alarms
        cost = (alarms * cost_fp + fn * cost_fn) / y.size
        rows.append(Confusion(threshold=threshold, tp=hits, fp=alarms, fn=fn, tn=tn, cost=cost))
    return rows


def best_threshold(label: Any, score: Any, *, cost_fp: float = 1.0, cost_fn: float = 1.0) -> float:
    """The threshold of least mean cost on these rows.

    It lies midway between two neighbouring scores, so that rounding does not move a row across;
    of several equal ones the highest is taken. It exceeds every score when calling nobody is best.
    """
    y, s = arrays(label, score)
    tp, fp, scores = _cumulated(y, s)
    cost = np.r_[0.0, fp] * cost_fp + (y.sum() - np.r_[0.0, tp]) * cost_fn
    best = int(np.argmin(cost))
    upper = float(scores[best - 1]) if best else float(np.nextafter(max(1.0, scores[0]), 2.0))
    lower = float(scores[best]) if best < scores.size else 0.0
    middle = (upper + lower) / 2
    return middle if lower < middle <= upper else upper


def curves(label: Any, score: Any, points: int = MAX_POINTS) -> Curves:
    """ROC, precision-recall and gain curves with at most ``points`` points each, ends kept."""
    y, s = arrays(label, score)
    if not both_classes(y):
        raise InputError("Curves need both classes")
    tp, fp, scores = _cumulated(y, s)
    keep = _spread(tp / tp[-1] + fp / fp[-1], points - 1)
    roc, pr, gain = [CurvePoint(x=0.0, y=0.0)], [], [CurvePoint(x=0.0, y=0.0)]
    for i in keep.tolist():
        at = float(scores[i])
        roc.append(CurvePoint(x=float(fp[i] / fp[-1]), y=float(tp[i] / tp[-1]), threshold=at))
        pr.append(CurvePoint(x=float(tp[i] / tp[-1]), y=float(tp[i] / (tp[i] + fp[i])), threshold=at))
        gain.append(CurvePoint(x=float((tp[i] + fp[i]) / y.size), y=float(tp[i] / tp[-1]), threshold=at))
    return Curves(roc=roc, pr=pr, gain=gain)


def _cumulated(y: Bools, s: Floats) -> tuple[Floats, Floats, Floats]:
    """True and false positives at each distinct score, descending, and those scores."""
    order = np.argsort(-s, kind="stable")
    ordered = s[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    tp = np.cumsum(y[order])[last].astype(np.float64)
    return tp, (last + 1) - tp, ordered[last]


def _spread(along: Floats, points: int) -> npt.NDArray[np.intp]:
    """Indices of at most ``points`` entries spaced evenly along a growing quantity, both ends included."""
    if along.size <= points:
        return np.arange(along.size)
    wanted = np.linspace(along[0], along[-1], points)
    found: npt.NDArray[np.intp] = np.unique(np.r_[0, np.searchsorted(along, wanted[1:-1]), along.size - 1])
    return found
