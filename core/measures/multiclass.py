"""Quality of probabilities for a label of k classes: point metrics and their intervals.

Throughout, ``label`` is an integer array (n,) of codes 0 to k - 1, ``probability`` a float array
(n, k) whose rows sum to 1, and ``weight`` a float array (n,) or None for equal weights. The called
class is the most probable one. Values equal scikit-learn's.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from core.kernel.errors import InputError
from core.measures.calibration import calibration
from core.measures.classification import Bools, Floats
from core.measures.intervals import delong_components, percentiles, quantile_of_normal, resample_weights
from core.measures.records import Estimate
from core.measures.task_records import ClassMatrix, ClassQuality, TopLabel

Codes = npt.NDArray[np.intp]
SUM_TOLERANCE = 1e-3  # float32 softmax over many classes


def class_arrays(label: Any, probability: Any, weight: Any = None) -> tuple[Codes, Floats, Floats]:
    """Codes (n,), probabilities (n, k) as they are, and weights (n,).

    Raises:
        InputError: when shapes disagree, codes are not 0 to k - 1, or rows are no distributions.
    """
    y, p = np.asarray(label), np.asarray(probability, dtype=np.float64)
    if p.ndim != 2 or y.shape != (len(p),) or not len(p) or p.shape[1] < 2:
        raise InputError("Labels (n,) and probabilities (n, k) of two classes or more must have one length, not empty")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= p.shape[1]:
        raise InputError(f"Labels must be codes from 0 to {p.shape[1] - 1}")
    total = p.sum(axis=1)
    if not np.isfinite(p).all() or p.min() < 0 or np.abs(total - 1).max() > SUM_TOLERANCE:
        raise InputError("Probabilities must lie from 0 to 1 and sum to 1 in each row")
    w = np.ones(len(p)) if weight is None else np.asarray(weight, dtype=np.float64)
    if w.shape != y.shape or not np.isfinite(w).all() or w.min() < 0 or not w.any():
        raise InputError("Weights must be one finite number of 0 or more for each row, not all 0")
    return y.astype(np.intp), p, w


def class_confusion(label: Any, probability: Any, classes: list[str], weight: Any = None) -> ClassMatrix:
    """Rows by true (first index) and called class."""
    y, p, w = class_arrays(label, probability, weight)
    return ClassMatrix(classes=classes, counts=_counts(y, p.argmax(axis=1), p.shape[1], w).tolist())


def _counts(y: Codes, called: Codes, k: int, w: Floats) -> Floats:
    out: Floats = np.bincount(y * k + called, weights=w, minlength=k * k).astype(np.float64).reshape(k, k)
    return out


def scores_of_counts(counts: Floats) -> dict[str, Floats]:
    """Accuracy, balanced accuracy, macro and weighted F1 of confusions (..., k, k), each of shape (...).

    Macro F1 is over the classes that occur as label or call, balanced accuracy over those that occur as label.
    """
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    true, called = counts.sum(axis=-1), counts.sum(axis=-2)
    f1 = 2 * hit / np.maximum(true + called, 1e-300)
    seen, labelled = (true + called) > 0, true > 0
    recall = np.where(labelled, hit / np.maximum(true, 1e-300), 0.0)
    total = true.sum(axis=-1)
    return {
        "accuracy": hit.sum(axis=-1) / total,
        "balanced_accuracy": recall.sum(axis=-1) / labelled.sum(axis=-1),
        "macro_f1": f1.sum(axis=-1) / seen.sum(axis=-1),
        "weighted_f1": (f1 * true).sum(axis=-1) / total,
    }


def row_figures(y: Codes, p: Floats, top: int) -> dict[str, Floats]:
    """What is a mean over rows: log loss in nats, Brier score over all classes, label among the ``top`` classes."""
    eps = np.finfo(np.float64).eps
    own = p[np.arange(len(y)), y]
    figures = {
        "log_loss": -np.log(np.clip(own, eps, 1.0)),
        "brier": np.square(p).sum(axis=1) - 2 * own + 1.0,
    }
    if top < p.shape[1]:
        order = np.argsort(p, axis=1, kind="stable")[:, ::-1][:, :top]  # ties as in scikit-learn: the later class
        figures[f"top_{top}_accuracy"] = (order == y[:, None]).any(axis=1).astype(np.float64)
    return figures


def weighted_auc(label: Any, score: Any, weight: Any = None) -> float:
    """Area under the ROC curve of weighted rows, ties one half; equals :func:`roc_auc` for equal weights.

    Raises:
        InputError: when only one class has weight.
    """
    y, s = np.asarray(label).astype(np.bool_), np.asarray(score, dtype=np.float64)
    w = np.ones(y.size) if weight is None else np.asarray(weight, dtype=np.float64)
    order = np.argsort(s, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(s[order]) != 0])
    positive, negative = (np.add.reduceat((w * side)[order], starts) for side in (y, ~y))
    pairs = positive.sum() * negative.sum()
    if not pairs:
        raise InputError("ROC-AUC needs both classes")
    below = np.cumsum(negative) - negative
    return float((positive @ (below + negative / 2)) / pairs)


def auc_influence(y: Bools, s: Floats) -> tuple[float, Floats]:
    """AUC and each row's influence on it (n,), whose squares sum to DeLong's variance."""
    auc, v10, v01 = delong_components(y, s)
    out = np.empty(y.size)
    for side, part in ((y, v10), (~y, v01)):
        out[side] = (part - part.mean()) / np.sqrt(part.size * max(1, part.size - 1))
    return auc, out


def macro_auc(label: Any, probability: Any, weight: Any = None, confidence: float = 0.95) -> Estimate | None:
    """Mean one-against-the-rest ROC-AUC over the classes that occur (Provost and Domingos 2001).

    The interval sums DeLong's components of a row over the classes, so that their dependence counts;
    weighted rows carry no interval. Null when one class only occurs.
    """
    y, p, w = class_arrays(label, probability, weight)
    present = [c for c in range(p.shape[1]) if w[y == c].any()]
    if len(present) < 2:
        return None
    if weight is not None:
        value = float(np.mean([weighted_auc(y == c, p[:, c], w) for c in present]))
        return Estimate(value=value, method="weighted rows", confidence=confidence)
    parts = [auc_influence(y == c, p[:, c]) for c in present]
    value = float(np.mean([auc for auc, _ in parts]))
    spread = np.sum([part for _, part in parts], axis=0) / len(parts)
    half = quantile_of_normal(confidence) * sqrt(float(spread @ spread))
    low, high = max(0.0, value - half), min(1.0, value + half)
    return Estimate(value=value, low=low, high=high, method="DeLong over classes", confidence=confidence)


def class_quality(label: Any, probability: Any, classes: list[str]) -> list[ClassQuality]:
    """Each class against all others, in the order of ``classes``."""
    from core.measures.intervals import auc_interval

    y, p, w = class_arrays(label, probability)
    counts = _counts(y, p.argmax(axis=1), p.shape[1], w)
    found = []
    for c, name in enumerate(classes):
        hit, true, called = float(counts[c, c]), float(counts[c].sum()), float(counts[:, c].sum())
        found.append(
            ClassQuality(
                name=name,
                rows=int(true),
                precision=hit / called if called else 0.0,
                recall=hit / true if true else 0.0,
                f1=2 * hit / (true + called) if true + called else 0.0,
                auc=auc_interval(y == c, p[:, c]) if 0 < true < y.size else None,
                ece=calibration(y == c, p[:, c]).ece,
            )
        )
    return found


def top_label(label: Any, probability: Any, bins: int = 10) -> TopLabel:
    """Calibration of the called class, and the mean of the classes' own errors (Kull 2019)."""
    y, p, _ = class_arrays(label, probability)
    called = p.argmax(axis=1)
    made = calibration(called == y, p.max(axis=1), bins)
    own = [calibration(y == c, p[:, c], bins).ece for c in range(p.shape[1])]
    return TopLabel(bins=made.bins, ece=made.ece, classwise_ece=float(np.mean(own)))


def class_metrics(
    label: Any,
    probability: Any,
    weight: Any = None,
    *,
    top: int = 3,
    times: int = 200,
    seed: int = 7,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """All point metrics with percentile bootstrap intervals (Efron 1979); macro ROC-AUC with its analytic one."""
    y, p, w = class_arrays(label, probability, weight)
    k, called = p.shape[1], p.argmax(axis=1)
    figures = row_figures(y, p, top)
    rows, cells = np.column_stack(list(figures.values())), y * k + called
    point = {name: float(v) for name, v in scores_of_counts(_counts(y, called, k, w)).items()}
    point |= dict(zip(figures, (w @ rows / w.sum()).tolist(), strict=True))
    made: dict[str, list[Floats]] = {}
    for drawn in resample_weights(y.size, times, seed):
        drawn *= w
        counts = np.array([np.bincount(cells, weights=one, minlength=k * k) for one in drawn], dtype=np.float64)
        means = drawn @ rows / drawn.sum(axis=1)[:, None]
        for name, values in (
            scores_of_counts(counts.reshape(-1, k, k)) | dict(zip(figures, means.T, strict=True))
        ).items():
            made.setdefault(name, []).append(values)
    out = {}
    for name, value in point.items():
        low, high = percentiles(np.concatenate(made[name]), confidence) if times else (None, None)
        method = f"bootstrap percentile, {times} resamples" if times else ""
        out[name] = Estimate(value=value, low=low, high=high, method=method, confidence=confidence)
    area = macro_auc(label, probability, weight, confidence)
    return ({"roc_auc": area} if area else {}) | out
