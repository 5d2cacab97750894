"""Was a column computed from rows that it must not know? Encodings by the label, scaling and filling by all rows.

*Target encoding* (Micci-Barreca 2001) replaces a level by the mean label of its rows. Done before the split it
carries the labels of the test rows, and each train row carries its own. *Scaling and filling* with statistics of the
whole table lets the test period shape train (Kaufman et al. 2012, Leakage in data mining). Both leave a mark that
can be computed: the column fits the statistics of the rows that it saw, and of no others, far more closely than
sampling allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from core.kernel.records import Record
from core.measures.classification import Bools, Floats
from core.measures.leakage_relations import floats

FEWEST_LEVELS = 8
ROWS_A_LEVEL = 5
EXACT = 0.01  # of the deviation that sampling gives: below it the same rows were counted
PROBE = 4_000
TIGHT = 1e-6


class TargetEncoding(Record):
    """``feature`` holds label means of ``category``'s levels, computed over the rows called ``over``."""

    feature: str
    category: str
    over: str
    levels: int
    rows: int
    distance: float


class FittedOn(Record):
    """``feature`` was scaled or filled with statistics of the rows called ``over``, not of train."""

    feature: str
    how: Literal["standardised", "scaled to 0 and 1", "filled with the mean"]
    over: str
    rows: int


def target_encoding(
    feature: pl.Series, category: pl.Series, label: Floats, groups: Mapping[str, Bools]
) -> TargetEncoding | None:
    """Does ``feature`` hold the label's mean by level of ``category`` over one of ``groups`` of rows?

    With s the sum of labels of a level's n rows and f the feature there, smoothing with weight a towards p gives
    f = (s + a p) / (n + a), so that s - f n lies on a line in f: the residuals of that line, in units of the
    sampling deviation sqrt(n p (1 - p)), are near 1 for any encoding made elsewhere and near 0 for one made of
    these rows. Leave-one-out encodings, f = (s - y) / (n - 1), are compared row by row. ``label`` is NaN where
    it is unknown. The groups are tried in their order.
    """
    if not _may_encode(feature, category):
        return None
    codes = level_codes(category).fill_null(0).to_numpy().astype(np.int64)
    value = floats(feature)
    for over, rows in groups.items():
        seen = rows & np.isfinite(label) & np.isfinite(value) & (codes > 0)
        if seen.sum() < ROWS_A_LEVEL * FEWEST_LEVELS:
            continue
        n = np.bincount(codes[seen]).astype(np.float64)
        s = np.bincount(codes[seen], weights=label[seen]).astype(np.float64)
        distance = _one_out(value[seen], label[seen], s[codes[seen]], n[codes[seen]])
        if distance is None:
            distance = _line_distance(value[seen], codes[seen], s, n)
        if distance is not None and distance < EXACT:
            levels = int((n > 0).sum())
            return TargetEncoding(
                feature=feature.name,
                category=category.name,
                over=over,
                levels=levels,
                rows=int(seen.sum()),
                distance=distance,
            )
    return None


def level_codes(category: pl.Series) -> pl.Series:
    """Levels as whole numbers from 1, nulls kept; what is coded already stays."""
    if category.dtype == pl.UInt32:
        return category
    if category.dtype == pl.String:
        return category.cast(pl.Categorical).to_physical().cast(pl.UInt32) + 1
    return category.cast(pl.Int64).rank("dense").cast(pl.UInt32)


def fitted_on(feature: pl.Series, train: Bools, groups: Mapping[str, Bools]) -> FittedOn | None:
    """Were scaling or filling computed over one of ``groups`` of rows, rather than over train?

    Standardised: mean 0 and deviation 1 to 1e-6 over the group, not over train. Scaled: a fine-grained column that
    ends at 0 and 1, where an end lies outside train. Filled: many rows hold exactly the mean of the group, and
    train's own mean is another. Fewer than 20 distinct values or train rows are not judged.
    """
    value = floats(feature)
    known = np.isfinite(value)
    own = value[train & known]
    if feature.null_count() == len(feature) or own.size < 20 or feature.dtype.is_integer():
        return None
    for over, rows in groups.items():
        seen = value[rows & known]
        if seen.size <= own.size or not seen.std() > 0:
            continue
        how = _standardised(seen, own) or _scaled(seen, own) or _filled(seen, own)
        if how is not None and np.unique(seen[:PROBE]).size >= 20:
            return FittedOn(feature=feature.name, how=how, over=over, rows=int(seen.size - own.size))
    return None


def _may_encode(feature: pl.Series, category: pl.Series) -> bool:
    """A probe: at most two values of the feature in each level, and several levels with several rows."""
    step = max(1, len(feature) // PROBE)
    head = pl.DataFrame({"c": category.gather_every(step), "f": feature.gather_every(step)}).drop_nulls()
    seen = head.group_by("c").agg(pl.col("f").n_unique().alias("values"), pl.len().alias("rows"))
    return seen.height >= FEWEST_LEVELS and not ((seen["rows"] > 2) & (seen["values"] > 2)).any()


def _one_out(value: Floats, y: Floats, s: Floats, n: Floats) -> float | None:
    """Distance of a leave-one-out encoding: 0 when nearly all rows hold it; None when they do not."""
    several = n > 1
    if several.sum() < 20:
        return None
    made = (s[several] - y[several]) / (n[several] - 1.0)
    near = np.abs(value[several] - made) <= TIGHT
    differ = np.abs(made - s[several] / n[several]) > TIGHT
    return 0.0 if near.mean() >= 0.99 and differ.any() else None


def _line_distance(value: Floats, codes: npt.NDArray[np.int64], s: Floats, n: Floats) -> float | None:
    """Mean squared residual of s - f n from a line in f, in units of sampling; None when it cannot be judged."""
    total = np.bincount(codes, weights=value, minlength=n.size)
    held = n > 0
    f = np.divide(total, n, out=np.zeros(n.size), where=held)
    spread = np.bincount(codes, weights=(value - f[codes]) ** 2, minlength=n.size)
    if held.sum() < FEWEST_LEVELS or spread.max() > TIGHT * max(1.0, float(value.var())):
        return None  # not one value a level
    f, s, n = f[held], s[held], n[held].astype(np.float64)
    if not f.std() > 0:
        return None
    line = np.column_stack([np.ones(f.size), f])
    gap = s - f * n
    weights, *_ = np.linalg.lstsq(line, gap, rcond=None)
    rate = float(s.sum() / n.sum())
    noise = n * max(rate * (1.0 - rate), 1e-9) if 0 <= rate <= 1 else n * max(float(np.var(s / n)), 1e-9)
    return float(((gap - line @ weights) ** 2 / noise).sum() / (f.size - 2))


def _standardised(seen: Floats, own: Floats) -> Literal["standardised"] | None:
    for ddof in (0, 1):
        if abs(seen.mean()) < TIGHT and abs(seen.std(ddof=ddof) - 1.0) < TIGHT:
            off = abs(own.mean()) > TIGHT or abs(own.std(ddof=ddof) - 1.0) > TIGHT
            return "standardised" if off else None
    return None


def _scaled(seen: Floats, own: Floats) -> Literal["scaled to 0 and 1"] | None:
    if seen.min() != 0.0 or seen.max() != 1.0 or (own.min() == 0.0 and own.max() == 1.0):
        return None
    inner = seen[(seen > 0) & (seen < 1)]
    fine = np.unique(inner[:PROBE]).size >= 100 and np.abs(inner * 1e4 - np.round(inner * 1e4)).max() > 1e-3
    ends = int((seen == 0).sum()) + int((seen == 1).sum())  # rates reach their ends often, an extreme is rare
    return "scaled to 0 and 1" if fine and ends <= max(4, 0.001 * seen.size) else None


def _filled(seen: Floats, own: Floats) -> Literal["filled with the mean"] | None:
    middle, spread = float(seen.mean()), float(seen.std())
    at = np.abs(seen - middle) <= 1e-9 * spread
    if at.sum() < max(5, 0.001 * seen.size) or np.unique(seen[:PROBE]).size < 20:
        return None
    held = np.abs(own - middle) <= 1e-9 * spread
    rest = own[~held]
    same = rest.size == 0 or abs(float(rest.mean()) - middle) <= 1e-9 * spread
    return None if same or not held.any() else "filled with the mean"
