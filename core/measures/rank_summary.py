"""Quantiles of what is too much to keep: some values, each with bounds on its rank that always hold.

A summary keeps real values of the data and, for each, bounds on how many values are less and how many
are not greater (Greenwald and Khanna 2001, "Space-efficient online computation of quantile summaries";
merged as in Agarwal et al. 2012, "Mergeable summaries"). Nothing is random: the same data give the same
summary, and the error of an answer is known, not estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 1024
AT_ONCE = 16  # summaries that are merged before they are thinned once: fewer thinnings lose less

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RankSummary:
    """Ascending ``values`` of ``count`` data; ranks are counts of data, all arrays are of one length."""

    values: NDArray[Any]
    count: int
    below_low: Ints
    below_high: Ints
    upto_low: Ints
    upto_high: Ints

    def at(self, points: NDArray[Any]) -> tuple[Ints, Ints, Ints, Ints]:
        """Bounds on how many data are below, and up to, each point: low and high of both."""
        place = np.searchsorted(self.values, points, side="left")
        inside = np.minimum(place, len(self.values) - 1)
        hit = (place < len(self.values)) & (self.values[inside] == points)
        floor = np.where(place > 0, self.upto_low[np.maximum(place - 1, 0)], 0)
        ceiling = np.where(place < len(self.values), self.below_high[inside], self.count)
        return (
            np.where(hit, self.below_low[inside], floor),
            np.where(hit, self.below_high[inside], ceiling),
            np.where(hit, self.upto_low[inside], floor),
            np.where(hit, self.upto_high[inside], ceiling),
        )

    def quantiles(self, shares: list[float]) -> tuple[list[float], float]:
        """A value of the data for each share, and by how large a share of the data any may miss its rank."""
        wanted = np.asarray(shares)[:, None] * (self.count - 1)
        miss = np.maximum(self.below_high - wanted, wanted - (self.upto_low - 1)).clip(0)
        best = miss.argmin(axis=1)
        error = float(miss[np.arange(len(best)), best].max()) / self.count
        return [float(value) for value in self.values[best]], error

    def histogram(self, edges: list[float]) -> tuple[list[int], float]:
        """Counts between the edges, and by how large a share of the data any count may be wrong."""
        low, high, _, _ = self.at(np.asarray(edges[1:-1]))
        below = np.concatenate([[0], np.maximum.accumulate((low + high) // 2), [self.count]])
        loose = np.concatenate([[0], (high - low + 1) // 2, [0]])
        return np.diff(below).tolist(), float((loose[1:] + loose[:-1]).max()) / max(self.count, 1)

    def thinned(self, size: int = SIZE) -> RankSummary:
        """At most ``size`` values, evenly spread over the ranks, the least and the greatest among them."""
        if len(self.values) <= size:
            return self
        middle = (self.below_low + self.upto_high) // 2
        wanted = np.linspace(0, self.count - 1, size)
        kept = np.unique(np.concatenate([[0], np.searchsorted(middle, wanted[1:-1]), [len(middle) - 1]]))
        parts = (self.below_low, self.below_high, self.upto_low, self.upto_high)
        return RankSummary(self.values[kept], self.count, *(part[kept] for part in parts))


def summarise(values: NDArray[Any], counts: Ints, size: int = SIZE) -> RankSummary:
    """The summary of ascending distinct values with their counts. The ranks of what is kept are exact."""
    upto = np.cumsum(counts)
    kept = np.unique(np.searchsorted(upto, np.linspace(0, upto[-1] - 1, size).round(), side="right"))
    upto, below = upto[kept], upto[kept] - counts[kept]
    return RankSummary(values[kept], int(upto[-1]), below, below, upto, upto)


def merge_summaries(parts: list[RankSummary]) -> RankSummary:
    """The summary of all data together. Bounds add up; thinning widens the gaps between what is kept."""
    while len(parts) > 1:
        parts = [_joined(parts[start : start + AT_ONCE]) for start in range(0, len(parts), AT_ONCE)]
    return parts[0]


def _joined(parts: list[RankSummary]) -> RankSummary:
    if len(parts) == 1:
        return parts[0]
    values = np.unique(np.concatenate([part.values for part in parts]))
    bounds = [part.at(values) for part in parts]
    ranks = (np.sum([bound[i] for bound in bounds], axis=0) for i in range(4))
    return RankSummary(values, sum(part.count for part in parts), *ranks).thinned()
