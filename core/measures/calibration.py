"""Do the probabilities mean what they say: reliability curve, calibration error, Brier's parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.measures.classification import Floats, arrays
from core.measures.intervals import wilson
from core.measures.records import Calibration, ReliabilityBin


def equal_frequency(ordered: Floats, bins: int) -> npt.NDArray[np.intp]:
    """Start of each bin in sorted scores (n,): cuts at the linear quantiles, equal scores kept together."""
    edges = np.quantile(ordered, np.linspace(0, 1, bins + 1)[1:-1])
    cuts = np.searchsorted(ordered, edges, side="right")
    starts: npt.NDArray[np.intp] = np.unique(np.r_[0, cuts[cuts < ordered.size]])
    return starts


def calibration(label: Any, score: Any, bins: int = 10) -> Calibration:
    """Reliability over at most ``bins`` bins of equal frequency.

    ECE is the mean absolute gap between mean score and observed share, weighted by rows (Naeini
    2015, on equal-frequency bins), with and without what chance adds; the parts of the Brier score
    are Murphy's (1973), the small remainder from scores that vary within a bin is ``within_bins``.
    """
    y, s = arrays(label, score)
    order = np.argsort(s, kind="stable")
    ordered, truth = s[order], y[order].astype(np.float64)
    starts = equal_frequency(ordered, bins)
    rows = np.diff(np.r_[starts, y.size]).astype(np.float64)
    hits = np.add.reduceat(truth, starts)
    mean = np.add.reduceat(ordered, starts) / rows
    observed, share, base = hits / rows, rows / y.size, float(y.mean())
    gap = np.abs(mean - observed)
    score_brier = float(np.mean((s - y) ** 2))
    reliability, resolution = float(share @ gap**2), float(share @ (observed - base) ** 2)
    uncertainty = base * (1 - base)
    return Calibration(
        bins=_bins(rows, mean, observed, hits),
        ece=float(share @ gap),
        ece_debiased=_debiased(share, gap, observed, rows),
        mce=float(gap.max()),
        brier=score_brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within_bins=score_brier - (reliability - resolution + uncertainty),
    )


def _debiased(share: Floats, gap: Floats, observed: Floats, rows: Floats) -> float:
    """ECE less its bias: what the gaps would grow by if the observed shares were drawn once more.

    Kumar, Liang and Ma (2019) draw them from a normal; the mean of a folded normal has a closed
    form, so nothing is drawn here. Never below 0.
    """
    from scipy.special import ndtr

    spread = np.sqrt(observed * (1 - observed) / rows)
    z = gap / np.where(spread > 0, spread, 1.0)
    folded = spread * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) + gap * (1 - 2 * ndtr(-z))
    again = np.where(spread > 0, folded, gap)
    return max(0.0, float(share @ (2 * gap - again)))


def _bins(rows: Floats, mean: Floats, observed: Floats, hits: Floats) -> list[ReliabilityBin]:
    made = []
    for n, x, share, hit in zip(rows.tolist(), mean.tolist(), observed.tolist(), hits.tolist(), strict=True):
        low, high = wilson(hit, n)
        made.append(ReliabilityBin(rows=int(n), score=x, observed=share, low=low, high=high))
    return made


def expected_calibration_error(label: Any, score: Any, bins: int = 10) -> float:
    """The ECE alone."""
    return calibration(label, score, bins).ece
