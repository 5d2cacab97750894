"""Bounds of a series on the hours and days of a real bicycle hire: few false alarms, seeded faults seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from core.measures.binned import binned_difference
from core.measures.seasonal import expected_range

FALSE_ALARM = 0.01


@pytest.fixture(scope="module")
def hours() -> pl.DataFrame:
    """Bicycles hired by hour of 2011: 8,645 hours, 115 missing."""
    found = find_spec("ISLP")
    assert found is not None
    assert found.submodule_search_locations
    frame = pl.read_csv(Path(found.submodule_search_locations[0]) / "data" / "Bikeshare.csv", infer_schema_length=None)
    day = pl.datetime(2011, 1, 1, time_zone="UTC") + pl.duration(days=pl.col("day") - 1, hours=pl.col("hr"))
    return frame.select(day.alias("at"), pl.col("bikers").cast(pl.Float64), pl.col("temp").cast(pl.Float64)).sort("at")


@pytest.fixture(scope="module")
def days(hours: pl.DataFrame) -> pl.DataFrame:
    return hours.group_by_dynamic("at", every="1d").agg(pl.col("bikers").sum(), pl.col("temp").mean(), hours=pl.len())


def outside(
    frame: pl.DataFrame, column: str, places: list[int], factors: tuple[float, ...], scale: Any = "count"
) -> list[float]:
    """Share of ``places`` at which the value, times each factor, is not as expected from those before."""
    values, times = frame[column].to_list(), frame["at"].to_list()
    alarms = np.zeros(len(factors))
    for i in places:
        start = max(0, i - 700)
        found = expected_range(values[start:i], times[start:i], times[i], false_alarm=FALSE_ALARM, scale=scale)
        assert found is not None
        alarms += [not found.low <= values[i] * factor <= found.high for factor in factors]
    return (alarms / len(places)).tolist()


def test_hours_keep_to_the_stated_false_alarm_and_faults_are_seen(hours: pl.DataFrame) -> None:
    rng = np.random.default_rng(3)
    places = sorted(rng.choice(np.arange(700, hours.height), 300, replace=False).tolist())
    assert outside(hours, "bikers", places, (1.0,))[0] <= 0.03  # beyond 9 of 300 with a chance of 0.1 % at 1 %
    noon = [i for i in places if 11 <= hours["at"][i].hour <= 19]
    fourfold, nearly_none = outside(hours, "bikers", noon, (4.0, 0.02))
    assert fourfold > 0.7  # what a storm or a holiday does to an hour is within the bounds: 78 % are seen
    assert nearly_none > 0.7


def test_days_too_by_weekday_or_without_a_season(days: pl.DataFrame) -> None:
    places = list(range(60, days.height))
    same, tripled, nearly_none = outside(days, "bikers", places, (1.0, 3.0, 0.1))
    assert same <= 0.03
    assert min(tripled, nearly_none) > 0.8
    same, part = outside(days, "hours", places, (1.0, 0.25))  # hours recorded a day: mostly 24
    assert same <= 0.03
    assert part > 0.8
    assert outside(days, "temp", places, (1.0,), scale="value")[0] <= 0.03


def test_a_season_is_used_where_there_is_one(hours: pl.DataFrame) -> None:
    values, times = hours["bikers"].to_list(), hours["at"].to_list()
    found = expected_range(values[:2000], times[:2000], times[2000], false_alarm=FALSE_ALARM, scale="count")
    assert found is not None
    assert "hour" in found.season
    rng = np.random.default_rng(1)
    noise = rng.normal(100, 5, 200).tolist()
    stamps = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in range(201)]
    found = expected_range(noise, stamps[:200], stamps[200], false_alarm=FALSE_ALARM)
    assert found is not None
    assert found.season == ""
    assert 80 < found.low < 95 < 105 < found.high < 120


def test_short_series_and_constant_ones() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    stamps = [start + timedelta(days=d) for d in range(20)]
    assert expected_range([1.0] * 7, stamps[:7], stamps[7], false_alarm=0.01) is None
    found = expected_range([5.0] * 10, stamps[:10], stamps[10], false_alarm=0.01)
    assert found is not None
    assert (found.low, found.high) == (5.0, 5.0)
    spiky = [10.0, 11.0, 10.5, 9.5, 10.0, 500.0, 10.2, 9.8, 10.1, 10.0, 9.9, 10.3]
    found = expected_range(spiky, stamps[:12], stamps[12], false_alarm=0.01)
    assert found is not None
    assert found.high < 15


def test_counts_in_cells_alarm_as_rarely_as_said_and_see_a_shift() -> None:
    rng = np.random.default_rng(11)
    shares = np.array([0.02, 0.1, 0.2, 0.3, 0.25, 0.1, 0.03])
    base = rng.multinomial(2000, shares)
    p_values = [binned_difference(base, rng.multinomial(500, shares), false_alarm=0.05)[1] for _ in range(200)]
    # The reference is one draw: conditional on it the rate moves around 5 %, so the bound is wide.
    assert sum(p < 0.05 for p in p_values) / 200 <= 0.12
    index, p = binned_difference(base, rng.multinomial(500, np.roll(shares, 1)), false_alarm=0.05)
    assert p < 0.01
    assert index > 0.1
    index, p = binned_difference(base * 1000, rng.multinomial(3_000_000, base / base.sum()), false_alarm=0.05)
    assert index < 0.01
    assert p > 1e-4
    assert binned_difference([0, 0], [1, 2], false_alarm=0.05) == (0.0, 1.0)
