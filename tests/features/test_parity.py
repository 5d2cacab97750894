"""Offline against online on real tables: equal where nothing changed, named where something did."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.contract.parity import same_value
from core.contract.schema import GoldenRow, ViewRef
from core.features.asof import look_up, max_age_s
from core.features.definitions import changes, definition_digest, definition_of, reads_of, tables_under
from core.features.materialise import bring_to
from core.features.online import write_view_values
from core.features.parity import ParityReport, ViewParity, golden_parity, view_parity
from core.features.views import features_of
from core.kernel.clock import utc_text
from core.kernel.progress import Silent
from core.project.schema import FeatureView, Project, Source, Window
from core.serving.online import OnlineStore

JULY = datetime(2013, 7, 1, tzinfo=UTC)
Tables = dict[str, Path]


def ref_of(name: str, view: FeatureView) -> ViewRef:
    return ViewRef(name=name, entity=view.entity, features=features_of(view), max_age_s=max_age_s(view))


def with_views(project: Project, **views: FeatureView) -> Project:
    features = project.features.model_copy(update={"views": {**project.features.views, **views}})
    return project.model_copy(update={"features": features})


@dataclass
class Served:
    """A store that one project's views were materialised into."""

    store: OnlineStore
    project: Project
    tables: Tables
    folder: Path

    def parity(self, name: str, offline: Project | None = None, at: tuple[datetime, ...] = ()) -> ViewParity:
        project = offline or self.project
        view = project.features.views[name]
        values = write_view_values(
            project, self.tables, self.folder / definition_digest(definition_of(project, name))[3:9], [name]
        )
        ref = ref_of(name, self.project.features.views[name])
        return view_parity(self.store, ref, view, definition_of(project, name), values[name], at, entities=500)


def served(project: Project, tables: Tables, folder: Path, moments: list[datetime], names: list[str]) -> Served:
    store = OnlineStore(folder / "online.db")
    values = write_view_values(project, tables, folder / "values", names)
    for name in names:
        for at in moments:
            view, definition = project.features.views[name], definition_of(project, name)
            bring_to(store, name, view, definition, values[name], at, Silent())
    return Served(store, project, tables, folder)


@pytest.fixture(scope="module")
def flights(flights_project: Project, flights_tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Any:
    pressure = flights_project.features.views["weather"]
    columns = {**pressure.columns, "pressure": "COALESCE(pressure, 1013.0)"}
    project = with_views(flights_project, weather=pressure.model_copy(update={"columns": columns}))
    hours = [JULY + timedelta(hours=hour) for hour in range(0, 24, 6)]
    made = served(project, flights_tables, tmp_path_factory.mktemp("served"), hours, list(project.features.views))
    yield made
    made.store.close()


def test_all_views_of_flights_agree(flights: Served) -> None:
    for name in flights.project.features.views:
        found = flights.parity(name)
        assert found.passed, (name, found)
        assert (found.rows >= 15, found.changes) == (True, [])
        assert found.offline_version == found.online_version


Change = Callable[[FeatureView], FeatureView]
PLANTS: list[tuple[str, str, Change, set[str], str]] = [
    (
        "a changed default",
        "weather",
        lambda view: view.model_copy(update={"columns": {**view.columns, "pressure": "COALESCE(pressure, 1010.0)"}}),
        {"pressure"},
        "columns.pressure: online COALESCE(pressure, 1013.0), offline COALESCE(pressure, 1010.0)",
    ),
    (
        "a null rule",
        "weather",
        lambda view: view.model_copy(
            update={"columns": {**view.columns, "humidity": "CASE WHEN humid < 80 THEN humid END"}}
        ),
        {"humidity"},
        "columns.humidity: online humid, offline CASE WHEN humid < 80 THEN humid END",
    ),
    (
        "a delay",
        "weather",
        lambda view: view.model_copy(update={"delay": "2h"}),
        {"temperature", "dew_point", "humidity", "wind_speed"},
        "delay: online 1h, offline 2h",
    ),
    (
        "a tolerance",
        "weather",
        lambda view: view.model_copy(update={"tolerance": "30m"}),
        {"temperature", "dew_point", "humidity", "visibility"},
        "tolerance: online 10800s, offline 1800s",
    ),
    (
        "a window",
        "origin_delays",
        lambda view: view.model_copy(
            update={
                "windows": {
                    **view.windows,
                    "origin_landed_2h": view.windows["origin_landed_2h"].model_copy(update={"over": "3h"}),
                }
            }
        ),
        {"origin_landed_2h"},
        "windows.origin_landed_2h.over: online 2h, offline 3h",
    ),
]


@pytest.mark.parametrize(("what", "name", "change", "features", "cause"), PLANTS, ids=[plant[0] for plant in PLANTS])
def test_a_planted_change_is_caught_by_name(
    flights: Served, what: str, name: str, change: Change, features: set[str], cause: str
) -> None:
    offline = with_views(flights.project, **{name: change(flights.project.features.views[name])})
    # Forty past the hour: the hour's values are older than half an hour and not yet three.
    at = tuple(JULY + timedelta(hours=hour, minutes=40) for hour in range(17))
    found = flights.parity(name, offline, at)
    wrong = {item.feature: item for item in found.features if item.mismatched}
    assert not found.passed
    assert features <= set(wrong), what
    if what in ("a changed default", "a null rule", "a window"):
        assert set(wrong) == features, "the other features do not differ"
    for feature in features:
        assert cause in found.causes(feature)
    example = next(iter(wrong.values())).examples[0]
    assert set(example.key) == {"origin"}
    assert example.at.endswith(":40:00.000000Z")
    report = ParityReport(model="flights v1", place="file", offline="project", views=[found])
    assert any(line.startswith(f"{name}.{feature}: ") for line in report.problems() for feature in features)


def test_other_data_under_the_same_definition_is_told_as_such(flights: Served, tmp_path: Path) -> None:
    wrong = pl.read_parquet(flights.tables["weather"]).with_columns(temp=pl.col("temp") * (1 + 1e-8))
    wrong.write_parquet(tmp_path / "weather.parquet")
    other = Served(
        flights.store, flights.project, {**flights.tables, "weather": tmp_path / "weather.parquet"}, tmp_path
    )
    found = other.parity("weather")
    assert [item.feature for item in found.features if item.mismatched] == ["temperature"]
    assert found.reason == "the definitions agree, so the data under them differ"
    assert 0.9e-8 < max(item.worst for item in found.features) < 1.1e-8


def test_what_was_never_materialised_does_not_pass(flights: Served, tmp_path: Path) -> None:
    empty = Served(OnlineStore(tmp_path / "empty.db"), flights.project, flights.tables, tmp_path)
    found = empty.parity("weather")
    assert (found.passed, found.rows) == (False, 0)
    assert "nothing was materialised" in found.reason
    late = flights.parity("weather", at=(JULY - timedelta(days=3),))
    assert (late.passed, "the store reaches from" in late.reason) == (False, True)
    empty.store.close()


def test_golden_rows_are_recomputed_and_a_changed_default_is_named(flights: Served) -> None:
    view = flights.project.features.views["weather"]
    values = write_view_values(flights.project, flights.tables, flights.folder / "golden", ["weather"])["weather"]
    asked = pl.DataFrame({"origin": ["EWR", "JFK", "LGA"] * 20}).with_columns(
        at=pl.Series([JULY + timedelta(hours=hour) for hour in range(60)])
    )
    known = look_up(asked, pl.read_parquet(values), "weather", view, "at")
    rows = [
        GoldenRow(
            fields={"origin": one["origin"], "prediction_time": utc_text(one["at"])}, view_features=recorded,
            matrix=[], output=0.5,
        )
        for one, recorded in zip(asked.to_dicts(), known.to_dicts(), strict=True)
    ]  # fmt: skip
    ref = ref_of("weather", view)
    assert not any(item.mismatched for item in golden_parity(rows, "prediction_time", ref, view, values))
    changed = view.model_copy(update={"columns": {**view.columns, "pressure": "COALESCE(pressure, 1010.0)"}})
    project = with_views(flights.project, weather=changed)
    other = write_view_values(project, flights.tables, flights.folder / "golden2", ["weather"])["weather"]
    wrong = [item for item in golden_parity(rows, "prediction_time", ref, changed, other) if item.mismatched]
    assert [item.feature for item in wrong] == ["pressure"]
    assert wrong[0].mismatched == known["pressure"].eq(1013.0).sum() > 0


def data_file(package: str, name: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / name


def test_bikeshare_with_integers_text_and_booleans(flights_project: Project, tmp_path: Path) -> None:
    hour = pl.col("hr").cast(pl.Int64)
    bikes = pl.read_csv(data_file("ISLP", "data/Bikeshare.csv")).with_columns(
        at=pl.datetime(2011, 1, 1, time_zone="UTC") + pl.duration(days=pl.col("day") - 1, hours=hour)
    )
    bikes.write_parquet(tmp_path / "bikes.parquet")
    view = FeatureView(
        table="bikes",
        entity=["season", "weathersit"],
        event_time="at",
        delay="1h",
        tolerance="30d",
        owner="bikes",
        columns={"riders": "bikers", "sky": "weathersit", "busy": "bikers > 200", "warmth": "temp * 41.0"},
    )
    day = FeatureView(
        table="bikes",
        entity=["season"],
        event_time="at",
        refresh="1h",
        windows={
            "riders_day": Window(function="sum", column="bikers", over="1d"),
            "share": Window(function="mean", column="registered * 1.0 / bikers", over="6h"),
        },
    )
    project = with_views(flights_project, bikes=view, bikes_day=day).model_copy(
        update={"sources": {"bikes": Source(path="bikes.csv")}, "tables": {}}
    )
    moments = [datetime(2011, 6, 1, tzinfo=UTC) + timedelta(days=day) for day in range(0, 60, 15)]
    made = served(project, {"bikes": tmp_path / "bikes.parquet"}, tmp_path, moments, ["bikes", "bikes_day"])
    for name in ("bikes", "bikes_day"):
        found = made.parity(name)
        assert found.passed, found
        assert found.rows >= 9
    held = made.store.lookup("bikes", [2, "clear"], moments[-1].timestamp())
    assert held is not None
    assert {name: type(value) for name, value in held.items()} == {
        "riders": int,
        "sky": str,
        "busy": bool,
        "warmth": float,
    }
    changed = view.model_copy(update={"columns": {**view.columns, "busy": "bikers > 250"}})
    found = made.parity("bikes", with_views(project, bikes=changed))
    assert [item.feature for item in found.features if item.mismatched] in (["busy"], [])
    made.store.close()


def test_glucose_with_repeated_times_and_gaps(flights_project: Project, tmp_path: Path) -> None:
    glucose = pl.read_csv(data_file("bokeh_sampledata", "_data/CGM.csv.gz"), try_parse_dates=True, null_values=["nil"])
    glucose = glucose.with_columns(patient=pl.lit("one"), at=pl.col("datetime").dt.replace_time_zone("UTC"))
    glucose.write_parquet(tmp_path / "glucose.parquet")
    view = FeatureView(
        table="glucose",
        entity=["patient"],
        event_time="at",
        delay="5m",
        refresh="15m",
        windows={
            "mean_1h": Window(function="mean", column="glucose", over="1h"),
            "seen_2h": Window(function="count", over="2h"),
        },
    )
    project = with_views(flights_project, glucose=view).model_copy(
        update={"sources": {"glucose": Source(path="glucose.csv")}, "tables": {}}
    )
    start = glucose["at"].min()
    assert isinstance(start, datetime)
    moments = [start + timedelta(days=10, minutes=7 * step) for step in range(0, 60, 7)]
    made = served(project, {"glucose": tmp_path / "glucose.parquet"}, tmp_path, moments, ["glucose"])
    found = made.parity("glucose", at=tuple(moments))
    assert (found.passed, found.rows) == (True, len(moments))
    made.store.close()


@pytest.mark.parametrize(
    ("offline", "online", "same"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        ("1", 1, False),
        (None, None, True),
        (float("nan"), None, True),
        (0.0, None, False),
        (1.0, 1, True),
        (1.0, 1.0 + 5e-10, True),
        (1.0, 1.0 + 5e-9, False),
        (2**60, 2**60 + 1, False),
        (float("inf"), None, False),
        (-0.0, 0.0, True),
        (1e-300, 2e-300, False),
    ],
)
def test_what_counts_as_the_same(offline: Any, online: Any, same: bool) -> None:
    assert same_value(offline, online) is same


def test_definitions_tell_what_changes_values_and_nothing_else(flights_project: Project) -> None:
    view = flights_project.features.views["origin_delays"]
    now = definition_of(flights_project, "origin_delays")
    renamed = with_views(flights_project, origin_delays=view.model_copy(update={"owner": "x", "freshness": "9h"}))
    assert definition_of(renamed, "origin_delays") == now
    assert tables_under(flights_project, "trips")[0] == "trips"
    assert "flights" in tables_under(flights_project, "trips")
    assert {"arr_delay", "origin"} <= set(reads_of(view)["origin_late_2h"])
    sources = dict(flights_project.sources)
    sources["flights"] = sources["flights"].model_copy(update={"nulls": ["", "NA", "-"]})
    other = definition_of(flights_project.model_copy(update={"sources": sources}), "origin_delays")
    told = changes(now, other)
    assert [item.what for item in told] == ["table flights.nulls"]
    assert set(told[0].features) == set(features_of(view))
