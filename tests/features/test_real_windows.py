"""Windows over two real tables, against plain loops: hourly bike rentals with holes, a glucose sensor that stammers."""

from __future__ import annotations

import gzip
import math
import random
import statistics
from bisect import bisect_right
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from core.features.asof import look_up
from core.features.views import values_by_time
from core.project.schema import FeatureView, Window

from .real_tables import package_file

HOUR = timedelta(hours=1)
Answer = dict[str, float | None]


@pytest.fixture(scope="module")
def bikes() -> pl.DataFrame:
    """Rentals by the hour; an hour's figures are known when it is over."""
    frame = pl.read_csv(package_file("ISLP", "data/Bikeshare.csv"))
    at = pl.datetime(2011, 1, 1, time_zone="UTC") + pl.duration(days=pl.col("day") - 1, hours="hr")
    return frame.select(
        pl.lit("Washington").alias("city"), at.alias("hour"), "bikers", "temp", "workingday", "weathersit"
    )


@pytest.fixture(scope="module")
def sugar() -> pl.DataFrame:
    """A sensor's readings; local time is taken as UTC, so the hour of autumn is there twice."""
    text = gzip.decompress(package_file("bokeh_sampledata", "_data/CGM.csv.gz").read_bytes())
    frame = pl.read_csv(text, null_values=["nil"])
    at = pl.col("datetime").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC")
    return frame.select(pl.lit(1, pl.Int64).alias("patient"), at.alias("at"), pl.col("glucose").cast(pl.Int64))


def answers(view: FeatureView, table: pl.DataFrame, entity: object, instants: list[datetime]) -> list[Answer]:
    asked = pl.DataFrame({view.entity[0]: [entity] * len(instants), "t": instants}).with_columns(
        pl.col("t").cast(pl.Datetime("us", "UTC"))
    )
    found = look_up(asked, values_by_time("view", view, table.lazy()), "view", view, "t")
    assert found.height == len(instants)
    return found.to_dicts()


def close(got: float | None, wanted: float | None) -> bool:
    if got is None or wanted is None:
        return got is wanted
    return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9)


def test_bike_rentals_by_the_hour_with_lags_and_rates(bikes: pl.DataFrame) -> None:
    assert bikes.height == 8_645
    assert 365 * 24 - bikes["hour"].n_unique() == 115, "hours that are missing"
    view = FeatureView(
        table="bikes",
        entity=["city"],
        event_time="hour",
        delay="1h",
        refresh="1h",
        windows={
            "last_hour": Window(function="lag", column="bikers"),
            "day_before": Window(function="lag", column="bikers", n=24),
            "day_mean": Window(function="mean", column="bikers", over="1d"),
            "per_hour": Window(function="rate", column="bikers", over="1d", per="1h"),
            "heard": Window(function="rate", over="1d", per="1d"),
            "working": Window(function="rate", column="workingday = 1", over="7d"),
            "warmest": Window(function="max", column="temp", over="2d"),
            "weathers": Window(function="distinct", column="weathersit", over="2d"),
            "silence": Window(function="since", over="1d"),
        },
    )
    draw = random.Random(3)
    rows = bikes.sort("hour").rows(named=True)
    known = [row["hour"] + HOUR for row in rows]
    instants = [rows[0]["hour"] + timedelta(minutes=draw.randint(0, 365 * 1440)) for _ in range(800)]
    for instant, got in zip(instants, answers(view, bikes, "Washington", instants), strict=True):
        at = instant.replace(minute=0)

        def inside(over: timedelta, at: datetime = at) -> list[dict[str, object]]:
            return rows[bisect_right(known, at - over) : bisect_right(known, at)]

        seen = inside(timedelta(days=9_999))
        if not seen:
            assert set(got.values()) == {None}
            continue
        day, two, week = (inside(timedelta(days=days)) for days in (1, 2, 7))
        bikers = [row["bikers"] for row in day]
        wanted: Answer = {
            "last_hour": seen[-1]["bikers"],  # type: ignore[dict-item]
            "day_before": seen[-24]["bikers"] if len(seen) >= 24 else None,  # type: ignore[dict-item]
            "day_mean": statistics.fmean(bikers) if bikers else None,  # type: ignore[arg-type, type-var]
            "per_hour": sum(bikers) / 24,  # type: ignore[arg-type]
            "heard": len(day),
            "working": statistics.fmean(row["workingday"] for row in week) if week else None,  # type: ignore[type-var, misc]
            "warmest": max((row["temp"] for row in two), default=None),  # type: ignore[type-var, assignment]
            "weathers": len({row["weathersit"] for row in two}),
            "silence": (at - day[-1]["hour"]).total_seconds() if day else None,  # type: ignore[operator, attr-defined]
        }
        assert all(close(got[name], wanted[name]) for name in wanted), (instant, got, wanted)


def test_a_glucose_sensor_with_gaps_and_readings_that_stand_twice(sugar: pl.DataFrame) -> None:
    assert sugar.height == 52_281
    times = sugar["at"].sort()
    assert (times.diff() > timedelta(minutes=30)).sum() > 50
    assert sugar["at"].is_duplicated().sum() > 0
    view = FeatureView(
        table="sugar",
        entity=["patient"],
        event_time="at",
        refresh="5m",
        tolerance="2h",
        windows={
            "mean": Window(function="mean", column="glucose", over="1h"),
            "spread": Window(function="std", column="glucose", over="3h"),
            "lowest": Window(function="min", column="glucose", over="2h"),
            "highest": Window(function="max", column="glucose", over="2h"),
            "low_share": Window(function="rate", column="glucose < 70", over="1d"),
            "readings": Window(function="count", column="glucose", over="1h"),
            "half_hour_ago": Window(function="lag", column="glucose", n=7, over="1h"),
            "since_high": Window(function="since", column="glucose > 180", over="6h"),
        },
    )
    rows = [row for row in sugar.sort("at", maintain_order=True).rows() if row[2] is not None]
    known = [row[1] for row in rows]
    highs = [when for _, when, value in rows if value > 180]
    draw = random.Random(4)
    whole = (known[-1] - known[0]) // timedelta(minutes=1)
    instants = [known[0] + timedelta(minutes=draw.randint(0, whole)) for _ in range(500)]
    found = answers(view, sugar, 1, instants)
    compared = 0
    for instant, got in zip(instants, found, strict=True):
        at = instant - timedelta(minutes=instant.minute % 5)

        def inside(hours: int, at: datetime = at) -> list[int]:
            return [row[2] for row in rows[bisect_right(known, at - hours * HOUR) : bisect_right(known, at)]]

        if set(got.values()) == {None}:  # nothing changed for two hours: a gap
            assert not inside(1)
            continue
        compared += 1
        hour, two, three, day = inside(1), inside(2), inside(3), inside(24)
        high = highs[: bisect_right(highs, at)][-1:]
        recent = [when for when in high if at - when < 6 * HOUR]
        wanted: Answer = {
            "mean": statistics.fmean(hour) if hour else None,
            "spread": statistics.stdev(three) if len(three) > 1 else None,
            "lowest": min(two, default=None),
            "highest": max(two, default=None),
            "low_share": sum(value < 70 for value in day) / len(day) if day else None,
            "readings": len(hour),
            "half_hour_ago": hour[-7] if len(hour) >= 7 else None,
            "since_high": (at - recent[0]).total_seconds() if recent else None,
        }
        assert all(close(got[name], wanted[name]) for name in wanted), (instant, got, wanted)
    assert compared > 350


def test_readings_that_stand_twice_count_once_by_their_key(sugar: pl.DataFrame) -> None:
    """Two readings of one instant are versions of one: the later in the table counts."""
    twice = sugar.filter(pl.col("at").is_duplicated(), pl.col("glucose").is_not_null()).sort("at", maintain_order=True)
    instant = twice["at"][0]
    pair = sugar.filter(pl.col("at") == instant)
    view = FeatureView(
        table="sugar",
        entity=["patient"],
        event_time="at",
        refresh="1m",
        key=["patient", "at"],
        windows={
            "n": Window(function="count", over="1m"),
            "value": Window(function="last", column="glucose", over="1m"),
        },
    )
    assert answers(view, sugar, 1, [instant]) == [{"n": 1, "value": pair["glucose"][-1]}]
    plain = view.model_copy(update={"key": []})
    assert answers(plain, sugar, 1, [instant])[0]["n"] == pair.height == 2


def test_corrections_by_key_leave_the_past_as_it_was(bikes: pl.DataFrame) -> None:
    """Each tenth hour is counted anew two days later: from then on the new figure holds, before it the old one."""
    corrected = bikes.gather_every(10).with_columns(bikers=pl.col("bikers") + 1000)
    known = pl.col("hour") + HOUR
    table = pl.concat([bikes.with_columns(known=known), corrected.with_columns(known=known + timedelta(days=2))])
    view = FeatureView(
        table="bikes",
        entity=["city"],
        event_time="hour",
        available="known",
        refresh="1h",
        clock="event",
        key=["hour"],
        windows={"total": Window(function="sum", column="bikers", over="4d")},
    )
    rows = bikes.sort("hour").rows(named=True)
    new = set(corrected["hour"])
    draw = random.Random(5)
    instants = [datetime(2011, 1, 8, tzinfo=UTC) + draw.randint(0, 340 * 24) * HOUR for _ in range(60)]
    for at, got in zip(instants, answers(view, table, "Washington", instants), strict=True):
        wanted = sum(
            row["bikers"] + (1000 if row["hour"] in new and row["hour"] + HOUR + timedelta(days=2) <= at else 0)
            for row in rows
            if at - timedelta(days=4) < row["hour"] and row["hour"] + HOUR <= at
        )
        assert got["total"] == wanted, at
