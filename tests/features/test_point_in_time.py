"""Views and as-of look-ups against a slow reference that cannot see the future by its very form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.features.asof import look_up
from core.features.views import view_values
from core.kernel.errors import InputError
from core.project.schema import FeatureView, Window

START = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = 60

rows_strategy = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.integers(0, 12 * HOUR),  # happened, minutes
        st.one_of(st.none(), st.integers(0, 5 * HOUR)),  # known so much later
        st.one_of(st.none(), st.integers(-5, 5)),
    ),
    max_size=25,
    unique_by=lambda row: (row[0], row[1]),
)
requests_strategy = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 30 * HOUR)), max_size=15)
Rows = list[tuple[str | None, int, int | None, int | None]]
Requests = list[tuple[str | None, int]]


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def table_of(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "who": [row[0] for row in rows],
            "happened": [at(row[1]) for row in rows],
            "known": [None if row[2] is None else at(row[1] + row[2]) for row in rows],
            "x": [row[3] for row in rows],
        },
        schema={
            "who": pl.String,
            "happened": pl.Datetime("us", "UTC"),
            "known": pl.Datetime("us", "UTC"),
            "x": pl.Int64,
        },
    )


def asked(requests: Requests) -> pl.DataFrame:
    return pl.DataFrame(
        {"who": [who for who, _ in requests], "t": [at(minutes) for _, minutes in requests]},
        schema={"who": pl.String, "t": pl.Datetime("us", "UTC")},
    )


def answers(view: FeatureView, rows: Rows, requests: Requests) -> list[dict[str, object]]:
    values = view_values("view", view, table_of(rows).lazy()).collect()
    return look_up(asked(requests), values, "view", view, "t").to_dicts()


@settings(max_examples=150, deadline=None)
@given(rows_strategy, requests_strategy)
def test_windows_equal_the_reference(rows: Rows, requests: Requests) -> None:
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        available="known",
        refresh="1h",
        windows={
            "n": Window(function="count", over="3h"),
            "n_x": Window(function="count", column="x", over="90m"),
            "total": Window(function="sum", column="x", over="3h"),
            "share": Window(function="mean", column="x > 0", over="6h"),
        },
    )
    for (who, minutes), got in zip(requests, answers(view, rows, requests), strict=True):
        assert got == reference_windows(rows, who, minutes // HOUR * HOUR)


def reference_windows(rows: Rows, who: str | None, hour: int) -> dict[str, object]:
    known = [(row[1] + row[2], row[3]) for row in rows if row[0] == who and row[2] is not None and who is not None]
    if not any(known_at <= hour for known_at, _ in known):
        return {"n": None, "n_x": None, "total": None, "share": None}

    def inside(over: int) -> list[int | None]:
        return [x for known_at, x in known if hour - over < known_at <= hour]

    signs = [x > 0 for x in inside(6 * HOUR) if x is not None]
    return {
        "n": len(inside(3 * HOUR)),
        "n_x": len([x for x in inside(90) if x is not None]),
        "total": sum(x for x in inside(3 * HOUR) if x is not None),
        "share": sum(signs) / len(signs) if signs else None,
    }


@settings(max_examples=150, deadline=None)
@given(rows_strategy, requests_strategy, st.booleans())
def test_latest_equals_the_reference(rows: Rows, requests: Requests, hourly: bool) -> None:
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        available="known",
        delay="30m",
        tolerance="4h",
        refresh="1h" if hourly else None,
        columns={"doubled": "2 * x"},
    )
    for (who, minutes), got in zip(requests, answers(view, rows, requests), strict=True):
        assert got["doubled"] == reference_latest(rows, who, minutes, hourly)


def reference_latest(rows: Rows, who: str | None, minutes: int, hourly: bool) -> int | None:
    usable = []
    for owner, happened, later, x in rows:
        if owner == who and owner is not None and later is not None:
            valid = happened + later + 30
            valid = -(-valid // HOUR) * HOUR if hourly else valid
            usable.append((happened, valid, x))
    usable = [row for row in usable if row[1] <= minutes]
    if not usable:
        return None
    _, valid, x = max(usable)
    return None if x is None or minutes - valid > 4 * HOUR else 2 * x


def test_static_values_hold_always_and_repeats_are_refused() -> None:
    view = FeatureView(table="t", entity=["who"], static=True, columns={"x": "x"})
    assert answers(view, [("a", 0, 0, 7)], [("a", 5), ("b", 5), (None, 5)]) == [{"x": 7}, {"x": None}, {"x": None}]
    with pytest.raises(InputError, match="several rows for 1 of its entities"):
        answers(view, [("a", 0, 0, 7), ("a", 1, 0, 8)], [("a", 5)])


def test_look_ups_that_see_the_future_are_refused_by_name() -> None:
    view = FeatureView(table="t", entity=["who"], event_time="happened", join="nearest", columns={"x": "x"})
    with pytest.raises(InputError, match="nearest join"):
        answers(view, [("a", 0, 0, 7)], [("a", 5)])


def test_a_view_that_does_not_fit_its_table_lists_every_missing_column() -> None:
    view = FeatureView(table="t", entity=["whom"], event_time="then", columns={"x": "y + z"})
    with pytest.raises(InputError) as caught:
        answers(view, [], [])
    assert len(caught.value.problems) == 4


def test_empty_tables_give_nulls() -> None:
    view = FeatureView(
        table="t", entity=["who"], event_time="happened", windows={"n": Window(function="count", over="1h")}
    )
    assert answers(view, [], [("a", 5)]) == [{"n": None}]


def test_an_entity_of_another_type_is_said_and_not_guessed() -> None:
    view = FeatureView(table="t", entity=["who"], event_time="happened", columns={"x": "x"})
    values = view_values("view", view, table_of([("a", 0, 0, 7)]).lazy()).collect()
    rows = pl.DataFrame({"who": [1], "t": [at(5)]})
    with pytest.raises(InputError) as caught:
        look_up(rows, values, "view", view, "t")
    assert caught.value.problems[0].what == "'who' is Int64 among the events and String in 't'"
