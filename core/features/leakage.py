"""The leakage report: every way in which the future gets into a feature, tested and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl

from core.features.availability import early_view_rows, late_columns
from core.features.build import labelled_requests, read_events, request_features
from core.features.expressions import as_utc
from core.features.leak_data import leak_data
from core.features.outcome_leaks import encoding_test, fitted_test, missing_test, target_test, too_good_test
from core.features.records import LeakageReport, LeakTest
from core.features.split_leaks import group_test, key_test, near_duplicate_test, split_test, time_order_test
from core.features.static_leaks import (
    derived_outcomes,
    join_problems,
    request_reads,
    split_problems,
    target_reads,
    undeclared_columns,
    window_problems,
)
from core.features.views import view_values
from core.kernel.progress import Progress
from core.project.schema import FeatureView, Project


def leakage_report(
    project: Project, tables: dict[str, Path], training_set: Path | None, progress: Progress
) -> LeakageReport:
    """Run all leak tests.

    Args:
        tables: a Parquet file for each table that events and views name.
        training_set: what :func:`~core.features.build.build_training_set` wrote. Without it (a
            leaking project builds none) the tests run on the events and the request features.

    Raises:
        InputError: when the project does not fit its tables.
    """
    events = read_events(project, tables)
    frame = _request_frame(project, events) if training_set is None else pl.read_parquet(training_set)
    data, key = leak_data(project, frame, events), project.events.key
    tests: list[tuple[str, Callable[[], LeakTest]]] = [
        ("availability", lambda: availability_test(project, events)),
        ("join direction", lambda: join_test(project, tables, events)),
        ("split", lambda: split_test(frame, list(split_problems(project)), project.split.method)),
        ("time order", lambda: time_order_test(frame)),
        ("key overlap", lambda: key_test(frame, key)),
        ("near duplicates", lambda: near_duplicate_test(data, key)),
        ("groups", lambda: group_test(data)),
        ("target in feature", lambda: target_test(data, list(target_reads(project)))),
        ("too good", lambda: too_good_test(data)),
        ("missingness", lambda: missing_test(data)),
        ("target encoding", lambda: encoding_test(data)),
        ("fitted on all", lambda: fitted_test(data)),
        ("window time", lambda: window_test(project, events)),
    ]
    results = []
    for done, (name, test) in enumerate(tests):
        progress.check()
        progress.step(done, len(tests), f"Leak test: {name}")
        results.append(test())
    progress.step(len(tests), len(tests), "Leak tests done")
    return LeakageReport(rows=events.height, tests=results)


def availability_test(project: Project, events: pl.DataFrame) -> LeakTest:
    """Every column that a request reads is declared, and known by the prediction in all rows."""
    late = late_columns(project, events)
    undeclared = [problem.line() for problem in undeclared_columns(project) if "does not say" in problem.what]
    derived = list(derived_outcomes(project))
    detail = [*dict.fromkeys(undeclared), *(problem.line() for problem in derived)]
    for column, count in late.items():
        known = project.events.available.get(column, "not declared")
        users = ", ".join(dict.fromkeys(where for name, where in request_reads(project) if name == column))
        detail.append(f"{column} (read by {users}) is not known at the prediction in {count:,} rows (known at {known})")
    rows = max(late.values(), default=events.height if derived else 0)
    if not detail:
        return LeakTest(name="availability", passed=True, headline="Every column is known when it is used")
    culprits = [*late, *(problem.where.rsplit(".", 1)[-1] for problem in derived)]
    headline = f"Used before it is known: {', '.join(culprits) or detail[0]} ({rows:,} of {events.height:,} rows)"
    return LeakTest(
        name="availability",
        passed=False,
        headline=headline,
        rows=rows,
        columns=culprits,
        detail=detail,
        remedy="Remove them, or use their past values through a feature view",
    )


def join_test(project: Project, tables: dict[str, Path], events: pl.DataFrame) -> LeakTest:
    """No view joins the nearest or next value; the rows that would see the future are counted."""
    detail, rows, names = [], 0, []
    for problem in join_problems(project):
        name = problem.where.split(".")[2]
        view = project.features.views[name]
        count = future_rows(project, name, view, tables[view.table], events)
        rows = max(rows, count)
        names.append(f"{name} ({view.join})")
        detail.append(f"{problem.what}: {count:,} of {events.height:,} rows would see the future")
    if not detail:
        return LeakTest(name="join_direction", passed=True, headline="Every view looks backward only")
    headline = f"{', '.join(names)}: {rows:,} rows would see the future"
    return LeakTest(
        name="join_direction", passed=False, headline=headline, rows=rows, detail=detail, remedy="Use join: backward"
    )


def future_rows(project: Project, name: str, view: FeatureView, table: Path, events: pl.DataFrame) -> int:
    """Rows for which the view's join picks a value that was not yet known.

    Of two values equally near, the earlier one is taken: the count is the leak's least size.
    """
    at = as_utc(project.events.prediction_time).alias("_at")
    rows = events.lazy().select(*view.entity, at).drop_nulls().sort("_at")
    times = view_values(name, view, table).select("valid_from", *view.entity).sort("valid_from")
    for strategy in ("backward", "forward"):
        rows = rows.join_asof(
            times.rename({"valid_from": strategy}),
            left_on="_at",
            right_on=strategy,
            by=view.entity,
            strategy=strategy,
            coalesce=False,
            check_sortedness=False,
        )
    ahead, behind = pl.col("forward") - pl.col("_at"), pl.col("_at") - pl.col("backward")
    future = ahead > timedelta(0)
    if view.join == "nearest":
        future = future & (behind.is_null() | (ahead < behind))
    return int(rows.select(future.sum()).collect().item())


def window_test(project: Project, events: pl.DataFrame) -> LeakTest:
    """Views over the events wait until each column they use is known."""
    detail = [problem.line() for problem in window_problems(project)]
    early = early_view_rows(project, events)
    rows = max(early.values(), default=0)
    culprits = list(dict.fromkeys(name for name, _ in early)) or [problem.where for problem in window_problems(project)]
    for (name, column), count in early.items():
        known = project.events.available.get(column, "not declared")
        detail.append(f"{name} would use {column} in {count:,} rows before it is known ({known})")
    if not detail:
        return LeakTest(name="window_time", passed=True, headline="Past outcomes are used only once they are known")
    headline = f"{', '.join(culprits)}: past outcomes used before they are known ({rows:,} rows)"
    return LeakTest(
        name="window_time",
        passed=False,
        headline=headline,
        rows=rows,
        columns=culprits,
        detail=detail,
        remedy="Set available to the column that says when each outcome is known",
    )


def _request_frame(project: Project, events: pl.DataFrame) -> pl.DataFrame:
    frame = labelled_requests(project, events)
    return frame.with_columns(request_features(project, frame))
