"""Was it known? Columns against their declared availability, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from core.features.expressions import as_utc
from core.features.static_leaks import request_reads, view_reads
from core.features.views import availability
from core.kernel.errors import Problem
from core.project.schema import Project


def late_columns(project: Project, events: pl.DataFrame) -> dict[str, int]:
    """For each column that a request reads: rows whose value was not yet known at the prediction.

    A value whose availability time is null counts as not known. Undeclared columns count all
    their values.
    """
    at = as_utc(project.events.prediction_time)
    out: dict[str, int] = {}
    for column in dict.fromkeys(column for column, _ in request_reads(project)):
        known = project.events.available.get(column)
        if known == "always":
            continue
        has = pl.col(column).is_not_null()
        late = has if known is None else has & (as_utc(known) > at).fill_null(value=True)
        count = events.select(late.sum()).item()
        if count:
            out[column] = count
    return out


def availability_problems(project: Project, events: pl.DataFrame) -> Iterator[Problem]:
    """Each column that is used before it is known, by name and with the count of rows."""
    late = late_columns(project, events)
    for column, where in request_reads(project):
        known = project.events.available.get(column)
        if column in late and known is not None:
            yield Problem(
                f"Column {column!r} is not known at the prediction in {late[column]:,} of {events.height:,} rows"
                f" (known at {known})",
                where=where,
                remedy="Remove it, or use its past values through a feature view",
            )


def early_view_rows(project: Project, events: pl.DataFrame) -> dict[tuple[str, str], int]:
    """(view, column) of views over the events: rows that the view would use before the column is known."""
    out = {}
    for name, view in project.features.views.items():
        if view.table != project.events.table:
            continue
        for column in view_reads(view, name):
            known = project.events.available.get(column)
            if known == "always" or column not in events.columns:
                continue
            early = pl.lit(value=True) if known is None else availability(view) < as_utc(known)
            count = events.select((pl.col(column).is_not_null() & early.fill_null(value=False)).sum()).item()
            if count:
                out[name, column] = count
    return out
