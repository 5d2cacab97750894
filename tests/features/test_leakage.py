"""Each leak is planted and must be caught by name; the clean project must pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.features.build import build_training_set
from core.features.leakage import leakage_report
from core.features.records import LeakTest, TrainingSetResult
from core.features.static_leaks import static_leaks
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.schema import Project

Tables = dict[str, Path]
Built = tuple[Path, TrainingSetResult]


def changed(project: Project, *path: str, value: Any) -> Project:
    """The project with one value replaced."""
    plain = project.model_dump(mode="json", by_alias=True)
    place = plain
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return Project.read(plain)


def with_feature(project: Project, column: str) -> Project:
    return changed(project, "features", "request", column, value={"expression": column})


def the_test(project: Project, tables: Tables, training_set: Path | None, name: str) -> LeakTest:
    report = leakage_report(project, tables, training_set, Silent())
    assert not report.passed
    return next(test for test in report.tests if test.name == name)


def test_the_clean_project_passes(flights_project: Project, flights_tables: Tables, flights_set: Built) -> None:
    assert static_leaks(flights_project) == []
    report = leakage_report(flights_project, flights_tables, flights_set[0], Silent())
    assert report.passed, [test.headline for test in report.tests if not test.passed]
    assert len(report.tests) == 7


@pytest.mark.parametrize(("column", "rows"), [("dep_delay", 328_521), ("air_time", 327_346), ("dep_time", 328_521)])
def test_columns_from_the_future_are_refused_by_name(
    flights_project: Project, flights_tables: Tables, column: str, rows: int, tmp_path: Path
) -> None:
    leaky = with_feature(flights_project, column)
    found = the_test(leaky, flights_tables, None, "availability")
    assert not found.passed
    assert column in found.headline
    assert found.rows == rows
    out = tmp_path / "set.parquet"
    with pytest.raises(InputError) as caught:
        build_training_set(leaky, flights_tables, out, Silent())
    assert any(column in problem.what and f"{rows:,}" in problem.what for problem in caught.value.problems)
    assert list(tmp_path.iterdir()) == []


def test_an_undeclared_column_is_refused(flights_project: Project) -> None:
    leaky = with_feature(flights_project, "dest_zone")
    assert any("'dest_zone' does not say when it is known" in problem.what for problem in static_leaks(leaky))


@pytest.mark.parametrize("join", ["nearest", "forward"])
def test_joins_that_look_ahead_are_counted(flights_project: Project, flights_tables: Tables, join: str) -> None:
    leaky = changed(flights_project, "features", "views", "weather", "join", value=join)
    found = the_test(leaky, flights_tables, None, "join_direction")
    assert "weather" in found.headline
    assert join in found.headline
    assert found.rows > 100_000
    assert any(join in problem.what for problem in static_leaks(leaky))


def test_nearest_weather_sees_the_measured_number_of_future_rows(
    flights_project: Project, flights_tables: Tables
) -> None:
    leaky = changed(flights_project, "features", "views", "weather", "join", value="nearest")
    leaky = changed(leaky, "features", "views", "weather", "delay", value="0s")
    leaky = changed(leaky, "events", "prediction_time", value="scheduled")
    assert the_test(leaky, flights_tables, None, "join_direction").rows == 125_110


def test_a_random_split_is_refused_by_name(
    flights_project: Project, flights_tables: Tables, flights_set: Built
) -> None:
    leaky = changed(flights_project, "split", "method", value="random")
    assert "random" in the_test(leaky, flights_tables, flights_set[0], "split").headline.lower()
    assert any("random split" in problem.what for problem in static_leaks(leaky))


def test_shuffled_and_repeated_rows_are_found(
    flights_project: Project, flights_tables: Tables, flights_set: Built, tmp_path: Path
) -> None:
    frame = pl.read_parquet(flights_set[0])
    moved = frame.filter(pl.col("split") == "test").head(50).with_columns(pl.lit("train").alias("split"))
    pl.concat([frame, moved]).write_parquet(tmp_path / "moved.parquet")
    keys = the_test(flights_project, flights_tables, tmp_path / "moved.parquet", "key_overlap")
    assert not keys.passed
    assert keys.headline.startswith("50 events")
    split = the_test(flights_project, flights_tables, tmp_path / "moved.parquet", "split")
    assert not split.passed
    assert split.rows >= 50


def test_the_target_as_a_feature_is_named(flights_project: Project, flights_tables: Tables) -> None:
    leaky = changed(
        flights_project, "features", "request", "delay_band", value={"expression": "arr_delay > 15", "kind": "number"}
    )
    leaky = changed(leaky, "events", "available", "arr_delay", value="always")
    found = the_test(leaky, flights_tables, None, "target_in_feature")
    assert "delay_band" in found.headline
    assert found.rows == 327_346


def test_a_lying_declaration_is_caught_by_the_score(flights_project: Project, flights_tables: Tables) -> None:
    leaky = with_feature(changed(flights_project, "events", "available", "dep_delay", value="always"), "dep_delay")
    found = the_test(leaky, flights_tables, None, "too_good")
    assert not found.passed
    assert "dep_delay" in found.headline


def test_windows_on_event_time_are_named(flights_project: Project, flights_tables: Tables) -> None:
    leaky = changed(flights_project, "features", "views", "origin_delays", "available", value=None)
    found = the_test(leaky, flights_tables, None, "window_time")
    assert "origin_delays" in found.headline
    assert found.rows > 300_000
    with pytest.raises(InputError, match="leak in 1 place"):
        build_training_set(leaky, flights_tables, flights_tables["trips"].parent / "never.parquet", Silent())


def test_overlapping_periods_are_named(flights_project: Project) -> None:
    leaky = changed(flights_project, "split", "validate", value=["2013-04-01", "2013-06-01"])
    assert [problem.where for problem in static_leaks(leaky)] == ["split.validate"]
