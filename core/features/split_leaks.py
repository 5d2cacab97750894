"""Leak tests of the rows: time runs forward, and no event, near copy or group is on both sides of the split."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl

from core.features.leak_data import LATER, LeakData
from core.features.records import LeakTest
from core.kernel.errors import Problem
from core.measures.leakage_stats import group_gain
from core.measures.near_duplicates import near_duplicates


def split_test(frame: pl.DataFrame, problems: list[Problem], method: str) -> LeakTest:
    """Periods follow each other in time, and train labels were known before validation began."""
    detail = [problem.line() for problem in problems]
    rows = frame.height if method == "random" else 0
    spans = {name: frame.filter(pl.col("split") == name)["prediction_time"] for name in ("train", *LATER)}
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
    return LeakTest(
        name="split",
        passed=False,
        headline=detail[0],
        rows=rows,
        detail=detail,
        remedy="Use method: time, with periods that end before the next begins",
    )


def time_order_test(frame: pl.DataFrame) -> LeakTest:
    """Each prediction is made before its event is over and before its outcome is known."""
    labelled = pl.col("label").is_not_null()
    after, known = frame.select(
        (pl.col("prediction_time") > pl.col("event_time")).sum().alias("after"),
        (labelled & (pl.col("label_known_at") < pl.col("prediction_time"))).sum().alias("known"),
    ).row(0)
    detail = []
    if after:
        detail.append(f"{after:,} predictions are made after their event (prediction_time after the event's time)")
    if known:
        detail.append(f"{known:,} labels were known before their prediction was made")
    if not detail:
        return LeakTest(name="time_order", passed=True, headline="Every prediction comes before its outcome")
    return LeakTest(
        name="time_order",
        passed=False,
        headline=detail[0],
        rows=max(after, known),
        columns=["prediction_time"],
        detail=detail,
        remedy="Correct events.prediction_time, or label.known_at, for these rows",
    )


def key_test(frame: pl.DataFrame, key: list[str]) -> LeakTest:
    """No event occurs in two splits."""
    inside = frame.lazy().filter(pl.col("split") != "none").select("split", *key)
    passed = LeakTest(name="key_overlap", passed=True, headline="No event is in two splits")
    one = pl.col(key[0]) if len(key) == 1 else pl.struct(key)
    distinct, height = inside.select(one.n_unique().alias("distinct"), pl.len().alias("rows")).collect().row(0)
    if distinct == height:
        return passed
    shared = inside.group_by(key).agg(pl.col("split").n_unique().alias("splits"), pl.len().alias("rows"))
    found = shared.filter(pl.col("splits") > 1).sort(key).collect()
    if not found.height:
        return passed
    return LeakTest(
        name="key_overlap",
        passed=False,
        headline=f"{found.height:,} events are in more than one split ({', '.join(key)})",
        rows=int(found["rows"].sum()),
        columns=list(key),
        detail=[" ".join(str(value) for value in row[: len(key)]) for row in found.head(10).iter_rows()],
        remedy="Keep each event once: look for a join that repeats rows",
    )


def near_duplicate_test(data: LeakData, key: list[str]) -> LeakTest:
    """Rows of validation and test have no more twins in train than the table repeats anyway."""
    columns = [name for name in data.features if name not in key]
    train = data.frame.filter(pl.col("split") == "train")
    later = data.frame.filter(pl.col("split").is_in(LATER))
    if not columns or not train.height or not later.height:
        return LeakTest(name="near_duplicates", passed=True, headline="There are no rows on both sides to compare")
    found = near_duplicates(train.select(columns), later.select(columns))
    against = f"{found.share:.1%} of later rows have a single twin in train; {found.expected:.1%} are expected"
    if not found.suspicious:
        return LeakTest(name="near_duplicates", passed=True, headline=against)
    return LeakTest(
        name="near_duplicates",
        passed=False,
        headline=f"Nearly the same rows in train and later: {found.found:,} of {found.rows:,} looked at",
        rows=found.found,
        columns=columns,
        detail=[against, *(" ".join(map(str, row)) for row in later[found.examples].select(key).iter_rows())],
        remedy="Look for copied or resampled rows, and drop them before the split",
    )


def group_test(data: LeakData) -> LeakTest:
    """No group that the project declares is in train and in a later period; what knowing it gains is measured."""
    if not data.groups.width:
        return LeakTest(name="groups", passed=True, headline="No groups are declared (split.groups)")
    train, later = data.rows("train"), data.rows(*LATER)
    known = np.isfinite(data.label)
    detail, culprits, rows = [], [], 0
    for group in data.groups.get_columns():
        both = group.filter(pl.Series(train)).drop_nulls().unique()
        here = later & group.is_in(both.implode()).fill_null(value=False).to_numpy()
        if not here.any():
            continue
        culprits.append(group.name)
        rows = max(rows, int(here.sum()))
        shared = group.filter(pl.Series(here)).n_unique()
        detail.append(f"{shared:,} values of {group.name} are in train and in {int(here.sum()):,} later rows")
        first, second = pl.Series(train & known), pl.Series(here & known)
        labels = data.frame["label"]
        if not labels.dtype.is_integer():
            continue  # what a group gains is measured by ranking two classes
        gain = group_gain(group.filter(first), labels.filter(first), group.filter(second), labels.filter(second))
        detail += (
            [] if gain is None else [f"{group.name}: its rate in train ranks later rows {gain:+.3f} AUC over chance"]
        )
    if not detail:
        return LeakTest(name="groups", passed=True, headline="No declared group is on both sides of the split")
    return LeakTest(
        name="groups",
        passed=False,
        headline=f"On both sides of the split: {', '.join(culprits)} ({rows:,} later rows)",
        rows=rows,
        columns=culprits,
        detail=detail,
        remedy="Leave the groups of train out of the later periods (filter the events table), or drop them from groups",
    )
