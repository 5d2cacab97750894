"""Every window function against plain loops: ties, nulls, late rows, corrections, both clocks, any refresh."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.features.asof import look_up
from core.features.lives import Clock
from core.features.views import values_by_time, view_values
from core.kernel.errors import InputError
from core.project.schema import FeatureView, Window

from .brute import Row, alive, at, current, refreshed, same, table_of, window_value

HOUR = 60
steps = st.integers(0, 40).map(lambda n: n * 15)  # a coarse grid, so that times tie
late = st.one_of(st.none(), st.just(0), st.just(0), st.integers(0, 30).map(lambda n: n * 15), st.integers(0, 500))
numbers = st.one_of(st.none(), st.just(math.nan), st.sampled_from([0.1, 1e9, -3.0]), st.floats(-1e6, 1e6, width=32))


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", None]),
                st.one_of(st.none(), st.integers(0, 6)),
                steps,
                late,
                numbers,
                st.one_of(st.none(), st.integers(-3, 3)),
                st.one_of(st.none(), st.sampled_from("pqr")),
            ),
            max_size=25,
        )
    )
    return [Row(r[0], r[1], r[2], None if r[3] is None else r[2] + r[3], *r[4:]) for r in rows]


requests_strategy = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 30 * HOUR)), max_size=12)
overs = st.sampled_from(["15m", "1h", "100m", "3h", "1d"])


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Window]:
    any_over = st.one_of(st.none(), overs)
    made = [
        Window(function="count", over=draw(overs)),
        Window(function="count", column="text", over=draw(overs)),
        Window(function="sum", column="whole", over=draw(overs)),
        Window(function="sum", column="x", over=draw(overs)),
        Window(function="mean", column="x", over=draw(overs)),
        Window(function="mean", column="whole > 0", over=draw(overs)),
        Window(function="rate", over=draw(overs), per="1h"),
        Window(function="rate", column="x", over=draw(overs), per="30m"),
        Window(function="rate", column="whole > 0", over=draw(overs)),
        Window(function="distinct", column="text", over=draw(overs)),
        Window(function="distinct", column="whole", over=draw(overs)),
        Window(function="last", column="text", over=draw(any_over)),
        Window(function="min", column="x", over=draw(overs)),
        Window(function="max", column="whole", over=draw(overs)),
        Window(function="std", column="x", over=draw(overs)),
        Window(function="since", over=draw(overs)),
        Window(function="since", column="whole > 0", over=draw(overs)),
        Window(function="lag", column="x", n=draw(st.integers(1, 4)), over=draw(any_over)),
        Window(function="lag", column="whole", n=2),
    ]
    return {f"w{number}": made[number] for number in sorted(draw(st.sets(st.integers(0, 18), min_size=1)))}


@settings(max_examples=150, deadline=None)
@given(
    tables(),
    requests_strategy,
    windows(),
    st.sampled_from(["1h", "5m", "3h"]),
    st.booleans(),
    st.sampled_from(["available", "event"]),
)
def test_every_window_equals_the_plain_loops(
    rows: list[Row],
    requests: list[tuple[str | None, int]],
    chosen: dict[str, Window],
    every: str,
    keyed: bool,
    clock: str,
) -> None:
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        available="known",
        refresh=every,
        key=["key"] if keyed else [],
        clock=clock,  # type: ignore[arg-type]
        windows=chosen,
    )
    answers = asked(view, rows, requests)
    scale = max([1.0, *(abs(row.x) for row in rows if row.x is not None and not math.isnan(row.x))])
    for (who, minute), got in zip(requests, answers, strict=True):
        instant = refreshed(view, minute)
        for name, spec in chosen.items():
            known = alive(view, rows, who, instant)
            wanted = window_value(view, spec, rows, who, instant) if known else None
            assert same(got[name], wanted, scale * len(rows)), (name, spec, who, instant)


def asked(view: FeatureView, rows: list[Row], requests: list[tuple[str | None, int]]) -> list[dict[str, object]]:
    frame = pl.DataFrame(
        {"who": [who for who, _ in requests], "t": [at(minute) for _, minute in requests]},
        schema={"who": pl.String, "t": pl.Datetime("us", "UTC")},
    )
    found = look_up(frame, view_values("view", view, table_of(rows).lazy()).collect(), "view", view, "t")
    assert found.height == len(requests)
    return found.to_dicts()


@settings(max_examples=60, deadline=None)
@given(tables(), requests_strategy, st.sampled_from([None, "1h"]))
def test_a_correction_wins_from_when_it_is_known(
    rows: list[Row], requests: list[tuple[str | None, int]], every: str | None
) -> None:
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        available="known",
        refresh=every,
        key=["key"],
        columns={"x2": "2 * whole", "text": "text"},
    )
    for (who, minute), got in zip(requests, asked(view, rows, requests), strict=True):
        newest = current(view, rows, who, refreshed(view, minute))
        wanted = newest[-1] if newest else None
        doubled = None if wanted is None or wanted.whole is None else 2 * wanted.whole
        assert got == {"x2": doubled, "text": wanted.text if wanted else None}


def test_one_event_three_times_counts_once_with_its_newest_value() -> None:
    rows = [Row("a", 7, 0, known, None, value, None) for known, value in ((0, 10), (60, 20), (120, 30))]
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        available="known",
        refresh="1m",
        key=["key"],
        windows={
            "total": Window(function="sum", column="whole", over="1d"),
            "n": Window(function="count", over="1d"),
            "top": Window(function="max", column="whole", over="1d"),
        },
    )
    answers = asked(view, rows, [("a", 0), ("a", 59), ("a", 60), ("a", 200), ("a", 120 + 1440)])
    assert [(item["total"], item["n"], item["top"]) for item in answers] == [
        (10, 1, 10),
        (10, 1, 10),
        (20, 1, 20),
        (30, 1, 30),
        (0, 0, None),
    ]


def test_a_late_row_enters_when_it_is_known_and_ages_by_the_clock_that_is_asked_for() -> None:
    rows = [Row("a", None, 0, 300, 1.0, None, None)]  # five hours late

    def counts(clock: str) -> list[object]:
        view = FeatureView(
            table="t",
            entity=["who"],
            event_time="happened",
            available="known",
            refresh="1h",
            clock=clock,  # type: ignore[arg-type]
            windows={"two": Window(function="count", over="2h"), "day": Window(function="count", over="1d")},
        )
        return [(got["two"], got["day"]) for got in asked(view, rows, [("a", 299), ("a", 300), ("a", 420)])]

    assert counts("available") == [(None, None), (1, 1), (0, 1)]
    assert counts("event") == [(None, None), (0, 1), (0, 1)]


def test_sums_keep_their_digits_after_a_huge_value() -> None:
    rows = [Row("a", None, 60 * n, 60 * n, value, None, None) for n, value in enumerate([1e17, 0.1, 0.2, 0.3])]
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        refresh="1h",
        windows={"total": Window(function="sum", column="x", over="2h")},
    )
    assert asked(view, rows, [("a", 120)])[0]["total"] == 0.1 + 0.2
    assert asked(view, rows, [("a", 180)])[0]["total"] == 0.2 + 0.3


def test_what_a_function_cannot_take_is_said_with_its_place() -> None:
    for function, column, word in (
        ("mean", "text", "String"),
        ("rate", "x", "share of true"),
        ("max", "happened", "Date"),
    ):
        view = FeatureView(
            table="t",
            entity=["who"],
            event_time="happened",
            refresh="1h",
            windows={"w": Window(function=function, column=column, over="1h")},  # type: ignore[arg-type]
        )
        with pytest.raises(InputError, match=word) as caught:
            view_values("view", view, table_of([Row("a", 1, 0, 0, 1.0, 1, "p")]).lazy()).collect()
        assert caught.value.where == "features.views.view.windows.w"


def test_a_time_since_at_each_second_of_a_year_is_refused() -> None:
    rows = [Row("a", None, 0, 0, None, None, None), Row("b", None, 0, 0, None, None, None)]
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        refresh="1s",
        windows={"w": Window(function="since", over="365d")},
    )
    with pytest.raises(InputError, match="63,072,000 values"):
        view_values("view", view, table_of(rows).lazy()).collect()


def test_codes_grow_by_entity_and_time() -> None:
    clock = Clock(60_000_000, first=-5, span=100)
    assert clock.time_us(clock.code(3, -5)) == -300_000_000  # type: ignore[arg-type]
    assert clock.group(clock.code(3, 94)) == 3  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(tables(), requests_strategy, st.sampled_from([None, "1h"]), st.booleans(), st.booleans())
def test_joins_by_time_find_what_the_sorted_values_say(
    rows: list[Row], requests: list[tuple[str | None, int]], every: str | None, delayed: bool, in_order: bool
) -> None:
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        available="known" if delayed else None,
        refresh=every,
        columns={"whole": "whole", "text": "text"},
    )
    lazy = table_of(rows).lazy()
    frame = pl.DataFrame(
        {"who": [who for who, _ in requests], "t": [at(minute) for _, minute in requests]},
        schema={"who": pl.String, "t": pl.Datetime("us", "UTC")},
    )
    frame = frame.sort("t", maintain_order=True) if in_order else frame
    quick = look_up(frame, values_by_time("view", view, lazy), "view", view, "t")
    assert quick.equals(look_up(frame, view_values("view", view, lazy).collect(), "view", view, "t"))
    for row, got in zip(frame.rows(), quick.rows(), strict=True):
        minute = refreshed(view, (row[1] - at(0)).total_seconds() / 60)
        known = [
            (item.happened, item.known if delayed else 0, number, item)
            for number, item in enumerate(rows)
            if item.who == row[0] and row[0] is not None
            if (item.known if delayed else item.happened) is not None
            and (item.known if delayed else item.happened) <= minute  # type: ignore[operator]
        ]
        newest = max(known, key=lambda item: item[:3])[3] if known else None
        assert got == ((newest.whole, newest.text) if newest else (None, None))
