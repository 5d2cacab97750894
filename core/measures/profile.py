"""What a table holds, column by column: every column is read once, in chunks that fit into memory.

A column of a chunk is sorted once and its counts, extremes, moments, quantiles, histogram and most frequent
values are read off. Chunks, parts of a table, days and machines are then put together from their states
(:mod:`core.measures.profile_state`) without the data. Nothing depends on the order in which threads end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import polars as pl

from core.kernel.clock import utc_text
from core.kernel.progress import Progress, Silent
from core.measures.column_state import ColumnState, distinct_values, merge_columns, merge_moments
from core.measures.column_values import kind_of, state_of
from core.measures.levels import SHARES, Levels, Values, bin_edges, bins_of, quantiles_of, top_of
from core.measures.profile_state import TableState
from core.measures.records import ColumnProfile, Histogram, Moments, TableProfile, TextFacts, TopValue

__all__ = ["QUANTILES", "merge_moments", "profile_frame", "profile_of", "profile_state"]

QUANTILES = dict(zip(("p01", "p05", "p25", "p50", "p75", "p95", "p99"), SHARES, strict=True))
CELLS = 8 << 20  # values of fixed width that are in memory at one time
BYTES = 384 << 20  # bytes of text that are
MICRO = 1e-6


def profile_frame(
    frame: pl.LazyFrame, table: str, *, personal: Sequence[str] = (), progress: Progress | None = None
) -> TableProfile:
    """Profile every column of a lazy frame; see :func:`profile_state` and :func:`profile_of`."""
    return profile_of(profile_state(frame, table, personal=personal, progress=progress))


def profile_state(
    frame: pl.LazyFrame, table: str, *, personal: Sequence[str] = (), progress: Progress | None = None
) -> TableState:
    """The mergeable state of all columns. A struct gives one column a field, named ``struct.field``.

    Up to 8 million rows everything is exact (texts are told apart by 64-bit hashes: below one in a
    million that any two of 5 million are taken for one). Of longer tables quantiles, distinct and most
    frequent values of columns with more than 10,000 distinct values are bounded as the record says.
    """
    progress = progress or Silent()
    columns = _leaves(frame.collect_schema())
    rows = int(frame.select(pl.len()).collect().item()) if columns else 0
    widths = _widths(frame, columns)
    found: dict[str, list[ColumnState]] = {name: [] for name, _, _ in columns}
    groups = list(_groups(columns, widths, rows))
    for done, group in enumerate(groups):
        progress.check()
        progress.step(done, len(groups), f"profiling {group[0][0]}")
        for part in _chunks(frame, group, rows, max(widths[name] for name, _, _ in group)):
            for name, _, root in group:
                found[name].append(state_of(name, part[name], personal=root in personal or name in personal))
    return TableState(table, rows, [merge_columns(found[name]) for name, _, _ in columns])


Leaf = tuple[str, pl.Expr, str]


def _leaves(schema: pl.Schema) -> list[Leaf]:
    """Name, expression and column of everything that is described; fields stand for their struct."""
    found: list[Leaf] = []

    def add(name: str, column: pl.Expr, dtype: pl.DataType, root: str) -> None:
        if isinstance(dtype, pl.Struct):
            for field in dtype.fields:
                inner = field.dtype() if isinstance(field.dtype, type) else field.dtype
                add(f"{name}.{field.name}", column.struct.field(field.name), inner, root)
        else:
            found.append((name, column.alias(name), root))

    for name, dtype in schema.items():
        add(name, pl.col(name), dtype, name)
    return found


def _widths(frame: pl.LazyFrame, columns: list[Leaf]) -> dict[str, float]:
    """How much of the memory one value of each column takes, a number being 1; texts and lists by the first rows."""
    if not columns:
        return {}
    head = frame.head(10_000).select(column for _, column, _ in columns).collect()
    share = CELLS / BYTES / max(head.height, 1)
    return {
        name: 1.0
        if kind_of(head[name].dtype) not in ("text", "list", "other")
        else 0.5 + share * head[name].estimated_size()
        for name in head.columns
    }


def _groups(columns: list[Leaf], widths: dict[str, float], rows: int) -> Iterator[list[Leaf]]:
    """Columns that are read together: as many as fit, at least one."""
    group: list[Leaf] = []
    taken = 0.0
    for leaf in columns:
        taken += widths[leaf[0]] * rows
        if group and taken > CELLS:
            yield group
            group, taken = [], widths[leaf[0]] * rows
        group.append(leaf)
    if group:
        yield group


def _chunks(frame: pl.LazyFrame, group: list[Leaf], rows: int, width: float) -> Iterator[pl.DataFrame]:
    chosen = frame.select(column for _, column, _ in group)
    length = max(1, int(CELLS / width))
    if rows <= length:
        yield chosen.collect(engine="streaming")
        return
    for start in range(0, rows, length):
        yield chosen.slice(start, length).collect(engine="streaming")


def profile_of(state: TableState) -> TableProfile:
    """The record of a state, for people: the same state gives the same record."""
    return TableProfile(table=state.table, rows=state.rows, columns=[_column(column) for column in state.columns])


def _column(state: ColumnState) -> ColumnProfile:
    scale = MICRO if state.kind in ("time", "duration", "clock") else 1.0
    moments = _scaled(state.moments, scale) if state.kind != "time" else None
    distinct, distinct_error = distinct_values(state)
    shown: dict[str, Any] = _shape(state, scale) if state.kind not in ("text", "bool", "other") else {}
    return ColumnProfile(
        name=state.name,
        type=state.type,
        kind=state.kind,
        rows=state.rows,
        nulls=state.nulls,
        nan=state.nan,
        infinite=state.infinite,
        distinct=distinct,
        distinct_exact=not distinct_error,
        distinct_error=distinct_error,
        min=_bound(state, state.low),
        max=_bound(state, state.high),
        total=_settled(state.total * scale) if state.total is not None and state.kind != "time" else None,
        moments=moments,
        mean=moments.mean if moments else None,
        std=moments.variance**0.5 if moments else None,
        **shown,
        **_frequent(state, distinct),
        text=_text_facts(state),
        elements=_column(state.elements) if state.elements else None,
        personal=state.personal,
    )


def _scaled(moments: Moments | None, scale: float) -> Moments | None:
    if moments is None:
        return None
    variance = _settled(moments.variance * scale * scale)
    return Moments(count=moments.count, mean=_settled(moments.mean * scale), m2=variance * max(moments.count - 1, 0))


def _settled(value: float) -> float:
    """Twelve digits: the last bits of a sum depend on how it was put together."""
    return float(f"{value:.12g}")


def _shape(state: ColumnState, scale: float) -> dict[str, Any]:
    """Quantiles and histogram, with what they may miss."""
    if state.values is None or state.low is None:
        return {}
    quantiles, error = quantiles_of(state.values)
    bins, bins_error = bins_of(state.values, state.low, state.high)
    edges = [edge * scale for edge in bin_edges(state.low, state.high)]
    return {
        "quantiles": {name: value * scale for name, value in zip(QUANTILES, quantiles, strict=False)},
        "quantile_error": error,
        "histogram": Histogram(edges=edges, counts=bins) if bins else None,
        "histogram_error": bins_error,
    }


def _frequent(state: ColumnState, distinct: int | None) -> dict[str, Any]:
    """The most frequent values; of numbers only where there are so few that they say something."""
    few = distinct is not None and distinct <= max(100, state.rows // 100)
    if state.values is None or not (state.kind in ("text", "bool") or (state.kind == "number" and few)):
        return {}
    top, error = _top(state.values)
    if top is None:
        return {}
    pairs = zip(top.values.tolist(), top.counts.tolist(), strict=True)
    return {"top": [TopValue(value=_text(state, value), count=count) for value, count in pairs], "top_error": error}


def _top(values: Values) -> tuple[Levels | None, int]:
    if isinstance(values, Levels):
        return top_of(values), 0
    return (values.seen.top, 0) if values.seen is not None else (top_of(values.frequent), values.slack)


def _text(state: ColumnState, value: Any) -> str:
    if state.kind == "bool":
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _bound(state: ColumnState, value: Any) -> float | str | None:
    """A minimum or maximum as it is recorded."""
    if value is None or state.kind == "text":
        return value if value is None else str(value)
    if state.kind == "time":
        return utc_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(value)))
    if state.kind == "clock":
        return (datetime.combine(datetime(1970, 1, 1), time()) + timedelta(microseconds=int(value))).time().isoformat()
    return float(value) * (MICRO if state.kind == "duration" else 1.0)


def _text_facts(state: ColumnState) -> TextFacts | None:
    tally, count = state.text, state.rows - state.nulls
    if tally is None or not count:
        return None
    return TextFacts(
        min_length=tally.min_length,
        max_length=tally.max_length,
        mean_length=_settled(tally.length / count),
        empty=tally.empty,
        blank=tally.blank,
        numbers=tally.numbers,
        dates=tally.dates,
        emails=tally.emails,
    )
