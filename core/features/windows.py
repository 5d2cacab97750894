"""Windows: aggregates over the rows that were available, at every refresh instant at which one changes.

At a refresh instant ``h`` a window ``over`` holds the rows with a time in ``(h - over, h]`` that were
available by ``h`` and not yet corrected. That time is the row's availability, or with ``clock: event``
its own. Null and NaN values never count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from core.features.expressions import UTC_TIME
from core.features.ladder import slice_extremes, slice_spreads, slice_sums
from core.features.lives import (
    NEVER,
    Clock,
    Codes,
    Lives,
    Probed,
    Values,
    clock_of,
    distinct_codes,
    microseconds,
    up,
    whole,
)
from core.features.sweep import swept_rows, swept_values
from core.kernel.errors import InputError
from core.project.schema import FeatureView, Window

MOST_VALUES = 50_000_000  # of one view; more is a refresh too fine for `since`
Flags = npt.NDArray[np.bool_]


class Rows:
    """A view's rows sorted by entity, availability and own time, as arrays, and their lives."""

    def __init__(self, frame: pl.DataFrame, entity: list[str], every: str | None, clock: str) -> None:
        """``frame`` has the entity columns, ``_available``, ``_event`` and ``_until`` (null: never corrected)."""
        self.frame = frame
        self.entity = frame.select(entity)
        self.group = _groups(self.entity)
        self.available, self.event = whole(frame["_available"]), whole(frame["_event"])
        self.until = whole(frame["_until"])
        self.every_us = microseconds(every) if every else 1
        self.by_event = clock == "event"

    def ticks(self, over: str | None) -> tuple[Codes, Codes]:
        """The first tick at which each row counts in a window, and the first at which it no longer does."""
        begin = np.maximum(self.available, self.event) if self.by_event else self.available
        end = self.until
        if over is not None:
            aged = self.event if self.by_event else self.available
            end = np.minimum(end, aged + microseconds(over))
        return up(begin, self.every_us), up(end, self.every_us)

    def lives(self, clock: Clock, over: str | None, keep: Flags) -> Lives:
        """The rows of ``keep`` that ever count in a window, in the order in which they enter."""
        begin, end = self.ticks(over)
        row = np.flatnonzero(keep & (begin < end))
        enter, leave = clock.code(self.group[row], begin[row]), clock.code(self.group[row], end[row])
        order = np.lexsort((leave, enter)) if np.any(np.diff(enter) < 0) else np.arange(len(row))
        return Lives(row[order], enter[order], leave[order])

    def ranks(self) -> Codes:
        """The place of each row by entity, own time, availability and place in the table."""
        order = np.lexsort((self.available, self.event, self.group))
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return rank


def _groups(entity: pl.DataFrame) -> Codes:
    if not entity.height:
        return np.zeros(0, dtype=np.int64)
    return entity.select(pl.struct(pl.all()).rle_id()).to_series().cast(pl.Int64).to_numpy()


def window_values(name: str, view: FeatureView, frame: pl.DataFrame) -> pl.DataFrame:
    """``valid_from``, entity and one column for each window, where something entered or left.

    Args:
        frame: rows as :class:`Rows` takes them, with a column ``_x_NAME`` for each window NAME.

    Raises:
        InputError: when a window's column is not of a type that its function takes.
    """
    rows = Rows(frame, view.entity, view.refresh or "1h", view.clock)
    overs = [*dict.fromkeys(window.over for window in view.windows.values())]
    moves = [rows.ticks(over) for over in overs]
    clock = _clock(name, rows, [tick for move in moves for tick in move])
    probes = _probes(rows, clock, moves)
    for window, spec in view.windows.items():
        if spec.function == "since":
            lives = rows.lives(clock, spec.over, _counts(frame[f"_x_{window}"], spec))
            probes = distinct_codes([probes, _every_tick(name, lives)])
    known: dict[tuple[str | None, str | None, bool], Probed] = {}
    columns = [
        _Window(f"features.views.{name}.windows.{window}", spec, rows, clock, probes, known).values().alias(window)
        for window, spec in view.windows.items()
    ]
    return _answers(rows, clock, probes).hstack(columns)


def newest_rows(name: str, view: FeatureView, frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """``valid_from``, entity and ``columns`` of the newest row that counts, where rows may be corrected."""
    rows = Rows(frame, view.entity, view.refresh, "available")
    move = rows.ticks(None)
    clock = _clock(name, rows, [*move])
    probes = _probes(rows, clock, [move])
    lives = rows.lives(clock, None, np.ones(frame.height, dtype=np.bool_))
    newest = swept_rows(lives, rows.ranks()[lives.row], probes, 1)
    return _answers(rows, clock, probes).hstack([_taken(frame[column], newest) for column in columns])


def _clock(name: str, rows: Rows, ticks: list[Codes]) -> Clock:
    groups = int(rows.group[-1]) + 1 if len(rows.group) else 0
    try:
        return clock_of(rows.every_us, groups, ticks)
    except OverflowError as error:
        raise InputError(
            f"View {name!r} has too many entities for so fine a refresh",
            detail=str(error),
            where=f"features.views.{name}.refresh",
            remedy="Refresh less often",
        ) from error


def _probes(rows: Rows, clock: Clock, moves: list[tuple[Codes, Codes]]) -> Codes:
    """Codes at which a row becomes known or leaves, each once, sorted."""
    codes = []
    for begin, end in moves:
        codes.append(clock.code(rows.group, begin))
        leaves = (begin < end) & (end != NEVER)
        codes.append(clock.code(rows.group[leaves], end[leaves]))
    return distinct_codes(codes)


def _every_tick(name: str, lives: Lives) -> Codes:
    """Every code at which some row counts: a time since grows by itself."""
    before = np.maximum.accumulate(np.concatenate([[np.iinfo(np.int64).min], lives.leave[:-1]]))
    start = np.maximum(lives.enter, before)
    length = np.maximum(lives.leave - start, 0)
    total = int(length.sum())
    if total > MOST_VALUES:
        raise InputError(
            f"View {name!r} would have {total:,} values, one for each refresh while a row counts",
            where=f"features.views.{name}.refresh",
            remedy="Refresh less often, or look back less far",
        )
    offset = np.arange(total) - np.repeat(np.cumsum(length) - length, length)
    ticks: Codes = np.repeat(start, length) + offset
    return ticks


def _answers(rows: Rows, clock: Clock, probes: Codes) -> pl.DataFrame:
    firsts = np.searchsorted(rows.group, np.arange(int(rows.group[-1]) + 1)) if len(rows.group) else rows.group
    valid = pl.Series("valid_from", clock.time_us(probes)).cast(UTC_TIME)
    return pl.DataFrame([valid]).hstack(rows.entity[pl.Series(firsts[clock.group(probes)], dtype=pl.Int64)])


def _counts(column: pl.Series, spec: Window) -> Flags:
    """Rows that count: those that have a value; for `since` of a truth, those that are true."""
    has = column.is_not_null()
    if spec.function == "since" and column.dtype == pl.Boolean:
        has = column.fill_null(value=False)
    return has.to_numpy()


def _taken(column: pl.Series, row: Codes) -> pl.Series:
    """The values of some rows; null for row -1."""
    place = pl.Series(row, dtype=pl.Int64)
    return column.gather(place.set(place < 0, None))


class _Window:
    """One window of one view at all probes. ``known`` is shared: windows alike look their rows up once."""

    def __init__(
        self,
        where: str,
        spec: Window,
        rows: Rows,
        clock: Clock,
        probes: Codes,
        known: dict[tuple[str | None, str | None, bool], Probed],
    ) -> None:
        self.where, self.spec, self.rows, self.clock, self.probes = where, spec, rows, clock, probes
        self.column = rows.frame[f"_x_{where.rsplit('.', 1)[-1]}"]
        counts = _counts(self.column, spec)
        alike = (spec.over, None if counts.all() else spec.column, spec.function == "since")
        if alike not in known:
            known[alike] = Probed(rows.lives(clock, spec.over, counts), probes)
        self.seen, self.lives = known[alike], known[alike].lives
        self.groups = int(rows.group[-1]) + 1 if len(rows.group) else 0

    def values(self) -> pl.Series:
        """The window's values."""
        function = self.spec.function
        if function in ("last", "lag", "since"):
            row = self._rows(self.spec.n if function == "lag" else 1)
            return self._since(row) if function == "since" else _taken(self.column, row)
        n = self.seen.count()
        if function == "count" or (function == "rate" and self.spec.column is None):
            return self._rate(n.astype(np.float64))
        if function == "distinct":
            return pl.Series(self._distinct().astype(np.float64))
        x = self._numbers()
        if function in ("min", "max"):
            return _unless(n < 1, self._by_value(x, function), self.column.dtype.is_integer())
        if function == "std":
            spread = self._by_value(x.astype(np.float64), "spread")
            return _unless(n < 2, np.sqrt(spread / np.maximum(n - 1, 1)))
        total = self._sum(x)
        if function == "sum" or self.spec.per is not None:
            return self._rate(total)
        return _unless(n < 1, total / np.maximum(n, 1))

    def _rate(self, total: Values) -> pl.Series:
        """A total as it is, or for each ``per`` of the window's length."""
        if self.spec.per is not None and self.spec.over is not None:
            total = total * (microseconds(self.spec.per) / microseconds(self.spec.over))
        return pl.Series(total)

    def _since(self, row: Codes) -> pl.Series:
        seconds = (self.clock.time_us(self.probes) - self.rows.event[np.maximum(row, 0)]) / 1e6
        return _unless(row < 0, seconds)

    def _numbers(self) -> Values:
        kind = self.column.dtype
        share = self.spec.function == "rate" and self.spec.per is None
        if not (kind == pl.Boolean if share else kind.is_numeric() or kind == pl.Boolean):
            raise InputError(
                f"A {'share of true' if share else self.spec.function} is not taken of {kind}",
                where=self.where,
                remedy="Write a condition as the column, or say per" if share else "Make the column a number",
            )
        as_numbers = self.column.cast(pl.Int64 if kind.is_integer() or kind == pl.Boolean else pl.Float64)
        return as_numbers.fill_null(0).to_numpy()[self.lives.row]

    def _sum(self, x: Values) -> Values:
        exact = x.dtype.kind == "i"
        return self.seen.total(x).astype(np.float64) if exact else self._by_value(x, "sum")

    def _distinct(self) -> Codes:
        """Of several rows with one value, the time in which any of them counts is counted once."""
        kind, enter, leave = self._kinds(), self.lives.enter, self.lives.leave
        order = np.argsort(kind, kind="stable")
        kind, enter, leave = kind[order], enter[order], leave[order]
        if self.seen.in_order:
            before = np.concatenate([[0], leave[:-1]])
        else:
            ends = pl.DataFrame({"kind": kind, "leave": leave})
            before = ends.select(pl.col("leave").cum_max().shift(1, fill_value=0).over("kind")).to_series().to_numpy()
        again = np.concatenate([[False], kind[1:] == kind[:-1]]) if len(kind) else np.zeros(0, dtype=np.bool_)
        begin = np.where(again, np.maximum(enter, before), enter)
        counts = begin < leave
        start, end = begin[counts], leave[counts]
        came = np.searchsorted(np.sort(start), self.probes, side="right")
        return came - np.searchsorted(np.sort(end), self.probes, side="right")

    def _kinds(self) -> Codes:
        """A whole number for each value."""
        whole_numbers = self.column.dtype.is_integer() and self.column.dtype not in (pl.UInt64, pl.Int128)
        kinds = self.column if whole_numbers else self.column.rank("dense")
        return kinds.fill_null(0).cast(pl.Int64).to_numpy()[self.lives.row]

    def _by_value(self, x: Values, function: str) -> Values:
        """Slices where rows leave in the order they came; the general way for the other entities."""
        if self.seen.in_order:
            return _sliced(x, self.seen, function)
        mixed = self.seen.mixed(self.lives.leave, self.clock, self.groups)
        calm, rough = ~mixed[self.clock.group(self.lives.enter)], mixed[self.clock.group(self.probes)]
        out = np.zeros(len(self.probes), dtype=x.dtype)
        out[~rough] = _sliced(x[calm], Probed(self.lives.only(calm), self.probes[~rough]), function)
        lives = self.lives.only(~calm)
        out[rough] = swept_values(lives, self.rows.ranks()[lives.row], self.probes[rough], x[~calm], function)
        return out

    def _rows(self, n: int) -> Codes:
        """The n-th newest row that counts, by own time; -1 where there is none."""
        row = self.lives.row
        in_table_order = bool(np.all(np.diff(row) > 0))
        age = self.rows.event[row] if in_table_order else self.rows.ranks()[row]
        mixed = self.seen.mixed(self.lives.leave, self.clock, self.groups)
        mixed |= self.seen.mixed(age, self.clock, self.groups)
        if not mixed.any():
            return _newest(self.seen, n)
        calm, rough = ~mixed[self.clock.group(self.lives.enter)], mixed[self.clock.group(self.probes)]
        out = np.full(len(self.probes), -1, dtype=np.int64)
        out[~rough] = _newest(Probed(self.lives.only(calm), self.probes[~rough]), n)
        lives = self.lives.only(~calm)
        out[rough] = swept_rows(lives, self.rows.ranks()[lives.row], self.probes[rough], n)
        return out


def _sliced(x: Values, seen: Probed, function: str) -> Values:
    """A function of the slice of rows that counts at each probe."""
    if function == "sum":
        return slice_sums(x, seen.gone, seen.came)
    if function == "spread":
        return slice_spreads(x, seen.gone, seen.came)
    return slice_extremes(x, seen.gone, seen.came, function)


def _newest(seen: Probed, n: int) -> Codes:
    """The n-th row from the end of the slice that counts at each probe; -1 where it has fewer."""
    place = seen.came - n
    if not len(seen.lives.row):
        return np.full(len(place), -1, dtype=np.int64)
    found: Codes = np.where(place >= seen.gone, seen.lives.row[np.maximum(place, 0)], -1)
    return found


def _unless(missing: Flags, values: Values, whole_numbers: bool = False) -> pl.Series:
    """Values with nulls; floats except where whole numbers are asked for."""
    series = pl.Series(values, dtype=pl.Int64 if whole_numbers else pl.Float64)
    return series.set(pl.Series(missing), None)


def described(window: Window) -> str:
    """A window in words: ``mean(arr_delay > 15) over 2h``."""
    inner = ", ".join([window.column or "*", *([f"{window.n}"] if window.function == "lag" else [])])
    unit = f" per {window.per}" if window.per else ""
    return f"{window.function}({inner}){unit}" + (f" over {window.over}" if window.over else "")
