"""Leaks that can be seen in the project file alone, before any data is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from core.features.expressions import columns_read
from core.kernel.errors import Problem
from core.project.schema import FeatureView, Project


def static_leaks(project: Project) -> list[Problem]:
    """Every leak that the file itself shows; empty for a sound project.

    What depends on the data (a column known at a time that may or may not lie before the
    prediction) is found by :func:`core.features.leakage.leakage_report`.
    """
    return [
        *split_problems(project),
        *join_problems(project),
        *undeclared_columns(project),
        *target_reads(project),
        *window_problems(project),
        *derived_outcomes(project),
    ]


def request_reads(project: Project) -> list[tuple[str, str]]:
    """(column, place) for every event column that a request feature or a view's entity reads."""
    out = []
    for name, feature in project.features.request.items():
        where = f"features.request.{name}"
        out += [(column, where) for column in columns_read(feature.expression, where)]
    for name, view in project.features.views.items():
        out += [(column, f"features.views.{name}.entity") for column in view.entity]
    return out


def split_problems(project: Project) -> Iterator[Problem]:
    """A random split, or periods that overlap or run backwards."""
    split = project.split
    if split.method == "random":
        yield Problem(
            "A random split trains on rows from after the rows it is tested on",
            where="split.method",
            expected="time",
            remedy="Use method: time",
        )
    periods = [("train", split.train), ("validate", split.validate_), ("test", split.test)]
    if split.production is not None:
        periods.append(("production", split.production))
    for name, (start, end) in periods:
        if start >= end:
            yield Problem(f"The {name} period ends before it begins", where=f"split.{name}")
    for (before, first), (after, second) in pairwise(periods):
        if second[0] < first[1]:
            yield Problem(
                f"The {after} period begins before the {before} period has ended",
                where=f"split.{after}",
                expected=f"a start on {first[1]} or later",
            )


def join_problems(project: Project) -> Iterator[Problem]:
    """Views that would read the nearest or the next value instead of the last known one."""
    for name, view in project.features.views.items():
        if view.join != "backward":
            yield Problem(
                f"View {name!r} asks for a {view.join} join, which reads values from after the prediction",
                where=f"features.views.{name}.join",
                expected="backward",
                remedy="Use join: backward",
            )


def undeclared_columns(project: Project) -> Iterator[Problem]:
    """Columns that are read but do not say when they are known, or that are known only with the label."""
    declared = project.events.available
    for column, where in request_reads(project):
        if column not in declared:
            yield Problem(
                f"Column {column!r} does not say when it is known",
                where=where,
                remedy=f"Add {column!r} to events.available, or do not use it",
            )
        elif declared[column] == project.label.known_at:
            yield Problem(
                f"Column {column!r} is known only when the label is ({declared[column]})",
                where=where,
                remedy="Use its past values through a feature view with this availability",
            )


def target_reads(project: Project) -> Iterator[Problem]:
    """Request features that read what the label is made of."""
    target = set(columns_read(project.label.expression, "label.expression")) | {project.label.name}
    for name, feature in project.features.request.items():
        where = f"features.request.{name}"
        for column in columns_read(feature.expression, where):
            if column in target:
                yield Problem(
                    f"Feature {name!r} reads {column!r}, from which the label is made",
                    where=where,
                    remedy="Use its past values through a feature view",
                )


def window_problems(project: Project) -> Iterator[Problem]:
    """Views over the events that use a column from the event's time on, before it is known."""
    for name, view in project.features.views.items():
        if view.table != project.events.table or view.available not in (None, view.event_time):
            continue
        for column in view_reads(view, name):
            known = project.events.available.get(column, "not declared")
            if known not in ("always", view.event_time):
                yield Problem(
                    f"View {name!r} uses {column!r} from the event's time on, but it is known later ({known})",
                    where=f"features.views.{name}.available",
                    expected=known,
                    remedy=f"Set available: {known}",
                )


def derived_outcomes(project: Project) -> Iterator[Problem]:
    """Views over a table that was derived from outcomes, without a time from which each row is known."""
    target = outcome_columns(project)
    for name, view in project.features.views.items():
        table = project.tables.get(view.table)
        if table is None or view.table == project.events.table:
            continue
        waits = not view.static and (view.delay != "0s" or view.available not in (None, view.event_time))
        read = sorted(column for column in target if re.search(rf"\b{re.escape(column)}\b", table.sql))
        if read and not waits:
            yield Problem(
                f"View {name!r} uses {view.table!r} before the outcomes in it are known ({', '.join(read)})",
                where=f"features.views.{name}",
                expected="available: the time from which a row is known, or a delay",
                remedy="Use a view with windows over the events, which waits for each outcome",
            )


def outcome_columns(project: Project) -> list[str]:
    """The event columns from which the label is made, sorted."""
    return columns_read(project.label.expression, "label.expression")


def view_reads(view: FeatureView, name: str) -> list[str]:
    """The columns of its table that a view's features read, sorted."""
    texts = [*view.columns.values(), *(window.column for window in view.windows.values() if window.column)]
    return sorted({column for sql in texts for column in columns_read(sql, f"features.views.{name}")})
