"""The flights training set against the measured figures of the data, and online against offline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from core.features.asof import look_up, max_age_s
from core.features.build import build_training_set
from core.features.contracting import contract_of
from core.features.online import online_state, online_updates, state_at, updates_between, write_view_values
from core.features.records import TrainingSetResult
from core.features.views import features_of, view_values
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.schema import FeatureView, Project

Built = tuple[Path, TrainingSetResult]
Tables = dict[str, Path]


def test_rows_in_equal_rows_out_and_labels_are_right(flights_set: Built) -> None:
    out, result = flights_set
    frame = pl.read_parquet(out)
    assert frame.height == result.rows == 336_776
    assert frame["flight_key"].n_unique() == 336_776
    assert sum(split.labelled for split in result.splits) == 327_346
    assert sum(split.rows for split in result.splits) == 336_776
    assert round(frame["label"].cast(pl.Float64).mean(), 4) == 0.2371  # type: ignore[arg-type, call-overload]
    assert frame["seats"].null_count() == 52_606
    assert 0 < result.purged < 1000


def test_the_outcome_is_known_when_the_data_says(flights_tables: Tables) -> None:
    trips = pl.read_parquet(flights_tables["trips"])
    delay = (trips["known_at"] - trips["scheduled"]).dt.total_minutes() / 60
    assert round(delay.median(), 1) == 2.8  # type: ignore[arg-type, call-overload]
    assert round(delay.max(), 1) == 32.7  # type: ignore[arg-type, call-overload]


def test_equal_input_gives_equal_bytes(
    flights_project: Project, flights_tables: Tables, flights_set: Built, tmp_path: Path
) -> None:
    again = build_training_set(flights_project, flights_tables, tmp_path / "again.parquet", Silent())
    assert again.digest == flights_set[1].digest


def test_as_of_joins_give_the_measured_counts(flights_tables: Tables) -> None:
    trips = pl.read_parquet(flights_tables["trips"]).select("origin", "scheduled")
    nulls = {}
    for tolerance in (None, "1h", "3h"):
        view = FeatureView(
            table="weather",
            entity=["origin"],
            event_time="time_hour",
            tolerance=tolerance,
            columns={"seen": "time_hour"},
        )
        values = view_values("weather", view, flights_tables["weather"]).collect()
        found = look_up(trips, values, "weather", view, "scheduled")["seen"]
        nulls[tolerance] = found.null_count()
        assert (trips["scheduled"] - found).min() >= timedelta(0)  # type: ignore[operator]
        if tolerance is None:
            assert (trips["scheduled"] - found).max() == timedelta(minutes=1_799)
    assert nulls == {None: 0, "1h": 1_459, "3h": 842}


def test_replayed_updates_give_the_training_sets_values(
    flights_project: Project, flights_tables: Tables, flights_set: Built, tmp_path: Path
) -> None:
    """A week hour by hour: state at its beginning, then updates; each request looks up what is there."""
    monday = datetime(2013, 7, 8, tzinfo=UTC)
    values = write_view_values(flights_project, flights_tables, tmp_path)
    stores = {
        name: {tuple(row[1 : 1 + len(view.entity)]): row for row in state.iter_rows()}
        for (name, view), state in zip(
            flights_project.features.views.items(), state_at(flights_project, values, monday).values(), strict=True
        )
    }
    inside = pl.col("prediction_time").is_between(monday, monday + timedelta(days=7), closed="left")
    week = pl.read_parquet(flights_set[0]).filter(inside)
    assert week.height > 5_000
    frames = updates_between(values, monday + timedelta(microseconds=1), monday + timedelta(days=7))
    pending = {name: list(frame.iter_rows()) for name, frame in frames.items()}
    for rows in pending.values():
        rows.reverse()
    for request in week.iter_rows(named=True):
        for name, view in flights_project.features.views.items():
            while pending[name] and pending[name][-1][0] <= request["prediction_time"]:
                row = pending[name].pop()
                stores[name][tuple(row[1 : 1 + len(view.entity)])] = row
            assert online(view, stores[name], request) == tuple(request[feature] for feature in features_of(view))


def online(
    view: FeatureView, store: dict[tuple[object, ...], tuple[object, ...]], request: dict[str, object]
) -> object:
    row = store.get(tuple(request[column] for column in view.entity))
    age = max_age_s(view)
    if row is None or (age is not None and (request["prediction_time"] - row[0]).total_seconds() > age):  # type: ignore[operator]
        return (None,) * len(features_of(view))
    return row[1 + len(view.entity) :]


def test_updates_from_tables_equal_updates_from_files(
    flights_project: Project, flights_tables: Tables, tmp_path: Path
) -> None:
    since, until = datetime(2013, 7, 8, tzinfo=UTC), datetime(2013, 7, 9, tzinfo=UTC)
    values = write_view_values(flights_project, flights_tables, tmp_path)
    direct = online_updates(flights_project, flights_tables, since, until)
    for name, frame in updates_between(values, since, until).items():
        assert frame.equals(direct[name])
    state = online_state(flights_project, flights_tables, until)
    for name, frame in state_at(flights_project, values, until).items():
        assert frame.equals(state[name])
        assert not frame.select(flights_project.features.views[name].entity).is_duplicated().any()


def test_the_contract_learns_from_the_train_split_only(flights_project: Project, flights_set: Built) -> None:
    contract = contract_of(flights_project, flights_set[0], "1")
    assert [feature.name for feature in contract.features] == flights_set[1].features
    levels = {feature.name: feature.levels for feature in contract.features}
    assert levels["origin"] == ["EWR", "JFK", "LGA"]
    assert "OO" not in levels["carrier"]  # 32 flights in the year, nearly none before May
    assert not {"ILM", "SBN", "ANC", "LEX", "LGA"} & set(levels["dest"])  # first flown after June
    fields = {field.name: field for field in contract.fields}
    assert fields["tailnum"].nullable
    assert not fields["carrier"].nullable
    assert fields["prediction_time"].type == "time"
    assert {view.name: view.max_age_s for view in contract.views}["weather"] == 3 * 3600
    assert contract.views[0].max_age_s is None
    warned = {check.columns[0] for check in contract.checks if check.severity == "warn"}
    assert {"carrier", "origin", "dest", "distance"} <= warned


def test_what_does_not_fit_is_said_with_its_place(
    flights_project: Project, flights_tables: Tables, tmp_path: Path
) -> None:
    plain = flights_project.model_dump(mode="json", by_alias=True)
    plain["features"]["request"]["odd"] = {"expression": "carrier * 2"}
    with pytest.raises(InputError) as caught:
        build_training_set(Project.read(plain), flights_tables, tmp_path / "set.parquet", Silent())
    assert caught.value.where == "features.request"
    plain["label"]["expression"] = "arrival > 15"
    with pytest.raises(InputError) as caught:
        build_training_set(Project.read(plain), flights_tables, tmp_path / "set.parquet", Silent())
    assert "arrival" in caught.value.problems[0].what
    assert list(tmp_path.iterdir()) == []
