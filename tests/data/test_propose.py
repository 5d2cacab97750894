"""Proposed suites accept the data that they came from and catch seeded faults: flights, wages, bicycles, glucose."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from core.contract.checks import run_checks
from core.contract.schema import Check
from core.data.propose_data import Other, propose
from core.measures.profile import profile_frame

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def packaged(package: str, file: str) -> Path:
    found = find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / file


def proposed(frame: pl.LazyFrame, others: dict[str, pl.LazyFrame] | None = None) -> list[Check]:
    profiles = {name: Other(one, profile_frame(one, name)) for name, one in (others or {}).items()}
    found = propose(frame, profile_frame(frame, "t"), profiles, NOW)
    assert all(item.why for item in found)
    return [item.check for item in found]


def failing(frame: pl.LazyFrame, checks: list[Check], others: dict[str, pl.LazyFrame] | None = None) -> set[str]:
    report = run_checks(frame, checks, table="t", tables=others or {}, now=NOW)
    return {result.name for result in report.results if not result.passed}


@pytest.fixture(scope="module")
def flights(snapshots: dict[str, Path]) -> dict[str, pl.LazyFrame]:
    return {name: pl.scan_parquet(path) for name, path in snapshots.items()}


def test_flights_and_their_neighbours(flights: dict[str, pl.LazyFrame]) -> None:
    table = flights["flights"]
    others = {name: frame for name, frame in flights.items() if name != "flights"}
    checks = proposed(table, others)
    assert failing(table, checks, others) == set()
    references = {(check.columns[0], check.table, check.mostly < 1) for check in checks if check.kind == "references"}
    assert ("carrier", "airlines", False) in references
    assert ("origin", "airports", False) in references
    assert ("dest", "airports", True) in references  # four Caribbean ones are not listed
    assert not any(columns == "year" for columns, _, _ in references)
    key = next(check.columns for check in checks if check.kind == "unique")
    assert len(key) == 3  # no one or two columns identify a flight
    spoilt = table.with_columns(carrier=pl.lit("ZZ"), hour=pl.col("hour") + 100, origin=pl.lit(None, pl.String))
    caught = failing(spoilt, checks, others)
    assert {"not_null(origin)", "between(hour)", "references(carrier -> airlines.carrier)"} <= caught
    assert any(name.startswith("unique") for name in failing(pl.concat([table, table.head(50)]), checks, others))


def test_wages_bicycles_and_a_glucose_sensor() -> None:
    wage = pl.scan_csv(packaged("ISLP", "data/Wage.csv"))
    checks = proposed(wage)
    assert failing(wage, checks) == set()
    assert "between(age)" in failing(wage.with_columns(age=pl.col("age") * 10), checks)
    assert "in_set(race)" in failing(wage.with_columns(race=pl.col("race").str.to_uppercase()), checks)

    bikes = pl.scan_csv(packaged("ISLP", "data/Bikeshare.csv"), infer_schema_length=None)
    checks = proposed(bikes)
    assert failing(bikes, checks) == set()
    assert any(check.expression == "casual + registered = bikers" for check in checks)
    assert ["casual", "bikers"] in [check.columns for check in checks if check.kind == "compare"]
    assert "casual + registered = bikers" in " ".join(failing(bikes.with_columns(pl.col("casual") + 1), checks))

    file = packaged("bokeh_sampledata", "_data/CGM.csv.gz")
    glucose = pl.scan_csv(file, try_parse_dates=True, null_values=["nil"], infer_schema_length=None).select(
        pl.all().name.map(str.strip)
    )
    checks = proposed(glucose)
    assert failing(glucose, checks) == set()
    assert any(check.kind in ("between", "length") for check in checks)


def test_a_fresh_ordered_table_with_codes() -> None:
    times = pl.datetime_range(datetime(2025, 12, 1), datetime(2025, 12, 31, 12), "1h", time_zone="UTC", eager=True)
    frame = pl.DataFrame({"at": times, "code": [f"AB-{n:04d}" for n in range(len(times))]}).lazy()
    checks = {check.kind: check for check in proposed(frame)}
    assert checks["monotonic"].columns == ["at"]
    assert checks["fresh"].max_age == "25h"
    assert checks["matches"].pattern == r"[A-Z]{2}\-[0-9]{4}"
    assert failing(frame, list(checks.values())) == set()
    spoilt = frame.reverse().with_columns(code=pl.col("code").str.to_lowercase())
    assert {"monotonic(at)", "matches(code)"} <= failing(spoilt, list(checks.values()))
