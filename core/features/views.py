"""The values of a feature view: for each entity, what is true from which instant on.

One definition for training and serving. A view's values are rows of ``valid_from``, the entity and
the features. A prediction at ``t`` uses the entity's newest row with ``valid_from <= t``: offline
that is an as-of join, online it is what materialisation has written by ``t``. Both see the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from core.features.expressions import UTC_TIME, as_utc, expression, round_up
from core.features.windows import newest_rows, window_values
from core.kernel.durations import span
from core.kernel.errors import InputError, Problem
from core.project.schema import FeatureView

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def features_of(view: FeatureView) -> list[str]:
    """Names of the view's features, in their order."""
    return [*view.columns, *view.windows]


def view_values(name: str, view: FeatureView, table: Path | pl.LazyFrame) -> pl.LazyFrame:
    """Values of one view as (``valid_from``, entity columns, feature columns), sorted by entity and time.

    Rows without an entity or without an availability time are never used. The result is sparse:
    a row where something became known, not a row for each instant.

    Raises:
        InputError: when a static view has several rows for one entity, or columns are missing.
    """
    values = _values(name, view, table).select("valid_from", *view.entity, *features_of(view))
    return values.sort([*view.entity, "valid_from"]) if view.static else values  # the others are sorted already


def values_by_time(name: str, view: FeatureView, table: Path | pl.LazyFrame) -> pl.LazyFrame:
    """The same values sorted by time alone, for joins. One entity and instant may be there twice; the last counts.

    Raises:
        InputError: as :func:`view_values`.
    """
    if view.static or view.windows or view.key or view.available not in (None, view.event_time):
        values = _values(name, view, table).sort("valid_from", maintain_order=True)
    else:  # what happens later is known later: nothing to compare, only to sort
        lazy = _fitting(name, view, table)
        columns = [expression(sql, name).alias(column) for column, sql in view.columns.items()]
        values = _known(view, lazy, columns).sort("_available", maintain_order=True).with_columns(_moment(view))
    return values.select("valid_from", *view.entity, *features_of(view))


def _values(name: str, view: FeatureView, table: Path | pl.LazyFrame) -> pl.LazyFrame:
    lazy = _fitting(name, view, table)
    if view.windows:
        return _windows(name, view, lazy)
    return _static(name, view, lazy) if view.static else _latest(name, view, lazy)


def _fitting(name: str, view: FeatureView, table: Path | pl.LazyFrame) -> pl.LazyFrame:
    lazy = pl.scan_parquet(table) if isinstance(table, Path) else table
    _require_columns(name, view, lazy)
    return lazy


def _moment(view: FeatureView) -> pl.Expr:
    """When a row's values begin to hold."""
    known = pl.col("_available")
    return (known if view.refresh is None else round_up(known, view.refresh)).alias("valid_from")


def availability(view: FeatureView) -> pl.Expr:
    """When a row of the view's table may first be used (UTC)."""
    column = view.available or view.event_time
    if column is None:
        return pl.lit(ALWAYS).cast(pl.Datetime("us", "UTC"))
    return as_utc(column) + span(view.delay)


def _require_columns(name: str, view: FeatureView, lazy: pl.LazyFrame) -> None:
    have = set(lazy.collect_schema().names())
    reads = [(column, column) for column in [*view.entity, *view.key, view.event_time, view.available] if column]
    reads += [(root, sql) for sql in view.columns.values() for root in expression(sql, name).meta.root_names()]
    reads += [
        (root, window.column)
        for window in view.windows.values()
        if window.column
        for root in expression(window.column, name).meta.root_names()
    ]
    where = f"features.views.{name}"
    problems = [
        Problem(f"Table {view.table!r} has no column {root!r}", where=where, expected=", ".join(sorted(have)))
        for root, _ in dict(reads).items()
        if root not in have
    ]
    if not view.static and not (view.available or view.event_time):
        problems.append(
            Problem("The view says neither event_time nor available", where=where, remedy="Name the time column")
        )
    if problems:
        raise InputError(f"Feature view {name!r} does not fit its table", where=where, problems=problems)


def _known(view: FeatureView, lazy: pl.LazyFrame, columns: list[pl.Expr]) -> pl.LazyFrame:
    """Entity, ``columns`` and ``_available`` of the rows that can ever be used."""
    rows = lazy.select(*view.entity, *columns, availability(view).alias("_available"))
    return rows.filter(pl.all_horizontal(pl.col([*view.entity, "_available"]).is_not_null()))


def _static(name: str, view: FeatureView, lazy: pl.LazyFrame) -> pl.LazyFrame:
    rows = _known(view, lazy, [expression(sql, name).alias(column) for column, sql in view.columns.items()])
    repeated = rows.group_by(view.entity).len().filter(pl.col("len") > 1).sort(view.entity).collect()
    if repeated.height:
        example = ", ".join(str(value) for value in repeated.row(0)[:-1])
        raise InputError(
            f"Static view {name!r} has several rows for {repeated.height:,} of its entities (e.g. {example})",
            where=f"features.views.{name}",
            remedy="Make the entity unique in the table, or give the view an event_time",
        )
    return rows.rename({"_available": "valid_from"})


def _latest(name: str, view: FeatureView, lazy: pl.LazyFrame) -> pl.LazyFrame:
    """The newest observation that was known; one that arrives after a newer one is ignored."""
    columns = [expression(sql, name).alias(column) for column, sql in view.columns.items()]
    if view.key:
        frame = _versions(view, lazy, columns).collect()
        return newest_rows(name, view, frame, [*view.columns]).lazy()
    happened = as_utc(view.event_time or view.available or "").alias("_event")
    rows = _known(view, lazy, [*columns, happened]).filter(pl.col("_event").is_not_null())
    rows = rows.sort([*view.entity, "_available", "_event"], maintain_order=True)
    rows = rows.filter(pl.col("_event") >= pl.col("_event").cum_max().over(view.entity))
    rows = rows.with_columns(_moment(view))
    return rows.unique([*view.entity, "valid_from"], keep="last", maintain_order=True)


def _windows(name: str, view: FeatureView, lazy: pl.LazyFrame) -> pl.LazyFrame:
    """Aggregates over the rows that were available, as :mod:`core.features.windows` says."""
    columns = []
    for window, spec in view.windows.items():
        value = pl.lit(value=True) if spec.column is None else expression(spec.column, name)
        if lazy.select(value.alias("x")).collect_schema()["x"].is_float():
            value = value.fill_nan(None)
        columns.append(value.alias(f"_x_{window}"))
    return window_values(name, view, _versions(view, lazy, columns).collect()).lazy()


def _versions(view: FeatureView, lazy: pl.LazyFrame, columns: list[pl.Expr]) -> pl.LazyFrame:
    """Rows that can ever be used, sorted by entity, availability and own time.

    ``_until`` is when a newer row with the same key became available (of two that came together, the
    later one in the table wins); null where nothing corrects the row, or a part of its key is null.
    """
    known = availability(view).alias("_available")
    happened = as_utc(view.event_time or view.available or "").alias("_event")
    rows = lazy.select(*view.entity, *columns, known, happened, *(pl.col(k).alias(f"_k_{k}") for k in view.key))
    rows = rows.filter(pl.col("_available").is_not_null())
    until = pl.lit(None, UTC_TIME)
    if view.key:
        key = [f"_k_{k}" for k in view.key]
        rows = rows.sort("_available", maintain_order=True)
        newer = pl.col("_available").shift(-1).over(key)
        until = pl.when(pl.all_horizontal(pl.col(key).is_not_null())).then(newer)
    rows = rows.with_columns(until.alias("_until"), pl.col("_event").fill_null(pl.col("_available")))
    rows = rows.filter(pl.all_horizontal(pl.col(view.entity).is_not_null()))
    return rows.sort([*view.entity, "_available", "_event"], maintain_order=True)
