"""Two tables of counts over the same cells: how far apart, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from core.measures.drift import g_statistic, permutation_test, psi

MANY = 1_000_000  # rows from which the chi-square limit stands in for drawing


def binned_difference(
    reference: Sequence[int], window: Sequence[int], *, false_alarm: float, seed: int = 7
) -> tuple[float, float]:
    """Population stability index and p-value of the likelihood-ratio test of two count vectors (k,).

    The p-value is by permutation (the reference is a sample, not the truth); above a million rows by
    the chi-square limit of the same statistic (Wilks 1938). Without rows on either side: 0 and 1.
    """
    before, after = np.asarray(reference, dtype=np.int64), np.asarray(window, dtype=np.int64)
    if not before.sum() or not after.sum():
        return 0.0, 1.0
    distance = psi(before, after)
    pooled = before + after
    if pooled.sum() <= MANY:
        rng = np.random.default_rng(seed)
        return distance, permutation_test(before, after, g_statistic, draws=ceil(20 / false_alarm), rng=rng)[1]
    from scipy.stats import chi2_contingency

    keep = pooled > 0
    if keep.sum() < 2:
        return distance, 1.0
    found = chi2_contingency(np.stack([before[keep], after[keep]]), correction=False, lambda_="log-likelihood")
    return distance, float(found.pvalue)
