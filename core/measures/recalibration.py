"""What calibration could be reached by a map of the scores, fitted on other rows than those it is judged on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from core.kernel.errors import InputError
from core.measures.calibration import calibration, equal_frequency
from core.measures.classification import Floats, arrays, both_classes, brier, log_loss
from core.measures.records import Recalibration

Map = Callable[[Floats], Floats]
EPS = 1e-12
NEWTON = 50


def isotonic(label: Any, score: Any) -> Map:
    """The non-decreasing step map of least squared error (pool adjacent violators; Zadrozny and Elkan 2002).

    Between two fitted scores the map is a line, beyond them it is flat.
    """
    from scipy.optimize import isotonic_regression

    y, s = arrays(label, score)
    levels, inverse = np.unique(s, return_inverse=True)
    rows = np.bincount(inverse).astype(np.float64)
    fitted = isotonic_regression(np.bincount(inverse, weights=y) / rows, weights=rows).x
    return lambda scores: np.interp(scores, levels, np.clip(fitted, 0.0, 1.0))


def platt(label: Any, score: Any) -> Map:
    """Logistic map ``sigmoid(a logit(score) + b)``: see :func:`platt_line`."""
    a, b = platt_line(label, score)
    return lambda scores: _sigmoid(a * _logit(scores) + b)


def platt_line(label: Any, score: Any) -> tuple[float, float]:
    """Its a and b, of largest likelihood (Platt 1999; Kull 2017 without its third).

    Raises:
        InputError: when only one class occurs.
    """
    y, s = arrays(label, score)
    if not both_classes(y):
        raise InputError("A calibration map needs both classes")
    design = np.column_stack([_logit(s), np.ones(s.size)])
    a, b = _newton(design, y.astype(np.float64), np.array([1.0, 0.0]))
    return float(a), float(b)


def isotonic_knots(label: Any, score: Any, bins: int = 50) -> tuple[Floats, Floats]:
    """Scores (k,) and shares (k,), both rising, of a map that is a line between them and flat beyond.

    Shares of at most ``bins`` bins of equal frequency, made to rise; each run of equal ones is one knot at its
    mean score (Oron and Flournoy 2017). A first knot of 0 or a last one of 1 is moved inwards by what its rows
    allow, 1 / (rows + 2), for no score proves a certainty. The steps of :func:`isotonic` would tie the rows of a
    step, and a target that rounds otherwise could fall on another one.
    """
    from scipy.optimize import isotonic_regression

    y, s = arrays(label, score)
    order = np.argsort(s, kind="stable")
    starts = equal_frequency(s[order], bins)
    rows = np.diff(np.r_[starts, s.size]).astype(np.float64)
    share = np.add.reduceat(y[order].astype(np.float64), starts) / rows
    rising = isotonic_regression(share, weights=rows)
    blocks = rising.blocks[:-1]
    counts, knots = np.add.reduceat(rows, blocks), rising.x[blocks].copy()
    knots[0] = max(knots[0], min(1 / (counts[0] + 2), share.mean()))
    knots[-1] = min(knots[-1], max(1 - 1 / (counts[-1] + 2), share.mean()))
    mean = np.add.reduceat(np.add.reduceat(s[order], starts), blocks) / counts
    return mean, np.maximum.accumulate(knots)


def temperature(label: Any, score: Any) -> Map:
    """``sigmoid(logit(score) / T)`` of largest likelihood (Guo 2017): one number, ranks and calls at 0.5 stay."""
    y, s = arrays(label, score)
    a = _newton(_logit(s)[:, None], y.astype(np.float64), np.array([1.0]))
    return lambda scores: _sigmoid(a[0] * _logit(scores))


def _logit(s: Floats) -> Floats:
    p = np.clip(s, EPS, 1 - EPS)
    out: Floats = np.log(p) - np.log1p(-p)
    return out


def _sigmoid(z: Floats) -> Floats:
    out: Floats = 1.0 / (1.0 + np.exp(-np.clip(z, -500, 500)))
    return out


def _newton(design: Floats, y: Floats, start: Floats) -> Floats:
    """Largest likelihood of a logistic regression by Newton steps, halved while they climb."""
    a, loss = start, _loss(design @ start, y)
    for _ in range(NEWTON):
        p = _sigmoid(design @ a)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(len(a))
        step = np.linalg.solve(curvature, design.T @ (y - p))
        while (new := _loss(design @ (a + step), y)) > loss and np.abs(step).max() > 1e-10:
            step = step / 2  # a full step may overshoot where the likelihood is flat
        a, loss = a + step, min(loss, new)
        if np.abs(step).max() < 1e-10:
            break
    return a


def _loss(z: Floats, y: Floats) -> float:
    """Mean negative log likelihood of log-odds."""
    return float(np.mean(np.logaddexp(0.0, z) - y * z))


def recalibrations(fit: tuple[Any, Any], judge: tuple[Any, Any]) -> list[Recalibration]:
    """The scores as they are, then each map fitted on ``fit`` (label, score) and judged on ``judge``."""
    y, s = arrays(*judge)
    maps: list[tuple[str, Map]] = [("none", lambda scores: scores)]
    if both_classes(arrays(*fit)[0]):
        maps += [("isotonic", isotonic(*fit)), ("platt", platt(*fit)), ("temperature", temperature(*fit))]
    out = []
    for name, mapped in maps:
        scores = mapped(s)
        made = calibration(y, scores)
        out.append(
            Recalibration(
                method=name,
                ece=made.ece,
                ece_debiased=made.ece_debiased,
                mce=made.mce,
                brier=brier(y, scores),
                log_loss=log_loss(y, scores),
            )
        )
    return out
