"""Does a column hold the outcome itself? Functions of it, exact sums that make it, nulls that mirror it.

All four look for agreement that honest columns cannot reach, and each says how unlikely that agreement is by
chance: the logarithm of the number of ways in which the rows could have been dealt (Fisher 1935, ch. 2).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import gammaln

from core.kernel.records import Record
from core.measures.classification import Bools, Floats

SURE = 14.0  # nats: a chance below one in a million
PROBE = 2_000  # rows looked at first: most columns are cleared by them
PHI = 0.5
LEAST = 20


class Relation(Record):
    """A feature is a function of an outcome column: in ``rows`` rows, without an exception."""

    feature: str
    outcome: str
    kind: Literal["equal", "monotone", "one to one", "separates"]
    rows: int


class MissingPattern(Record):
    """A feature's nulls stand where the outcome says: ``phi`` is the correlation of the two indicators."""

    feature: str
    outcome: str
    rows: int
    nulls: int
    agree: int
    phi: float


def function_of(feature: pl.Series, outcome: pl.Series) -> Relation | None:
    """Is the feature the outcome, a monotone or one-to-one function of it, or does it separate its two classes?

    Rows without either value are left out; so is a feature or an outcome that does not vary. Chance is excluded:
    the rows could have been dealt in over a million ways, of which this one is asked for. Distinct values that
    occur once (ids) are no evidence for one-to-one, so half of the rows must share theirs.
    """
    if not _still(feature, outcome, PROBE):
        return None
    both = pl.DataFrame({"f": feature, "o": outcome}).filter(_present(feature, "f") & _present(outcome, "o"))
    if both.height < LEAST:
        return None
    f, o = _codes(both["f"]), _codes(both["o"])
    orderly = all(values.dtype.is_numeric() or values.dtype == pl.Boolean for values in both.get_columns())
    kind = _kind(f, o, orderly)
    if kind is None:
        return None
    same = kind == "monotone" and _equal(both)
    return Relation(feature=feature.name, outcome=outcome.name, kind="equal" if same else kind, rows=both.height)


def missing_pattern(feature: str, null: Bools, outcome: str, event: Bools) -> MissingPattern | None:
    """Do a column's nulls mirror an outcome: phi of 0.5 or more, beyond chance (Yule 1912; chi-square n phi²).

    ``null`` says where the column has no value, ``event`` where the outcome has none, or is positive. Honest
    columns lack values for reasons of their own.
    """
    n, a, b = null.size, int(null.sum()), int(event.sum())
    if min(a, b, n - a, n - b) < LEAST:
        return None
    agree = int((null & event).sum())
    phi = (agree * n - a * b) / np.sqrt(float(a) * (n - a) * float(b) * (n - b))
    if abs(phi) < PHI or n * phi * phi < 2 * SURE + 10:
        return None
    return MissingPattern(feature=feature, outcome=outcome, rows=n, nulls=a, agree=agree, phi=float(phi))


def exact_sum(features: pl.DataFrame, outcome: pl.Series) -> list[str]:
    """Numeric columns that together, by one linear formula, give the outcome without an error; empty if none do.

    Least squares on at most 2,000 rows; every residual must be below 1e-6 of the outcome's deviation. The columns
    with a weight are returned, two or more (one alone is a monotone function).
    """
    step = max(1, features.height // (4 * PROBE))  # some of them will lack a value
    numbers = features.select(pl.selectors.numeric().gather_every(step).cast(pl.Float64))
    table = numbers.with_columns(outcome.gather_every(step).cast(pl.Float64).alias("\0")).drop_nulls().drop_nans()
    if numbers.width < 2 or table.height < 10 * (numbers.width + 1):
        return []
    y = table.drop_in_place("\0").to_numpy()
    x = table.to_numpy()
    spread = x.std(axis=0)
    varied = np.flatnonzero(spread > 0)
    if not y.std() > 0 or varied.size < 2:
        return []
    scaled = (x[:, varied] - x[:, varied].mean(axis=0)) / spread[varied]
    target = (y - y.mean()) / y.std()
    weights, *_ = np.linalg.lstsq(scaled, target, rcond=1e-10)
    if np.abs(scaled @ weights - target).max() > 1e-6:
        return []
    used = [numbers.columns[varied[i]] for i in np.flatnonzero(np.abs(weights) > 1e-6)]
    return used if len(used) > 1 else []


def _still(feature: pl.Series, outcome: pl.Series, rows: int) -> bool:
    """After a probe of the rows, may it still be a function? Cheap, so that the whole is rarely looked at."""
    step = max(1, len(feature) // rows)
    both = pl.DataFrame({"f": feature.gather_every(step), "o": outcome.gather_every(step)})
    both = both.filter(_present(feature, "f") & _present(outcome, "o"))
    if both.height < LEAST:
        return True
    return _kind(_codes(both["f"]), _codes(both["o"]), orderly=True, sure=0.0) is not None


def _kind(
    f: npt.NDArray[np.int64], o: npt.NDArray[np.int64], orderly: bool, sure: float = SURE
) -> Literal["monotone", "one to one", "separates"] | None:
    if f.size == 0 or f.max() == 0 or o.max() == 0:
        return None if sure else "monotone"
    if min(_ways(f), _ways(o)) >= sure and orderly:
        if _monotone(f, o):
            return "monotone"
        if o.max() == 1 and _monotone(o, f):
            return "separates"
    pairs = np.unique(f * (o.max() + 1) + o).size
    if pairs == f.max() + 1 == o.max() + 1 and (pairs <= f.size / 2 or not sure) and min(_ways(f), _ways(o)) >= sure:
        return "one to one"
    return None


def _monotone(f: npt.NDArray[np.int64], o: npt.NDArray[np.int64]) -> bool:
    """f never falls, or never rises, as o rises; rows with one o have one f."""
    order = np.lexsort((f, o))
    f, o = f[order], o[order]
    tied = o[1:] == o[:-1]
    step = np.diff(f)
    if (step[tied] != 0).any():
        return False
    return bool((step >= 0).all() or (step <= 0).all())


def _ways(codes: npt.NDArray[np.int64]) -> float:
    """Logarithm of the ways to deal these values to the rows."""
    counts = np.bincount(codes)
    return float(gammaln(codes.size + 1) - gammaln(counts + 1).sum())


def _codes(values: pl.Series) -> npt.NDArray[np.int64]:
    """Dense ranks from 0."""
    plain = values if values.dtype.is_numeric() or values.dtype.is_temporal() else values.cast(pl.String)
    out: npt.NDArray[np.int64] = plain.rank("dense").to_numpy().astype(np.int64) - 1
    return out


def _present(values: pl.Series, name: str) -> pl.Expr:
    known = pl.col(name).is_not_null()
    return known & pl.col(name).is_not_nan() if values.dtype.is_float() else known


def _equal(both: pl.DataFrame) -> bool:
    try:
        return bool((both["f"].cast(pl.Float64) == both["o"].cast(pl.Float64)).all())
    except pl.exceptions.PolarsError:  # texts that are no numbers are not equal to one
        return False


def floats(values: pl.Series) -> Floats:
    """A numeric column as floats, nulls as NaN."""
    out: Any = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.asarray(out, dtype=np.float64)
