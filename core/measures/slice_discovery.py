"""Where a model errs more than elsewhere, found among all one- and two-way slices of its features.

A slice is a level of one feature or a pair of levels of two. All are counted, none is sampled:
each pair of features is one pass over the rows. Slices are scored as SliceLine does (Sagadeeva and
Boehm 2021), ``alpha (e_S / e - 1) - (1 - alpha) (n / n_S - 1)`` with mean errors e and rows n.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.kernel.errors import InputError
from core.measures.classification import Floats
from core.measures.intervals import two_sided_p
from core.measures.multiplicity import holm_adjusted
from core.measures.records import DiscoveredSlice, SliceDiscovery

ALPHA = 0.99  # a slice of 1 % of the rows must err twice as much as all rows to score at all
MAX_DISTINCT = 20  # a number with more values is cut into bins of equal frequency
BINS = 10
MAX_LEVELS = 60
SHORTLIST = 120
PARENT_P = 0.01
NULL = "(null)"
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Coded:
    """One feature as codes (n,): 0 is what is too rare to be a slice, ``names[i - 1]`` is what code i means."""

    feature: str
    codes: Codes
    names: list[str]


def coded(column: pl.Series, min_rows: int) -> Coded | None:
    """Levels of at least ``min_rows`` rows, at most 60; null when there are fewer than two, or it is like a key."""
    values = column.fill_nan(None) if column.dtype.is_float() else column
    if values.dtype == pl.Boolean or not values.dtype.is_numeric():
        return _levels(values.cast(pl.String).fill_null(NULL), min_rows)
    if values.head(1_000).n_unique() <= MAX_DISTINCT and values.n_unique() <= MAX_DISTINCT:
        return _levels(values.cast(pl.String).fill_null(NULL), min_rows)
    return _bins(values.cast(pl.Float64), min_rows)


def _levels(texts: pl.Series, min_rows: int) -> Coded | None:
    counts = texts.value_counts(sort=True, name="rows").filter(pl.col("rows") >= min_rows).head(MAX_LEVELS)
    names = sorted(counts[texts.name].to_list())
    if not names or (len(names) == 1 and counts["rows"][0] == len(texts)):
        return None
    codes = texts.replace_strict(names, list(range(1, len(names) + 1)), default=0, return_dtype=pl.UInt8)
    return Coded(texts.name, codes.to_numpy(), names)


def _bins(values: pl.Series, min_rows: int) -> Coded | None:
    known = values.drop_nulls().to_numpy()
    if known.size < min_rows:
        return None
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    nulls = values.is_null().to_numpy()
    codes = (np.searchsorted(edges, values.fill_null(0.0).to_numpy(), side="right") + 1).astype(np.uint8)
    codes[nulls] = edges.size + 2
    text = [f"{edge:.4g}" for edge in edges]
    names = [f"< {text[0]}", *(f"{low} to {high}" for low, high in itertools.pairwise(text)), f">= {text[-1]}", NULL]
    rows = np.bincount(codes, minlength=len(names) + 1)
    codes[(rows < min_rows)[codes]] = 0
    return Coded(values.name, codes, names)


def code_columns(frame: pl.DataFrame, min_rows: int) -> list[Coded]:
    """All columns that have levels to slice by."""
    return [made for column in frame.iter_columns() if (made := coded(column, min_rows)) is not None]


def discover_slices(
    features: pl.DataFrame | Sequence[Coded],
    error: Any,
    *,
    loss: str,
    expected: Any = None,
    alpha: float = ALPHA,
    min_rows: int = 200,
    significance: float = 0.05,
    most: int = 10,
) -> SliceDiscovery:
    """The worst slices, each beyond chance and not told by another one.

    ``features`` has n rows (or is coded already), ``error`` (n,) is each row's loss, 0 or more;
    ``expected`` (n,) is the loss that the model itself expects there, so that a slice that is hard can
    be told from one on which the model is wrong about itself.

    A slice's p-value is that of a random subset of as many rows (mean of a draw without
    replacement; a gamma of the same skewness bounds its tail better than a normal does), corrected
    by Holm (1979) over every slice that was looked at. Of overlapping slices the best scored stays:
    another must be beyond chance on its rows outside those already told, and a pair must be worse
    than the rest of both its parents.

    Raises:
        InputError: when the error is not one finite number of 0 or more for each row.
    """
    e = np.asarray(error, dtype=np.float64)
    columns = code_columns(features, min_rows) if isinstance(features, pl.DataFrame) else list(features)
    rows = {features.height} if isinstance(features, pl.DataFrame) else {column.codes.size for column in columns}
    if not rows <= {e.size} or e.ndim != 1 or not np.isfinite(e).all() or (e.size and e.min() < 0):
        raise InputError("The error must be one finite number of 0 or more for each row")
    search = _Search(columns, e, alpha, min_rows)
    found = search.worst(significance, most) if e.size >= 2 * min_rows and e.std() > 0 else []
    beyond = e - np.asarray(expected, dtype=np.float64) if expected is not None else None
    return SliceDiscovery(
        loss=loss,
        alpha=alpha,
        min_rows=min_rows,
        significance=significance,
        rows=e.size,
        mean_error=float(e.mean()) if e.size else 0.0,
        features=[column.feature for column in columns],
        looked_at=search.looked_at,
        slices=[search.record(one, beyond) for one in found],
    )


@dataclass(frozen=True)
class Candidate:
    """A slice by its columns and codes, with its rows, error sum, score and Holm's p-value."""

    at: tuple[tuple[int, int], ...]
    rows: float
    total: float
    score: float
    p: float


class _Search:
    """All slices of some coded columns over one error."""

    def __init__(self, columns: list[Coded], error: Floats, alpha: float, min_rows: int) -> None:
        self.columns, self.error, self.alpha, self.min_rows = columns, error, alpha, min_rows
        self.mean = float(error.mean()) if error.size else 0.0
        self.variance = float(error.var()) if error.size else 0.0
        centred = error - self.mean
        self.skew = float(np.mean(centred**3)) / self.variance**1.5 if self.variance else 0.0
        self.looked_at = 0

    def counted(self) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
        """Every slice of enough rows: (column, code, column, code) with -1 for none, rows, error sums."""
        keys, rows, totals = [], [], []
        index = np.empty(self.error.size, dtype=np.intp)
        for i, first in enumerate(self.columns):
            for j in range(i, len(self.columns)):
                width = len(self.columns[j].names) + 1
                np.copyto(index, first.codes)
                if j > i:
                    np.multiply(index, width, out=index)
                    np.add(index, self.columns[j].codes, out=index)
                size = (len(first.names) + 1) * (width if j > i else 1)
                n = np.bincount(index, minlength=size)
                total = np.bincount(index, weights=self.error, minlength=size)
                a, b = np.divmod(np.arange(size), width) if j > i else (np.arange(size), np.full(size, -1))
                kept = (n >= self.min_rows) & (n < self.error.size) & (a != 0) & (b != 0)
                two = np.full(int(kept.sum()), j if j > i else -1)
                keys.append(np.column_stack([np.full(two.size, i), a[kept], two, b[kept]]))
                rows.append(n[kept].astype(np.float64))
                totals.append(total[kept])
        if not keys:
            return np.empty((0, 4), dtype=np.int64), np.empty(0), np.empty(0)
        return np.concatenate(keys), np.concatenate(rows), np.concatenate(totals)

    def scores(self, rows: Floats, totals: Floats) -> Floats:
        """SliceLine's score."""
        n = self.error.size
        out: Floats = self.alpha * (totals / rows / self.mean - 1) - (1 - self.alpha) * (n / rows - 1)
        return out

    def p_values(self, rows: Floats, totals: Floats) -> Floats:
        """Chance that as many rows drawn at random err as much, one-sided."""
        from scipy.special import gammaincc, ndtr

        n = self.error.size
        share = rows / n
        z = (totals / rows - self.mean) / np.sqrt(self.variance * (1 / rows - 1 / n))
        skew = self.skew * (1 - 2 * share) / np.sqrt(rows * (1 - share))
        shape = 4.0 / np.maximum(skew, 1e-4) ** 2
        gamma = gammaincc(shape, np.maximum(0.0, shape + z * np.sqrt(shape)))
        out: Floats = np.where(skew > 1e-3, gamma, ndtr(-z))
        return out

    def worst(self, significance: float, most: int) -> list[Candidate]:
        """The reported slices, the best scored first."""
        keys, rows, totals = self.counted()
        self.looked_at = len(keys)
        scores, corrected = self.scores(rows, totals), holm_adjusted(self.p_values(rows, totals))
        hits = np.flatnonzero((scores > 0) & (corrected <= significance))
        chosen: list[Candidate] = []
        covered = np.zeros(self.error.size, dtype=np.bool_)
        for i in hits[np.argsort(-scores[hits], kind="stable")][:SHORTLIST].tolist():
            a, va, b, vb = keys[i].tolist()
            at = ((a, va), (b, vb)) if b >= 0 else ((a, va),)
            one = Candidate(at, rows[i], totals[i], float(scores[i]), float(corrected[i]))
            mask = self._mask(one.at)
            if self._fresh(mask & ~covered, significance) and self._beyond_parents(one, mask):
                chosen.append(one)
                covered |= mask
            if len(chosen) == most:
                break
        return chosen

    def _mask(self, at: tuple[tuple[int, int], ...]) -> npt.NDArray[np.bool_]:
        mask: npt.NDArray[np.bool_] = self.columns[at[0][0]].codes == at[0][1]
        for column, code in at[1:]:
            mask &= self.columns[column].codes == code
        return mask

    def _fresh(self, mask: npt.NDArray[np.bool_], significance: float) -> bool:
        """The rows that no told slice holds are enough, and bad enough, to be told as well."""
        rows = float(mask.sum())
        if rows < self.min_rows:
            return False
        p = self.p_values(np.array([rows]), np.array([self.error[mask].sum()]))
        return bool(p[0] * max(1, self.looked_at) <= significance)

    def _beyond_parents(self, one: Candidate, mask: npt.NDArray[np.bool_]) -> bool:
        """A pair errs more than what else each of its two levels holds (Welch's test)."""
        if len(one.at) == 1:
            return True
        inside = self.error[mask]
        for part in one.at:
            rest = self.error[self._mask((part,)) & ~mask]
            if rest.size < 2:
                continue  # the level is the pair: the pair says nothing that it does not
            spread = np.sqrt(inside.var(ddof=1) / inside.size + rest.var(ddof=1) / rest.size)
            gap = float(inside.mean() - rest.mean())
            if gap <= 0 or (spread > 0 and two_sided_p(gap / spread) > PARENT_P):
                return False
        return True

    def record(self, one: Candidate, beyond: Floats | None) -> DiscoveredSlice:
        """The slice in words and figures."""
        n, mean = self.error.size, one.total / one.rows
        rest = (self.mean * n - one.total) / (n - one.rows)
        columns = [self.columns[column] for column, _ in one.at]
        return DiscoveredSlice(
            features=[column.feature for column in columns],
            values=[column.names[code - 1] for column, (_, code) in zip(columns, one.at, strict=True)],
            rows=int(one.rows),
            share=one.rows / n,
            error=mean,
            error_rest=rest,
            difference=mean - rest,
            ratio=mean / self.mean,
            score=one.score,
            p_corrected=one.p,
            beyond_expected=float(beyond[self._mask(one.at)].mean()) if beyond is not None else None,
        )
