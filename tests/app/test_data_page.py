"""What the data page makes of the answers: frames and charts, and the page with its fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from app.pages.data.changes import changes_frame
from app.pages.data.checks import checks_frame, examples_frame, history_chart
from app.pages.data.model import matching
from app.pages.data.profile import shape_of

DAYS = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2, 3)]


def test_a_filter_finds_all_words_in_any_column() -> None:
    frame = pl.DataFrame(
        {"table": ["flights", "weather"], "description": ["one row a Departure", None], "rows": [1, 2]}
    )
    assert matching(frame, "").height == 2
    assert matching(frame, "departure FLIGHTS")["table"].to_list() == ["flights"]
    assert matching(frame, "departure weather").is_empty()
    assert matching(frame, "(").is_empty()  # text, not a pattern


def test_checks_stand_with_the_worst_first_and_shares() -> None:
    results = [
        {"name": "fine", "passed": True, "severity": "fail", "columns": ["a"], "rows": 10, "failed": 0},
        {"name": "soft", "passed": False, "severity": "warn", "columns": [], "rows": 10, "failed": 1},
        {"name": "hard", "passed": False, "severity": "fail", "columns": ["a", "b"], "rows": 8, "failed": 2},
    ]
    frame = checks_frame({"results": results})
    assert frame["state"].to_list() == ["failed", "warned", "passed"]
    assert frame["share"].to_list() == [0.25, 0.1, 0.0]
    assert frame["about"].to_list() == ["a, b", "table", "a"]


def test_failing_rows_show_key_and_values() -> None:
    examples = [{"row": 7, "key": {"id": "x"}, "values": {"speed": "1048", "gone": None}}]
    frame = examples_frame({"examples": examples})
    assert frame.columns == ["row", "id", "speed", "gone"]
    assert frame.row(0) == (7, "x", "1048", "–")
    assert examples_frame({}).is_empty()


def test_a_history_draws_the_value_with_its_bounds_else_the_share() -> None:
    base = {"created_at": DAYS, "share": [0.0, 0.01, 0.5]}
    none = pl.Series([None] * 3, dtype=pl.Float64)
    shares = history_chart("nulls", pl.DataFrame({**base, "value": none, "low": none, "high": none}))
    assert shares.y_title == "rows failing, %"
    assert shares.series[0].y.tolist() == [0.0, 1.0, 50.0]
    bounded = history_chart(
        "rows", pl.DataFrame({**base, "value": [5.0, 6.0, 9.0], "low": [4.0] * 3, "high": [7.0] * 3})
    )
    assert [one.name for one in bounded.series] == ["observed", "low", "high"]
    assert not history_chart("once", pl.DataFrame(base).head(1)).series


def test_changes_name_each_column_once_the_schema_first() -> None:
    diff = {
        "columns_added": ["new"],
        "columns_removed": ["old"],
        "retyped": {"t": ("int", "text")},
        "cells": [{"name": "few", "cells": 1}, {"name": "quiet", "cells": 9}],
    }
    moved = [("new", "added", "new"), ("alone", "changed", "3 new values"), ("few", "changed", "mean +0.2 sd")]
    shapes = {"columns": [{"name": n, "state": s, "says": w} for n, s, w in [*moved, ("still", "same", "")]]}
    frame = changes_frame(diff, shapes)
    assert frame["column"].to_list() == ["new", "old", "t", "alone", "few", "quiet"]
    assert frame["says"].to_list() == ["", "", "was int, is text", "3 new values", "mean +0.2 sd", ""]
    assert frame["cells"].to_list() == [None, None, None, None, 1, 9]


def test_two_histograms_are_densities_that_compare() -> None:
    now = {"name": "x", "histogram": {"edges": [0.0, 1.0, 2.0], "counts": [10, 30]}}
    before = {"histogram": {"edges": [0.0, 4.0], "counts": [4]}}
    chart = shape_of(now, before)
    assert [one.name for one in chart.series] == ["this snapshot", "the one before"]
    assert np.allclose(chart.series[0].y, [0.25, 0.75])
    assert np.allclose(chart.series[1].y, [0.25])
    assert shape_of(now, None).y_title == "rows"


def test_times_of_a_history_are_short() -> None:
    near = [DAYS[0], DAYS[0] + timedelta(seconds=61)]
    assert history_chart("c", pl.DataFrame({"created_at": near, "share": [0.0, 0.0]})).labels == [
        "00:00:00",
        "00:01:01",
    ]
    far = pl.DataFrame({"created_at": DAYS[:2], "share": [0.0, 0.0]})
    assert history_chart("c", far).labels == ["11-01 00:00", "11-02 00:00"]
