"""Shapley values: how much of an answer each feature accounts for, against background rows.

The value of a set of features is the mean answer over the background rows with those features set to
the explained row's ("interventional": Janzing, Minorics and Bloebaum 2020; the model is asked what it
would say, correlated features are not followed). Values of a row sum to its answer less the mean
answer. ``x`` is float32 (n, d), ``background`` (b, d), answers are (n, k) for k outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt

from core.kernel.errors import InputError
from core.measures.classification import Floats

Matrix = npt.NDArray[np.float32]
Predict = Callable[[Matrix], Floats]
BATCH = 100_000
MAX_PATH = 24


@dataclass(frozen=True)
class Leaf:
    """One leaf: a row reaches it when ``low < x <= high`` holds for every named feature (or it is missing where
    that leads here too), and then adds ``value`` to output ``target``.
    """

    features: npt.NDArray[np.intp]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    missing: npt.NDArray[np.bool_]
    target: int
    value: float


@dataclass(frozen=True)
class Shapley:
    """Values (n, d, k), the mean answer (k,) that they start from, and the standard error of the values."""

    values: Floats
    base: Floats
    error: Floats | None = None


def tree_shapley(leaves: Sequence[Leaf], x: Matrix, background: Matrix, base: Any) -> Shapley:
    """Exact values of a sum of trees plus ``base`` (k,).

    A leaf's features are met or not by the row and by a background row; only those patterns matter,
    and there are few of them. With a features that only the row meets and b that only the background
    row does, each of the a gets (a-1)! b! / (a+b)! of the leaf's value, each of the b loses
    a! (b-1)! / (a+b)! (Lundberg 2020, Laberge and Pequignot 2022).

    Raises:
        InputError: when a path tests more than 24 features.
    """
    start = np.atleast_1d(np.asarray(base, dtype=np.float64)).copy()
    values = np.zeros((len(x), x.shape[1], start.size))
    both = np.concatenate([x, background])
    for leaf in leaves:
        if not leaf.features.size:
            start[leaf.target] += leaf.value
            continue
        if leaf.features.size > MAX_PATH:
            raise InputError(
                f"A path of the trees tests {leaf.features.size} features; at most {MAX_PATH} are explained"
            )
        met = _met(leaf, both)
        rows, at = np.unique(met[: len(x)], return_inverse=True)
        others, counts = np.unique(met[len(x) :], return_counts=True)
        share = counts / len(background)
        values[:, leaf.features, leaf.target] += leaf.value * _shares(rows, others, share, leaf.features.size)[at]
        start[leaf.target] += leaf.value * float(share[others == (1 << leaf.features.size) - 1].sum())
    return Shapley(values, start)


def _met(leaf: Leaf, x: Matrix) -> npt.NDArray[np.int64]:
    """Which of the leaf's features each row meets, as bits."""
    met = np.zeros(len(x), dtype=np.int64)
    for j, feature in enumerate(leaf.features.tolist()):
        column = x[:, feature]
        inside = (column > leaf.low[j]) & (column <= leaf.high[j])
        if leaf.missing[j]:
            inside |= np.isnan(column)
        met |= inside.astype(np.int64) << j
    return met


def _shares(rows: Any, others: Any, share: Floats, depth: int) -> Floats:
    """Part of the leaf's value that each feature gets, (patterns of rows, depth)."""
    mine, theirs = rows[:, None] & ~others[None, :], others[None, :] & ~rows[:, None]
    reached = (rows[:, None] | others[None, :]) == (1 << depth) - 1
    a, b = np.bitwise_count(mine).astype(np.intp), np.bitwise_count(theirs).astype(np.intp)
    gain, loss = _GAIN[a, b] * reached * share, _LOSS[a, b] * reached * share
    out = np.empty((rows.size, depth))
    for j in range(depth):
        out[:, j] = (gain * (mine >> j & 1)).sum(axis=1) - (loss * (theirs >> j & 1)).sum(axis=1)
    return out


def _weights(first: int, second: int) -> Floats:
    size = MAX_PATH + 1
    out = np.zeros((size, size))
    for a in range(size):
        for b in range(size):
            if a >= first and b >= second:
                out[a, b] = factorial(a - first) * factorial(b - second) / factorial(a + b)
    return out


_GAIN, _LOSS = _weights(1, 0), _weights(0, 1)


def additive_shapley(predict: Predict, x: Matrix, background: Matrix) -> Shapley:
    """Exact values of a model whose answer is a sum of functions of one feature each (a linear one is).

    Found by asking the model itself with one feature changed at a time. Of any other model these are
    not Shapley values: compare ``base + values.sum(axis=1)`` with the answers.
    """
    reference = background[:1]
    at = predict(reference)
    parts = []
    for rows in (x, background):
        changed = np.repeat(reference, len(rows), axis=0)
        own = np.empty((len(rows), x.shape[1], at.shape[1]))
        for j in range(x.shape[1]):
            changed[:, j] = rows[:, j]
            own[:, j] = predict(changed) - at
            changed[:, j] = reference[0, j]
        parts.append(own)
    mean = parts[1].mean(axis=0)
    return Shapley(parts[0] - mean, at[0] + mean.sum(axis=0))


def sampled_shapley(predict: Predict, x: Matrix, background: Matrix, *, seed: int = 7) -> Shapley:
    """Estimates for any model: random orders of the features, each walked forth and back (Castro 2009, Mitchell 2022).

    One pair of walks starts at each background row, and turns one feature after the other into the
    explained row's. Unbiased, with a standard error over the pairs (an upper bound: it counts the
    background rows' own spread too); a row's estimates sum exactly to its answer less the base.
    """
    n, d = x.shape
    rng = np.random.default_rng(seed)
    base = predict(background).mean(axis=0)
    total, squares = np.zeros((n, d, base.size)), np.zeros((n, d, base.size))
    for row in background:
        order = rng.permuted(np.tile(np.arange(d), (n, 1)), axis=1)
        mean = (_walk(predict, x, row, order) + _walk(predict, x, row, order[:, ::-1])) / 2
        total += mean
        squares += mean**2
    pairs = len(background)
    values = total / pairs
    spread: Floats = np.sqrt(np.maximum(0.0, squares / pairs - values**2) / max(1, pairs - 1))
    return Shapley(values, base, spread)


def _walk(predict: Predict, x: Matrix, start: npt.NDArray[np.float32], order: npt.NDArray[np.intp]) -> Floats:
    """What each feature changed when it was turned, in the row's own order: (n, d, k)."""
    n, d = x.shape
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(d), (n, d)), axis=1)
    size = max(1, BATCH // (d + 1))
    parts = []
    for at in range(0, n, size):
        piece = slice(at, at + size)
        turned = rank[piece, None, :] < np.arange(d + 1)[None, :, None]
        rows = np.where(turned, x[piece, None, :], start)
        answers = predict(rows.reshape(-1, d)).reshape(len(rows), d + 1, -1)
        steps = np.diff(answers, axis=1)
        parts.append(np.take_along_axis(steps, rank[piece, :, None], axis=1))
    return np.concatenate(parts)


def dependence(predict: Predict, rows: Matrix, feature: int, grid: Any) -> Floats:
    """Answers (m, n, k) for all n rows with one feature set to each of the m values of ``grid``.

    Their mean over the rows is the partial dependence (Friedman 2001), each row's own line is its
    individual conditional expectation (Goldstein 2015).
    """
    values = np.asarray(grid, dtype=np.float32)
    changed = np.repeat(rows[None], len(values), axis=0)
    changed[:, :, feature] = values[:, None]
    return predict(changed.reshape(-1, rows.shape[1])).reshape(len(values), len(rows), -1)
