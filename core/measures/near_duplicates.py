"""Rows that two tables share, exactly or nearly, against what a table like this one repeats anyway.

Locality-sensitive hashing (Indyk and Motwani 1998): rows fall into the cells of several randomly shifted grids over
random subsets of columns, and only rows that share a cell are compared. The cost is linear, whatever repeats. A
table of few distinct values holds the same row many times without any leak. So only twins of rows that are otherwise
single are counted, and held against what Good (1953) expects of a new row: the share of rows that have exactly one
twin at home, 2 F2 / n.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from core.kernel.errors import InputError
from core.kernel.records import Record
from core.measures.classification import Bools, Floats

TOLERANCE = 0.005  # of a column's deviation
CELL = 0.25
BANDS = 5
WIDE = 20  # columns: of so many or more, one may differ
MOST = 20_000
EXCESS = 0.005
SIGMAS = 4.0


class NearDuplicates(Record):
    """``found`` of ``rows`` looked at have a twin.

    ``share`` of them have one that is single in the other table; ``expected`` is that share without any leak.
    """

    rows: int
    found: int
    share: float
    expected: float
    z: float
    suspicious: bool
    examples: list[int]


def near_duplicates(
    known: pl.DataFrame, new: pl.DataFrame, *, tolerance: float = TOLERANCE, most: int = MOST, seed: int = 7
) -> NearDuplicates:
    """Rows of ``new`` that nearly occur in ``known`` (equal columns; numbers within ``tolerance`` deviations).

    Two rows are twins when their columns agree (nulls agree with nulls), but for one where there are twenty or
    more. At most ``most`` rows of ``new`` are looked at, evenly spread, and as many of ``known`` for the
    expectation. Suspicious when the share exceeds it by half a percentage point and by four standard errors.
    ``examples`` are row numbers of ``new``.

    Raises:
        InputError: when the columns differ.
    """
    if known.columns != new.columns or not known.width:
        raise InputError("Both tables must have the same columns")
    if not known.height or not new.height:
        return NearDuplicates(rows=0, found=0, share=0.0, expected=0.0, z=0.0, suspicious=False, examples=[])
    asked, own = _spread(new.height, most), _spread(known.height, most)
    plain = _numbers(pl.concat([known, new[asked]], how="vertical_relaxed"))
    old, fresh = plain[: known.height], plain[known.height :]
    copies, home = np.ones(known.height, dtype=np.int64), np.empty(0, dtype=np.uint64)
    other = np.full(len(asked), -1)
    mine = np.full(len(own), -1)
    for band, cells in enumerate(_bands(plain, tolerance, seed)):
        table = _first_and_last(cells[: known.height])
        _agree(old, table, fresh, cells[known.height :], other, None, tolerance)
        _agree(old, table, old[own], cells[own], mine, own, tolerance)
        if band == 0:
            home = cells[: known.height]
            copies = pl.DataFrame({"cell": home}).select(pl.len().over("cell"))["len"].to_numpy()
    hit = other >= 0
    single = hit & (copies[other] == 1)
    together = (mine >= 0) & (home[mine] == home[own])
    lonely = (mine >= 0) & (copies[mine] == np.where(together, 2, 1))
    return _judged(asked, hit, single, lonely)


def _judged(asked: npt.NDArray[np.int64], hit: Bools, single: Bools, lonely: Bools) -> NearDuplicates:
    n, m = single.size, lonely.size
    share, expected = float(single.mean()), float(lonely.mean())
    # The arcsine steadies the variance of small shares (Anscombe 1948). Twins at home come in pairs: twice as much.
    angle = np.arcsin(np.sqrt((single.sum() + 0.375) / (n + 0.75))) - np.arcsin(
        np.sqrt((lonely.sum() + 0.75) / (m + 1.5))
    )
    z = float(2 * angle / np.sqrt(1 / n + 2 / m))
    return NearDuplicates(
        rows=n,
        found=int(hit.sum()),
        share=share,
        expected=expected,
        z=z,
        suspicious=z > SIGMAS and share - expected > EXCESS,
        examples=asked[single][:10].tolist(),
    )


def _spread(rows: int, most: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


def _numbers(table: pl.DataFrame) -> Floats:
    """(rows, columns): numbers in deviations, categories as codes a whole step apart, nulls as a far value."""
    out = np.empty((table.height, table.width), dtype=np.float64, order="F")
    for j, column in enumerate(table.get_columns()):
        if column.dtype.is_float() or column.dtype.is_integer() or column.dtype.is_temporal():
            value = column.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
            known = np.isfinite(value)
            spread = float(value[known].std()) if known.any() else 0.0
            out[:, j] = np.where(known, value / (spread or 1.0), 1e9)
        else:
            codes = column.cast(pl.String).cast(pl.Categorical).to_physical()
            out[:, j] = codes.cast(pl.Int64).fill_null(-1).to_numpy()
    return out


def _bands(plain: Floats, tolerance: float, seed: int) -> list[npt.NDArray[np.uint64]]:
    """A cell number of each row in each grid; the first grid is fine and takes all columns."""
    rng = np.random.default_rng(seed)
    width = plain.shape[1]
    out = []
    for band in range(BANDS):
        whole = band == 0 or width < 4
        columns = np.arange(width) if whole else np.sort(rng.choice(width, size=max(3, 2 * width // 3), replace=False))
        cell = tolerance if band == 0 else CELL
        total = np.zeros(len(plain), dtype=np.uint64)
        odd = np.bitwise_or(rng.integers(1, 2**63, size=width, dtype=np.uint64), np.uint64(1))
        for j in columns:
            step = np.floor(plain[:, j] / cell + (0.5 if band == 0 else rng.random())).astype(np.int64)
            mixed = step.view(np.uint64) * odd[j]
            total = (total ^ (mixed ^ (mixed >> np.uint64(29)))) * np.uint64(0x9E3779B97F4A7C15)
        out.append(total)
    return out


def _first_and_last(cells: npt.NDArray[np.uint64]) -> pl.DataFrame:
    rows = pl.DataFrame({"cell": cells, "row": np.arange(cells.size)})
    return rows.group_by("cell").agg(pl.col("row").first().alias("first"), pl.col("row").last().alias("last"))


def _agree(
    old: Floats,
    table: pl.DataFrame,
    rows: Floats,
    cells: npt.NDArray[np.uint64],
    found: npt.NDArray[np.int64],
    itself: npt.NDArray[np.int64] | None,
    tolerance: float,
) -> None:
    """Write into ``found`` the known row, first or last of the cell, with which a row agrees, if not itself."""
    asked = pl.DataFrame({"cell": cells}).join(table, on="cell", how="left", maintain_order="left")
    may_differ = int(rows.shape[1] >= WIDE)
    for end in ("first", "last"):
        other = asked[end].fill_null(-1).to_numpy()
        open_ = (other >= 0) & (found < 0)
        todo = np.flatnonzero(open_ if itself is None else open_ & (other != itself))
        if todo.size:
            differ = (np.abs(rows[todo] - old[other[todo]]) > tolerance).sum(axis=1)
            good = todo[differ <= may_differ]
            found[good] = other[good]
