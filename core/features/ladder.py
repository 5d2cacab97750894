"""Aggregates of many slices of one column, without running sums.

A running sum that adds what enters and takes away what leaves loses digits for ever after one large
value. Here each slice is put together from runs of 1, 2, 4, ... values, as in a sparse table (Bender
and Farach-Colton 2000): n log w steps for slices of up to w values, and only the slice's own values are
ever added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]
Places = npt.NDArray[np.int64]
State = tuple[Numbers, ...]
Merge = Callable[[State, State], State]


def climb(leaves: State, empty: State, merge: Merge, low: Places, high: Places) -> State:
    """The merged state of each slice ``[low, high)`` of the rows.

    Args:
        leaves: arrays (n,), the state of each single row.
        empty: arrays (1,), the state of no row; ``merge(empty, s)`` must be ``s``.
        merge: the state of two neighbouring runs, elementwise; must be associative.
        low, high: (m,) with 0 <= low <= high <= n.
    """
    done = tuple(np.repeat(part, len(low)) for part in empty)
    place, length = low.copy(), high - low
    size, runs = 1, leaves
    while True:
        taken = np.flatnonzero(length & size)
        if len(taken):
            here = place[taken]
            merged = merge(tuple(part[taken] for part in done), tuple(part[here] for part in runs))
            for part, values in zip(done, merged, strict=True):
                part[taken] = values
            place[taken] += size
        if not len(length) or size * 2 > int(length.max()):
            return done
        runs = merge(tuple(part[:-size] for part in runs), tuple(part[size:] for part in runs))
        size *= 2


def slice_sums(values: Numbers, low: Places, high: Places) -> Numbers:
    """Sums of the slices, 0 for an empty one."""
    zero = np.zeros(1, values.dtype)
    return climb((values,), (zero,), lambda a, b: (a[0] + b[0],), low, high)[0]


def slice_extremes(values: Numbers, low: Places, high: Places, function: str) -> Numbers:
    """Least or greatest values of the slices; meaningless for an empty one."""
    pick = np.minimum if function == "min" else np.maximum
    edge = np.iinfo(values.dtype) if values.dtype.kind == "i" else np.finfo(values.dtype)
    neutral = np.array([edge.max if function == "min" else edge.min], values.dtype)
    if values.dtype.kind == "f":
        neutral = np.array([np.inf if function == "min" else -np.inf], values.dtype)
    return climb((values,), (neutral,), lambda a, b: (pick(a[0], b[0]),), low, high)[0]


def slice_spreads(values: Numbers, low: Places, high: Places) -> Numbers:
    """Sums of squared deviations from each slice's own mean (Chan, Golub and LeVeque 1979)."""
    ones, zero = np.ones(len(values)), np.zeros(1)
    return climb((ones, values.astype(np.float64), np.zeros(len(values))), (zero, zero, zero), _pooled, low, high)[2]


def _pooled(a: State, b: State) -> State:
    (na, ma, sa), (nb, mb, sb) = a, b
    n, gap = na + nb, mb - ma
    return n, ma + gap * (nb / n), sa + sb + gap * gap * (na * nb / n)
