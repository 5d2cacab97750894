"""Each leak is planted and must be caught by name; the clean project must pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.features.build import build_training_set, read_events
from core.features.leak_data import LeakData, leak_data
from core.features.leakage import leakage_report
from core.features.outcome_leaks import encoding_test, fitted_test, missing_test, target_test, too_good_test
from core.features.records import LeakTest, TrainingSetResult
from core.features.split_leaks import group_test, near_duplicate_test, time_order_test
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
    assert len(report.tests) == 13


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


@pytest.fixture(scope="module")
def flights_data(flights_project: Project, flights_tables: Tables, flights_set: Built) -> LeakData:
    return leak_data(flights_project, pl.read_parquet(flights_set[0]), read_events(flights_project, flights_tables))


def planted(data: LeakData, *columns: pl.Series) -> LeakData:
    """The same with further features."""
    names = [column.name for column in columns]
    return replace(data, frame=data.frame.with_columns(columns), features=[*data.features, *names])


def test_air_time_declared_as_known_is_betrayed_by_its_nulls(
    flights_data: LeakData, flights_project: Project, flights_tables: Tables
) -> None:
    """It does not raise the score beyond honest features, so nothing else finds this lie."""
    air_time = read_events(flights_project, flights_tables)["air_time"]
    lying = planted(flights_data, air_time)
    found = missing_test(lying)
    assert (found.columns, found.rows) == (["air_time"], 9_430)
    assert "9,430 rows; in 9,430 of them the label is missing" in found.detail[0]
    assert too_good_test(lying).passed


def test_a_time_that_orders_as_the_delay_does_is_named(flights_data: LeakData) -> None:
    code = (flights_data.outcomes["arr_delay"] // 10 * 10).alias("delay_class")
    found = target_test(planted(flights_data, code), [])
    assert (found.columns, found.rows) == (["delay_class"], 327_346)
    assert "arr_delay" in found.detail[0]


def test_route_means_and_scaling_over_the_year_are_named(flights_data: LeakData) -> None:
    frame = flights_data.frame
    mean = frame.select(pl.col("label").mean().over("route").alias("route_rate"))["route_rate"]
    heat = frame["temperature"]
    scaled = ((heat - heat.mean()) / heat.std()).alias("temperature_z")
    leaky = planted(flights_data, mean, scaled)
    assert encoding_test(leaky).columns == ["route_rate"]
    found = fitted_test(leaky)
    assert found.columns == ["temperature_z"]
    assert found.rows == 336_776 - frame.filter(pl.col("split") == "train")["temperature"].count() - heat.null_count()


def test_copies_of_train_rows_in_the_test_period_are_named(flights_data: LeakData) -> None:
    frame = flights_data.frame
    copies = frame.filter(pl.col("split") == "train").sample(2_000, seed=3)
    copies = copies.with_columns(pl.lit("test").alias("split"), ("copy-" + pl.col("flight_key")).alias("flight_key"))
    found = near_duplicate_test(replace(flights_data, frame=pl.concat([frame, copies])), ["flight_key"])
    assert not found.passed
    assert found.detail[1].startswith("copy-")


def test_aircraft_that_fly_on_are_a_group_on_both_sides(flights_project: Project, flights_data: LeakData) -> None:
    found = group_test(replace(flights_data, groups=flights_data.frame.select("tailnum")))
    assert found.columns == ["tailnum"]
    assert found.rows > 40_000
    assert "AUC over chance" in found.detail[1]


def test_predictions_after_the_fact_are_counted(flights_data: LeakData) -> None:
    late = flights_data.frame.head(90_000).with_columns(pl.col("prediction_time").dt.offset_by("30h"))
    found = time_order_test(late)
    assert found.rows == 90_000
    assert "after their event" in found.headline
    assert any("labels were known before" in line for line in found.detail)
    assert time_order_test(flights_data.frame).passed


def test_a_table_of_outcomes_without_a_time_is_refused(flights_project: Project) -> None:
    leaky = changed(
        flights_project,
        "tables",
        "habits",
        value={"sql": "SELECT route, avg(arr_delay) AS usual FROM trips GROUP BY 1"},
    )
    view = {"table": "habits", "entity": ["route"], "static": True, "columns": {"usual": "usual"}}
    leaky = changed(leaky, "features", "views", "habits", value=view)
    found = [problem for problem in static_leaks(leaky) if problem.where == "features.views.habits"]
    assert len(found) == 1
    assert "arr_delay" in found[0].what


def test_every_failed_test_says_what_to_do(flights_project: Project, flights_tables: Tables) -> None:
    leaky = with_feature(changed(flights_project, "events", "available", "dep_delay", value="always"), "dep_delay")
    report = leakage_report(leaky, flights_tables, None, Silent())
    failed = {test.name: test for test in report.tests if not test.passed}
    assert set(failed) == {"too_good", "missingness"}
    assert all(test.remedy and test.columns == ["dep_delay"] and test.rows for test in failed.values())
