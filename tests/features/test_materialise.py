"""Materialisation of real views into a real store: what became valid since, once, whatever is killed when."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from core.features.asof import look_up, max_age_s
from core.features.definitions import definition_of
from core.features.materialise import MaterialisedView, bring_to, mark_reached
from core.features.online import newest_at, store_rows, updates_between, write_view_values
from core.features.views import features_of
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.schema import FeatureView, Project
from core.serving.online import OnlineStore
from core.serving.online_records import Mark, Step

from .conftest import EXAMPLE

JULY = datetime(2013, 7, 1, tzinfo=UTC)
HOURS = 6
Values = dict[str, Path]


@pytest.fixture(scope="module")
def values(flights_project: Project, flights_tables: Values, tmp_path_factory: pytest.TempPathFactory) -> Values:
    return write_view_values(flights_project, flights_tables, tmp_path_factory.mktemp("values"))


def brought(store: OnlineStore, project: Project, values: Values, name: str, at: datetime) -> MaterialisedView:
    definition = definition_of(project, name)
    return bring_to(store, name, project.features.views[name], definition, values[name], at, Silent(), batch=500)


def online(store: OnlineStore, name: str, view: FeatureView, keys: pl.DataFrame, at: datetime) -> pl.DataFrame:
    asked = [(at.timestamp(), key) for key in keys.select(view.entity).iter_rows()]
    found = store.look_up(name, asked, max_age_s(view))
    rows = [[None if one is None else one[feature] for feature in features_of(view)] for one in found]
    return pl.DataFrame(rows, schema=features_of(view), orient="row", infer_schema_length=None)


def test_online_equals_offline_at_each_hour_of_flights(
    tmp_path: Path, flights_project: Project, values: Values
) -> None:
    store = OnlineStore(tmp_path / "f.db")
    for name, view in flights_project.features.views.items():
        keys = newest_at(view, values[name], JULY + timedelta(hours=HOURS))
        for hour in range(HOURS):
            at = JULY + timedelta(hours=hour)
            done = brought(store, flights_project, values, name, at)
            assert done.mode in ({"first"} if hour == 0 else {"incremental"})
            offline = look_up(keys.with_columns(at=at), pl.read_parquet(values[name]), name, view, "at")
            held = online(store, name, view, keys, at)
            assert held.cast(dict(offline.schema)).equals(offline), name
    assert brought(store, flights_project, values, "weather", at).mode == "nothing"
    assert brought(store, flights_project, values, "weather", at - timedelta(hours=2)).rows == 0
    store.close()


def test_only_what_became_valid_is_written(tmp_path: Path, flights_project: Project, values: Values) -> None:
    store = OnlineStore(tmp_path / "f.db")
    brought(store, flights_project, values, "weather", JULY)
    before = store.count("weather")
    done = brought(store, flights_project, values, "weather", JULY + timedelta(hours=5))
    inside = pl.col("valid_from").is_between(JULY, JULY + timedelta(hours=5), closed="right")
    assert done.rows == pl.read_parquet(values["weather"]).filter(inside).height == 15
    assert store.count("weather") == (before[0] + 15, 3)
    assert (done.before, done.until) == ("2013-07-01T00:00:00.000000Z", "2013-07-01T05:00:00.000000Z")
    store.close()


def test_a_changed_definition_and_late_rows_replace_the_view_and_say_so(
    tmp_path: Path, flights_project: Project, flights_tables: Values, values: Values
) -> None:
    store = OnlineStore(tmp_path / "f.db")
    first = brought(store, flights_project, values, "weather", JULY)
    late = pl.read_parquet(values["weather"]).with_columns(temperature=pl.col("temperature") + 1)
    (tmp_path / "late").mkdir()
    late.write_parquet(tmp_path / "late" / "weather.parquet")
    corrected = {"weather": tmp_path / "late" / "weather.parquet"}
    again = brought(store, flights_project, corrected, "weather", JULY + timedelta(hours=1))
    assert (again.mode, "came late or were corrected" in again.reason) == ("replaced", True)
    view = flights_project.features.views["weather"].model_copy(update={"delay": "2h"})
    views = {**flights_project.features.views, "weather": view}
    project = flights_project.model_copy(
        update={"features": flights_project.features.model_copy(update={"views": views})}
    )
    later = write_view_values(project, flights_tables, tmp_path / "later", ["weather"])
    done = brought(store, project, later, "weather", JULY + timedelta(hours=1))
    assert done.reason == "its definition changed: delay: 1h → 2h"
    assert done.version != first.version
    assert online(store, "weather", view, newest_at(view, later["weather"], JULY), JULY + timedelta(hours=1)).equals(
        look_up(
            newest_at(view, later["weather"], JULY).with_columns(at=JULY + timedelta(hours=1)),
            pl.read_parquet(later["weather"]), "weather", view, "at",
        )
    )  # fmt: skip
    store.close()


def test_updates_written_one_by_one_move_the_mark_when_it_is_said_so(
    tmp_path: Path, flights_project: Project, values: Values
) -> None:
    store, view = OnlineStore(tmp_path / "f.db"), flights_project.features.views["weather"]
    brought(store, flights_project, values, "weather", JULY)
    end, definition = JULY + timedelta(hours=3), definition_of(flights_project, "weather")
    news = updates_between({"weather": values["weather"]}, JULY + timedelta(seconds=1), end + timedelta(seconds=1))
    store.upsert("weather", store_rows("weather", view, news["weather"]))
    mark_reached(store, "weather", view, definition, values["weather"], end)
    done = brought(store, flights_project, values, "weather", end)
    assert (done.mode, done.rows, done.until) == ("nothing", 0, "2013-07-01T03:00:00.000000Z")
    assert brought(store, flights_project, values, "weather", end + timedelta(hours=1)).mode == "incremental"
    mark_reached(store, "weather", view, definition, values["weather"], JULY)
    held = store.held()["weather"].mark
    assert held is not None
    assert held.until == (end + timedelta(hours=1)).timestamp(), "a mark never goes back"
    store.close()


def test_another_process_that_writes_the_file_is_noticed(tmp_path: Path) -> None:
    reader, writer = OnlineStore(tmp_path / "f.db"), OnlineStore(tmp_path / "f.db")
    writer.upsert("v", [(1.0, ("a",), {"x": 1})])
    assert reader.lookup("v", ["a"], 5.0) == {"x": 1}
    writer.upsert("v", [(2.0, ("a",), {"x": 2})])
    assert reader.lookup("v", ["a"], 5.0) == {"x": 2}
    mark = Mark(until=3.0, since=0.0, version="b3:1", state="b3:2")
    writer.load("v", Step(plan="p", first=0, replace=True), [(3.0, ("a",), {"x": 3})])
    assert reader.lookup("v", ["a"], 5.0) == {"x": 2}, "a generation is not seen before it is whole"
    assert writer.load("v", Step(plan="p", first=0, replace=True), [(3.0, ("a",), {"x": 9})]) == 0
    writer.load("v", Step(plan="p", first=1, replace=True, mark=mark), [(3.0, ("b",), {"x": 4})])
    assert reader.lookup("v", ["a"], 5.0) == {"x": 3}
    assert reader.lookup("v", ["a"], 2.5) is None, "the replaced generation is gone"
    with pytest.raises(InputError, match="begins at row 7"):
        writer.load("v", Step(plan="q", first=7), [])
    reader.close()
    writer.close()


def test_values_that_no_store_can_keep_are_named() -> None:
    view = FeatureView(table="t", entity=["who"], static=True, columns={"when": "when", "x": "x"})
    frame = pl.DataFrame({"valid_from": [JULY], "who": ["a"], "when": [JULY], "x": [1]})
    with pytest.raises(InputError) as caught:
        list(store_rows("v", view, frame))
    assert [problem.what.split(" is ")[0] for problem in caught.value.problems] == ["'when'"]


PROGRAM = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from core.features.definitions import definition_of
from core.features.materialise import bring_to
from core.kernel.progress import Silent
from core.project.load import load_project
from core.serving.online import OnlineStore

class Told(Silent):
    def step(self, done, total, message=""):
        print(message, flush=True)

project = load_project(Path(sys.argv[1])).project
store = OnlineStore(Path(sys.argv[3]))
for hour in range(0, 30):
    at = datetime(2013, 7, 1, tzinfo=UTC) + timedelta(hours=hour)
    for name, view in project.features.views.items():
        values = Path(sys.argv[2]) / f"{name}.parquet"
        bring_to(store, name, view, definition_of(project, name), values, at, Told(), batch=500)
"""
KILLS = 5


def killed_after(words: list[str], steps: int, rest_s: float) -> int:
    """Run the program, kill it a moment after it told of so many batches; returns how many it told of."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = 0
    while told < steps and process.stdout.readline():
        told += 1
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=rest_s)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    process.stdout.close()
    return told


def test_killed_at_seeded_moments_it_loses_and_doubles_nothing(
    tmp_path: Path, flights_project: Project, values: Values
) -> None:
    rng = random.Random(11)
    folder = next(iter(values.values())).parent
    words = [sys.executable, "-c", PROGRAM, str(EXAMPLE), str(folder), str(tmp_path / "killed.db")]
    told = [killed_after(words, rng.randint(0, 25), rng.uniform(0.0, 0.05)) for _ in range(KILLS)]
    assert sum(told) > 30
    end = JULY + timedelta(hours=30)
    killed, whole = OnlineStore(tmp_path / "killed.db"), OnlineStore(tmp_path / "whole.db")
    assert len(killed.held()) == len(flights_project.features.views)
    for name, view in flights_project.features.views.items():
        brought(killed, flights_project, values, name, end)
        brought(whole, flights_project, values, name, JULY)
        brought(whole, flights_project, values, name, end)
        assert killed.count(name) == whole.count(name), name
        keys = newest_at(view, values[name], end)
        assert online(killed, name, view, keys, end).equals(online(whole, name, view, keys, end))
        assert killed.held()[name].mark == whole.held()[name].mark
    killed.close()
    whole.close()
