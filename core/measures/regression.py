"""Quality of predictions for a label that is a number.

Throughout, ``label`` and ``prediction`` are float arrays (n,), ``weight`` is one of (n,) or None.
A residual is label minus prediction. Values equal scikit-learn's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.kernel.errors import InputError
from core.measures.classification import Floats, midranks
from core.measures.intervals import percentiles, quantile_of_normal, resample_weights
from core.measures.records import Estimate, Histogram
from core.measures.task_records import ResidualBin, Residuals

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
PINBALL = 0.5


def number_arrays(label: Any, prediction: Any, weight: Any = None) -> tuple[Floats, Floats, Floats]:
    """The three inputs as arrays of one length.

    Raises:
        InputError: when lengths differ or a value is null or not finite.
    """
    y, p = np.asarray(label, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    w = np.ones(y.shape) if weight is None else np.asarray(weight, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or y.shape != w.shape or not y.size:
        raise InputError("Labels, predictions and weights must be columns of one length, not empty")
    if not (np.isfinite(y).all() and np.isfinite(p).all() and np.isfinite(w).all()):
        raise InputError("Labels, predictions or weights hold nulls or values that are not finite")
    if w.min() < 0 or not w.any():
        raise InputError("Weights must be 0 or more, not all 0")
    return y, p, w


def rmse(label: Any, prediction: Any, weight: Any = None) -> float:
    """Root of the mean squared residual."""
    y, p, w = number_arrays(label, prediction, weight)
    return float(np.sqrt(np.average((y - p) ** 2, weights=w)))


def mae(label: Any, prediction: Any, weight: Any = None) -> float:
    """Mean absolute residual."""
    y, p, w = number_arrays(label, prediction, weight)
    return float(np.average(np.abs(y - p), weights=w))


def r2(label: Any, prediction: Any, weight: Any = None) -> float:
    """1 - residual over total sum of squares; may be negative. 0 for a constant label that is missed, 1 if hit."""
    y, p, w = number_arrays(label, prediction, weight)
    left, total = float(w @ (y - p) ** 2), float(w @ (y - np.average(y, weights=w)) ** 2)
    return 1.0 - left / total if total > 0 else float(left == 0)


def pinball(label: Any, prediction: Any, quantile: float = PINBALL, weight: Any = None) -> float:
    """Mean pinball loss at one quantile (Koenker and Bassett 1978); half the absolute error at the median."""
    y, p, w = number_arrays(label, prediction, weight)
    return float(np.average(pinball_rows(y, p, quantile), weights=w))


def pinball_rows(y: Floats, p: Floats, quantile: float) -> Floats:
    """Pinball loss of each row."""
    out: Floats = np.maximum(quantile * (y - p), (quantile - 1) * (y - p))
    return out


def mape(label: Any, prediction: Any, weight: Any = None) -> float | None:
    """Mean absolute residual as a share of the label; null where any label is 0, for which it is not defined."""
    y, p, w = number_arrays(label, prediction, weight)
    return None if (y == 0).any() else float(np.average(np.abs((y - p) / y), weights=w))


def median_error(label: Any, prediction: Any, confidence: float = 0.95) -> Estimate:
    """Median absolute residual with the interval between two order statistics (normal form of the binomial)."""
    y, p, _ = number_arrays(label, prediction)
    ordered = np.sort(np.abs(y - p))
    half = quantile_of_normal(confidence) * np.sqrt(ordered.size) / 2
    low = max(0, int(np.floor(ordered.size / 2 - half)) - 1)
    high = min(ordered.size - 1, int(np.ceil(ordered.size / 2 + half)))
    value = float(np.median(ordered))
    return Estimate(
        value=value,
        low=float(ordered[low]),
        high=float(ordered[high]),
        method="order statistics",
        confidence=confidence,
    )


def number_metrics(
    label: Any,
    prediction: Any,
    weight: Any = None,
    *,
    times: int = 200,
    seed: int = 7,
    confidence: float = 0.95,
    quantile: float = PINBALL,
) -> dict[str, Estimate]:
    """All point metrics with percentile bootstrap intervals; the median error with its analytic one.

    ``bias`` is the mean residual; ``mape`` is absent where it is not defined.
    """
    y, p, w = number_arrays(label, prediction, weight)
    gap, centred = y - p, y - np.average(y, weights=w)
    columns = [gap**2, np.abs(gap), gap, pinball_rows(y, p, quantile), centred, centred**2]
    names = ["rmse", "mae", "bias", "pinball", "r2"]
    if (y != 0).all():
        columns.append(np.abs(gap / y))
        names.append("mape")
    rows = np.column_stack(columns)
    point = _figures((w @ rows / w.sum())[None, :])
    made = [_figures((drawn * w) @ rows / (drawn @ w)[:, None]) for drawn in resample_weights(y.size, times, seed)]
    out = {}
    for name in names:
        low, high = percentiles(np.concatenate([one[name] for one in made]), confidence) if times else (None, None)
        method = f"bootstrap percentile, {times} resamples" if times else ""
        out[name] = Estimate(value=float(point[name][0]), low=low, high=high, method=method, confidence=confidence)
    if weight is None:
        out["median_error"] = median_error(y, p, confidence)
    return out


def _figures(means: Floats) -> dict[str, Floats]:
    """Metrics from weighted means (m, 6 or 7) of the columns of :func:`number_metrics`."""
    total = means[:, 5] - means[:, 4] ** 2
    flat = np.where(means[:, 0] == 0, 1.0, 0.0)
    share = 1.0 - means[:, 0] / np.where(total > 0, total, 1.0)
    found = {
        "rmse": np.sqrt(means[:, 0]),
        "mae": means[:, 1],
        "bias": means[:, 2],
        "pinball": means[:, 3],
        "r2": np.where(total > 0, share, flat),
    }
    return found | ({"mape": means[:, 6]} if means.shape[1] > 6 else {})


def residuals(label: Any, prediction: Any, bins: int = 10) -> Residuals:
    """How residuals are spread over all rows and along the prediction."""
    from statistics import NormalDist

    y, p, _ = number_arrays(label, prediction)
    gap = y - p
    std, normal = float(gap.std()), NormalDist()
    at = np.linspace(0.01, 0.99, 49)
    theory = [float(gap.mean()) + std * normal.inv_cdf(float(q)) for q in at]
    low, high = np.quantile(gap, [0.005, 0.995])
    counts, edges = np.histogram(np.clip(gap, low, high), bins=30)
    return Residuals(
        mean=float(gap.mean()),
        std=std,
        skew=float(np.mean(((gap - gap.mean()) / std) ** 3)) if std else 0.0,
        quantiles={
            f"p{round(q * 100):02d}": float(v) for q, v in zip(QUANTILES, np.quantile(gap, QUANTILES), strict=True)
        },
        histogram=Histogram(edges=edges.tolist(), counts=counts.tolist()),
        bins=_along(y, p, gap, bins),
        normal=list(zip(theory, np.quantile(gap, at).tolist(), strict=True)),
        heteroscedasticity=_rank_correlation(p, np.abs(gap)),
    )


def _along(y: Floats, p: Floats, gap: Floats, bins: int) -> list[ResidualBin]:
    from core.measures.calibration import equal_frequency

    order = np.argsort(p, kind="stable")
    starts = equal_frequency(p[order], bins)
    made = []
    for rows in np.split(order, starts[1:]):
        low, high = np.quantile(gap[rows], [0.1, 0.9])
        made.append(
            ResidualBin(
                rows=rows.size,
                prediction=float(p[rows].mean()),
                label=float(y[rows].mean()),
                residual=float(gap[rows].mean()),
                low=float(low),
                high=float(high),
            )
        )
    return made


def _rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's correlation; 0 for a constant."""
    x, y = midranks(a), midranks(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size else 0.0
