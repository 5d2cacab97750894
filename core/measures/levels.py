"""Distinct values with their counts: all of them where they are few, a sketch of them where they are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.measures.distinct_sketch import ERROR, estimate_distinct, merge_distinct, sketch_numbers, sketch_texts
from core.measures.rank_summary import Ints, RankSummary, merge_summaries, summarise

MOST = 10_000  # distinct values that are kept as they are
FREQUENT = 256  # most frequent values that a sketch keeps
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 20
TOP = 10


@dataclass(frozen=True)
class Levels:
    """Every distinct value, ascending, with its count. Texts are an array of objects."""

    values: NDArray[Any]
    counts: Ints

    @property
    def count(self) -> int:
        """Values with repetitions."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class Seen:
    """What was counted exactly before the values were reduced to a sketch. A merge loses it."""

    distinct: int
    quantiles: list[float]
    bins: list[int]
    top: Levels | None


@dataclass(frozen=True)
class Sketch:
    """What is left of too many values.

    ``frequent`` holds values with counts that are short by up to ``slack``; a value that is not among them
    occurs at most ``slack`` times (Misra and Gries 1982, merged as in Agarwal et al. 2012).
    """

    ranks: RankSummary | None
    distinct: bytes
    frequent: Levels
    slack: int
    seen: Seen | None = None


Values = Levels | Sketch


def count_numbers(values: NDArray[Any]) -> Levels:
    """Distinct numbers with counts: by place where whole numbers lie close together, else by sorting."""
    if not len(values):
        return Levels(_wide(values), np.empty(0, np.int64))
    if values.dtype.kind in "iu":
        low, high = int(values.min()), int(values.max())
        if high - low <= max(len(values), 1 << 16) and high < 1 << 63:
            places = np.bincount(values.astype(np.int64) - low)
            found = np.flatnonzero(places)
            return Levels(found + low, places[found].astype(np.int64, copy=False))
    ordered = np.sort(values)
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    return Levels(_wide(ordered[starts]), np.diff(starts, append=len(ordered)))


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.int64 if values.dtype.kind in "iu" else np.float64, copy=False)


def reduced(levels: Levels, *, ordered: bool = True) -> Values:
    """The levels themselves while they are few, else their sketch (with ranks when ``ordered``)."""
    if len(levels.values) <= MOST:
        return levels
    frequent, slack = most_frequent(levels, FREQUENT)
    seen = Seen(len(levels.values), *(shape(levels) if ordered else ([], [])), top_of(levels))
    return Sketch(
        summarise(levels.values, levels.counts) if ordered else None, distinct_sketch(levels), frequent, slack, seen
    )


def distinct_sketch(levels: Levels) -> bytes:
    """The sketch of the distinct values."""
    if levels.values.dtype != object:
        return sketch_numbers(levels.values)
    import polars as pl

    return sketch_texts(pl.Series(levels.values, dtype=pl.String))


def most_frequent(levels: Levels, most: int) -> tuple[Levels, int]:
    """The values that occur more often than the ``most + 1``-th does, and how often that is."""
    if len(levels.counts) <= most:
        return levels, 0
    slack = int(np.partition(levels.counts, -most - 1)[-most - 1])
    kept = np.flatnonzero(levels.counts > slack)
    return Levels(levels.values[kept], levels.counts[kept]), slack


def top_of(levels: Levels, most: int = TOP) -> Levels:
    """The most frequent values, most frequent first, the least value first among equals."""
    frequent, slack = most_frequent(levels, most)
    kept = np.argsort(-frequent.counts, kind="stable")
    alike = np.flatnonzero(levels.counts == slack)[: most - len(kept)] if slack else np.empty(0, np.int64)
    values = np.concatenate([frequent.values[kept], levels.values[alike]])
    return Levels(values, np.concatenate([frequent.counts[kept], levels.counts[alike]]))


def shape(levels: Levels) -> tuple[list[float], list[int]]:
    """Quantiles (linear between neighbours) and counts of equal bins from the least to the greatest."""
    upto = np.cumsum(levels.counts)
    place = np.asarray(SHARES) * (upto[-1] - 1)
    low = levels.values[np.searchsorted(upto, np.floor(place), side="right")]
    high = levels.values[np.searchsorted(upto, np.ceil(place), side="right")]
    quantiles = low + (place - np.floor(place)) * (high - low)
    edges = bin_edges(levels.values[0], levels.values[-1])
    inner = np.searchsorted(levels.values, np.asarray(edges[1:-1]), side="left")
    below = np.concatenate([[0], upto])[inner]
    return quantiles.tolist(), np.diff(np.concatenate([[0], below, [upto[-1]]])).tolist()


def bin_edges(low: Any, high: Any) -> list[float]:
    """Edges of 20 equal bins; one bin when there is one value."""
    low, high = float(low), float(high)
    if high <= low:
        return [low, low]
    width = high / BINS - low / BINS
    return [low + i * width for i in range(BINS)] + [high]


def merge_values(parts: list[Values]) -> Values:
    """All values together: exactly while they are few, else by their sketches."""
    exact = [part for part in parts if isinstance(part, Levels) and len(part.values)]
    sketched = [part for part in parts if isinstance(part, Sketch)]
    if len(sketched) + len(exact) == 1:
        return (sketched or exact)[0]
    together = merge_levels(exact) if exact else None
    if not sketched:
        return reduced(together, ordered=together.values.dtype != object) if together else parts[0]
    if together is not None:
        sketched.append(_sketched(together, ordered=sketched[0].ranks is not None))
    ranks = [part.ranks for part in sketched if part.ranks is not None]
    frequent, cut = most_frequent(merge_levels([part.frequent for part in sketched]), FREQUENT)
    return Sketch(
        ranks=merge_summaries(ranks) if len(ranks) == len(sketched) else None,
        distinct=merge_distinct([part.distinct for part in sketched]),
        frequent=frequent,
        slack=cut + sum(part.slack for part in sketched),
    )


def _sketched(levels: Levels, *, ordered: bool) -> Sketch:
    frequent, slack = most_frequent(levels, FREQUENT)
    return Sketch(
        summarise(levels.values, levels.counts) if ordered else None, distinct_sketch(levels), frequent, slack
    )


def merge_levels(parts: list[Levels]) -> Levels:
    """Counts of equal values added up."""
    values, place = np.unique(np.concatenate([part.values for part in parts]), return_inverse=True)
    counts = np.zeros(len(values), np.int64)
    np.add.at(counts, place, np.concatenate([part.counts for part in parts]))
    return Levels(values, counts)


def distinct_of(values: Values) -> tuple[int, float]:
    """How many different values, and the relative error of that (0 when they were counted)."""
    if isinstance(values, Levels):
        return len(values.values), 0.0
    if values.seen is not None:
        return values.seen.distinct, 0.0
    return estimate_distinct(values.distinct), ERROR


def quantiles_of(values: Values) -> tuple[list[float], float]:
    """Quantiles at ``SHARES``, none where they cannot be known, and by what share of the data they may miss."""
    if isinstance(values, Levels):
        return (shape(values)[0], 0.0) if len(values.values) else ([], 0.0)
    if values.seen is not None:
        return values.seen.quantiles, 0.0
    return values.ranks.quantiles(list(SHARES)) if values.ranks is not None else ([], 0.0)


def bins_of(values: Values, low: Any, high: Any) -> tuple[list[int], float]:
    """Counts of the 20 bins, none where they cannot be known, and by what share of the data any may be wrong."""
    if isinstance(values, Levels):
        return (shape(values)[1], 0.0) if len(values.values) else ([], 0.0)
    if values.seen is not None:
        return values.seen.bins, 0.0
    return values.ranks.histogram(bin_edges(low, high)) if values.ranks is not None else ([], 0.0)
