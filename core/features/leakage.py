"""The leakage report: every way in which the future gets into a feature, tested and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl

from core.features.availability import early_view_rows, late_columns
from core.features.build import feature_names, labelled_requests, read_events, request_features
from core.features.expressions import as_utc
from core.features.records import LeakageReport, LeakTest
from core.features.static_leaks import (
    join_problems,
    request_reads,
    split_problems,
    target_reads,
    undeclared_columns,
    window_problems,
)
from core.features.views import view_values
from core.kernel.progress import Progress
from core.measures.classification import both_classes
from core.measures.leakage_stats import single_feature_auc, too_good
from core.project.schema import FeatureView, Project

TOO_GOOD = 0.85  # honest single features of real tables stay far below; an outcome column does not


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
    tests: list[tuple[str, Callable[[], LeakTest]]] = [
        ("availability", lambda: availability_test(project, events)),
        ("join direction", lambda: join_test(project, tables, events)),
        ("split", lambda: split_test(project, frame)),
        ("key overlap", lambda: key_test(project, frame)),
        ("target in feature", lambda: target_test(project, frame)),
        ("too good", lambda: too_good_test(project, frame)),
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
    detail = [*dict.fromkeys(undeclared)]
    for column, count in late.items():
        known = project.events.available.get(column, "not declared")
        users = ", ".join(dict.fromkeys(where for name, where in request_reads(project) if name == column))
        detail.append(f"{column} (read by {users}) is not known at the prediction in {count:,} rows (known at {known})")
    rows = max(late.values(), default=0)
    if not detail:
        return LeakTest(name="availability", passed=True, headline="Every column is known when it is used")
    culprits = ", ".join(late) or detail[0]
    headline = f"Used before it is known: {culprits} ({rows:,} of {events.height:,} rows)"
    return LeakTest(name="availability", passed=False, headline=headline, rows=rows, detail=detail)


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
    return LeakTest(name="join_direction", passed=False, headline=headline, rows=rows, detail=detail)


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


def split_test(project: Project, frame: pl.DataFrame) -> LeakTest:
    """Periods follow each other in time, and train labels were known before validation began."""
    detail = [problem.line() for problem in split_problems(project)]
    rows = frame.height if project.split.method == "random" else 0
    spans = {name: frame.filter(pl.col("split") == name)["prediction_time"] for name in ("train", "validate", "test")}
    for (before, first), (after, second) in pairwise((name, times) for name, times in spans.items() if times.len()):
        overlap = int((first >= second.min()).sum())
        if overlap:
            rows = max(rows, overlap)
            detail.append(f"{overlap:,} {before} rows are predicted after {after} has begun")
    if spans["train"].len() and spans["validate"].len():
        begun = spans["validate"].min()
        known_late = (pl.col("split") == "train") & pl.col("label").is_not_null() & (pl.col("label_known_at") > begun)
        count = int(frame.select(known_late.sum()).item())
        if count:
            rows = max(rows, count)
            detail.append(f"{count:,} train labels became known only after validation had begun")
    if not detail:
        return LeakTest(name="split", passed=True, headline="Train, validation and test follow each other in time")
    return LeakTest(name="split", passed=False, headline=detail[0], rows=rows, detail=detail)


def key_test(project: Project, frame: pl.DataFrame) -> LeakTest:
    """No event occurs in two splits."""
    key = project.events.key
    inside = frame.filter(pl.col("split") != "none")
    shared = inside.group_by(key).agg(pl.col("split").n_unique().alias("splits"), pl.len().alias("rows"))
    shared = shared.filter(pl.col("splits") > 1).sort(key)
    if not shared.height:
        return LeakTest(name="key_overlap", passed=True, headline="No event is in two splits")
    rows = int(shared["rows"].sum())
    return LeakTest(
        name="key_overlap",
        passed=False,
        headline=f"{shared.height:,} events are in more than one split ({', '.join(key)})",
        rows=rows,
        detail=[" ".join(str(value) for value in row[: len(key)]) for row in shared.head(10).iter_rows()],
    )


def target_test(project: Project, frame: pl.DataFrame) -> LeakTest:
    """No feature reads what the label is made of, nor equals the label."""
    detail = [problem.line() for problem in target_reads(project)]
    culprits = [problem.where.rsplit(".", 1)[-1] for problem in target_reads(project)]
    labelled = frame.filter(pl.col("label").is_not_null())
    rows = labelled.height if detail else 0
    for name in feature_names(project):
        if name not in frame.columns or not labelled[name].dtype.is_numeric() or name in culprits:
            continue
        both = labelled.filter(pl.col(name).is_not_null() & pl.col(name).cast(pl.Float64).is_not_nan())
        value, label = both[name].cast(pl.Float64), both["label"].cast(pl.Float64)
        if both.height and ((value == label).all() or (value == 1 - label).all()):
            culprits.append(name)
            rows = max(rows, both.height)
            detail.append(f"{name} equals the label in all {both.height:,} rows that have it")
    if not detail:
        return LeakTest(name="target_in_feature", passed=True, headline="No feature is made of the label")
    headline = f"Made of the label: {', '.join(dict.fromkeys(culprits))}"
    return LeakTest(name="target_in_feature", passed=False, headline=headline, rows=rows, detail=detail)


def too_good_test(project: Project, frame: pl.DataFrame) -> LeakTest:
    """No single feature ranks the label of the train split as only an outcome can."""
    train = frame.filter((pl.col("split") == "train") & pl.col("label").is_not_null())
    label = train["label"].cast(pl.Boolean)
    if not train.height or not both_classes(label.to_numpy()):
        return LeakTest(name="too_good", passed=False, headline="Not tested: the train split has no two classes")
    detail, culprits, best = [], [], ("", 0.5)
    for name in [name for name in feature_names(project) if name in frame.columns]:
        single = single_feature_auc(train[name], label, feature=name)
        auc = max(single.auc, single.null_indicator_auc)
        best = max(best, (name, auc), key=lambda item: item[1])
        if auc > TOO_GOOD:  # the permutations cost: only for a suspect
            verdict = too_good(train[name], label, feature=name, limit=TOO_GOOD)
            if verdict.suspicious:
                culprits.append(name)
                detail.append(f"{name}: {verdict.reason} (p = {verdict.p_value:.3f})")
    if not detail:
        headline = f"The best single feature is {best[0]} with AUC {best[1]:.3f}"
        return LeakTest(name="too_good", passed=True, headline=headline)
    headline = f"Too good to be true: {', '.join(culprits)}"
    return LeakTest(name="too_good", passed=False, headline=headline, rows=train.height, detail=detail)


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
    return LeakTest(name="window_time", passed=False, headline=headline, rows=rows, detail=detail)


def _request_frame(project: Project, events: pl.DataFrame) -> pl.DataFrame:
    frame = labelled_requests(project, events)
    return frame.with_columns(request_features(project, frame))
