"""From a column of a frame to its state: sorted once, everything that is ordered is read off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from core.measures.column_state import ColumnState, Kind, TextTally, moments_of, withheld
from core.measures.distinct_sketch import sketch_texts
from core.measures.levels import (
    FREQUENT,
    MOST,
    TOP,
    Levels,
    Seen,
    Sketch,
    Values,
    count_numbers,
    most_frequent,
    reduced,
)

NUMBERS = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
DATES = r"^\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{4})([T ]\d{1,2}:\d{2}.*)?\s*$"
EMAILS = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"


def kind_of(dtype: pl.DataType) -> Kind:
    """What a column is described as."""
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.List, pl.Array):
        return "list"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    kinds: dict[type[pl.DataType], Kind] = {
        pl.Boolean: "bool",
        pl.Date: "time",
        pl.Datetime: "time",
        pl.Duration: "duration",
        pl.Time: "clock",
    }
    return kinds.get(dtype.base_type(), "other")


def state_of(name: str, column: pl.Series, *, personal: bool = False) -> ColumnState:
    """The state of a column; of a ``personal`` one no text and no single value is kept."""
    dtype, kind = column.dtype, kind_of(column.dtype)
    empty = ColumnState(name, str(dtype), kind, len(column), column.null_count())
    known = column.drop_nulls() if empty.nulls else column
    if kind == "text":
        state = _text(empty, known)
    elif kind == "list":
        state = _lists(empty, known)
    else:
        state = _numbers(empty, known) if kind != "other" else empty
    return withheld(state) if personal else state


def _numbers(state: ColumnState, known: pl.Series) -> ColumnState:
    values = _plain(known).to_numpy()
    nan = infinite = 0
    if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
        infinite = int(np.isinf(values).sum())
        nan, values = len(values) - int(finite.sum()), values[finite]
    levels = count_numbers(values)
    if known.dtype == pl.Date:
        levels = Levels(levels.values * 86_400_000_000, levels.counts)
    return _figures(replace(state, nan=nan, infinite=infinite), levels)


def _figures(state: ColumnState, levels: Levels) -> ColumnState:
    """What follows from all numbers of the column."""
    if not len(levels.values):
        return replace(state, values=levels)
    total, moments = moments_of(levels)
    low, high = levels.values[0].item(), levels.values[-1].item()
    return replace(state, low=low, high=high, total=total, moments=moments, values=reduced(levels))


def _plain(known: pl.Series) -> pl.Series:
    """A column without nulls as plain numbers: days, microseconds, or the number itself."""
    dtype = known.dtype
    if dtype == pl.Boolean:
        return known.cast(pl.UInt8)
    if dtype in (pl.Datetime, pl.Duration):
        return known.dt.cast_time_unit("us").to_physical()
    if dtype == pl.Time:
        return known.to_physical() // 1000
    if dtype == pl.Date:
        return known.to_physical()
    small = dtype.is_float() or (dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128))
    return known if small else _narrowed(known)


def _narrowed(known: pl.Series) -> pl.Series:
    """Decimals and whole numbers of more than 63 bits: as 64 bits where they fit, else as floats."""
    if known.dtype.is_integer():
        ends = pl.DataFrame({"least": [known.min()], "most": [known.max()]}).cast(pl.Float64).row(0)
        if known.is_empty() or (ends[0] >= -(2.0**62) and ends[1] <= 2.0**62):
            return known.cast(pl.Int64)
    return known.cast(pl.Float64)


def _lists(state: ColumnState, known: pl.Series) -> ColumnState:
    lists = known.arr.to_list() if isinstance(known.dtype, pl.Array) else known
    inner = lists.filter(lists.list.len() > 0).explode()
    levels = count_numbers(lists.list.len().to_numpy())
    return _figures(replace(state, elements=state_of("elements", inner)), levels)


def _text(state: ColumnState, known: pl.Series) -> ColumnState:
    texts = known.cast(pl.String) if known.dtype != pl.String else known
    if texts.is_empty():
        return replace(state, values=Levels(np.empty(0, object), np.empty(0, np.int64)))
    keys = texts.hash().reinterpret(signed=True)
    hashes = count_numbers(keys.to_numpy())
    if len(hashes.values) > MOST:
        values: Values = _many(texts, keys, hashes)
        tally = _tally(texts.to_frame("text"), lambda found: found.sum())
    else:
        values = _few(texts)
        counted = pl.DataFrame({"text": pl.Series(values.values, dtype=pl.String), "count": values.counts})
        tally = _tally(counted, lambda found: (found * pl.col("count")).sum())
    return replace(state, low=str(texts.min()), high=str(texts.max()), values=values, text=tally)


def _few(texts: pl.Series) -> Levels:
    counted = texts.to_frame("text").group_by("text").len("count").sort("text")
    return Levels(np.array(counted["text"].to_list(), dtype=object), counted["count"].cast(pl.Int64).to_numpy())


def _many(texts: pl.Series, keys: pl.Series, hashes: Levels) -> Sketch:
    """The sketch of many texts. Equal texts are found by ``keys``, 64-bit hashes, which are not kept."""
    frequent, slack = most_frequent(hashes, FREQUENT)
    seen = Seen(len(hashes.values), [], [], _top(texts, keys, hashes))
    return Sketch(None, sketch_texts(texts), _named(texts, keys, frequent), slack, seen)


def _named(texts: pl.Series, keys: pl.Series, wanted: Levels) -> Levels:
    """The texts of some keys with their counts."""
    if not len(wanted.values):
        return Levels(np.empty(0, object), np.empty(0, np.int64))
    return _few(texts.filter(keys.is_in(pl.Series(wanted.values).implode())))


def _top(texts: pl.Series, keys: pl.Series, hashes: Levels) -> Levels:
    """The ten most frequent texts, the least among equals first."""
    frequent, count = most_frequent(hashes, TOP)
    first = _named(texts, keys, frequent)
    order = np.argsort(-first.counts, kind="stable")
    wanted = TOP - len(order)
    least = _alike(texts, keys, hashes, count).bottom_k(wanted * count).unique().sort().to_list()[:wanted]
    values = np.array([*first.values[order], *least], dtype=object)
    return Levels(values, np.concatenate([first.counts[order], np.full(len(least), count)]))


def _alike(texts: pl.Series, keys: pl.Series, hashes: Levels, count: int) -> pl.Series:
    """The texts that occur ``count`` times."""
    alike = hashes.counts == count
    if alike.all():
        return texts
    few = 2 * int(alike.sum()) < len(alike)
    found = keys.is_in(pl.Series(hashes.values[alike if few else ~alike]).implode())
    return texts.filter(found if few else ~found)


def _tally(frame: pl.DataFrame, weighed: Callable[[pl.Expr], pl.Expr]) -> TextTally:
    text = pl.col("text")
    length = text.str.len_chars()
    mails = text.str.contains("@", literal=True) & text.str.contains(EMAILS)
    found = frame.select(
        min_length=length.min(),
        max_length=length.max(),
        length=weighed(length.cast(pl.Int64)),
        empty=weighed(length == 0),
        blank=weighed(text.str.strip_chars().str.len_bytes() == 0),
        numbers=weighed(text.str.contains(NUMBERS)),
        dates=weighed(text.str.contains(DATES)),
        emails=weighed(mails),
    )
    return TextTally(**found.row(0, named=True))
