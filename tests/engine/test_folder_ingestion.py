"""A growing folder through the real engine: each file once, caches, changed files, drift. One workspace, in order."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.kernel.errors import InputError

from ..faults.orders import PASSPHRASE
from .ingestion import newest, take, write_project

SOURCE = {"kind": "folder", "path": "in", "pattern": "*", "key": ["id"]}


def bikeshare() -> pl.DataFrame:
    """8,645 real hours of ISLP's Bikeshare, with a row number as their key and an hour in UTC."""
    spec = find_spec("ISLP")
    assert spec is not None
    frame = pl.read_csv(Path(str(spec.origin)).parent / "data" / "Bikeshare.csv")
    hour = pl.datetime(2011, 1, 1) + pl.duration(days=pl.col("day") - 1, hours=pl.col("hr"))
    at = hour.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("at")
    return frame.select(pl.int_range(1, pl.len() + 1).alias("id"), at, "mnth", "weathersit", "temp", "hum", "bikers")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("growing") / "project", SOURCE)
    (folder / "in").mkdir()
    return folder


@pytest.fixture(scope="module")
def client(project: Path) -> Iterator[Client]:
    root = project.parent / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    held = connect(root, user="founder", passphrase=PASSPHRASE)
    yield held
    held.close()


def months(first: str, last: str = "") -> pl.DataFrame:
    start = pl.col("at").str.slice(0, 7)
    return bikeshare().filter(start.is_between(pl.lit(first), pl.lit(last or first)))


def test_an_empty_folder_says_what_it_looked_for(client: Client, project: Path) -> None:
    with pytest.raises(InputError, match="holds no file"):
        take(client, project)


def test_files_of_four_forms_are_one_table(client: Client, project: Path) -> None:
    months("2011-01").write_csv(project / "in" / "01.csv")
    months("2011-02").write_ndjson(project / "in" / "02.jsonl")
    months("2011-03").write_parquet(project / "in" / "03.parquet")
    months("2011-04").write_excel(project / "in" / "04.xlsx")
    (project / "in" / ".hidden.csv").write_text("no")
    (project / "in" / "05.csv.part").write_text("no")
    step = take(client, project)
    assert not step["cached"]
    whole = months("2011-01", "2011-04").with_columns(pl.col("at").str.to_datetime(time_zone="UTC", time_unit="us"))
    assert newest(client).equals(whole)
    shown = client.ask("ingestion", source="rides")
    assert (shown["rows_new"], shown["watermark"]) == (whole.height, "4 files, the last 04.xlsx")


def test_nothing_new_is_the_cache_and_one_more_file_is_appended(client: Client, project: Path) -> None:
    before = client.ask("ingestion", source="rides")
    assert take(client, project)["cached"]
    months("2011-05").write_csv(project / "in" / "00-late.csv")  # sorts first, and is appended nevertheless
    take(client, project)
    frame, after = newest(client), client.ask("ingestion", source="rides")
    assert frame["id"].to_list() == months("2011-01", "2011-05")["id"].to_list()
    assert after["rows_new"] == months("2011-05").height
    assert after["snapshot"] != before["snapshot"]
    assert take(client, project)["cached"]


def test_a_file_that_went_stays_taken_and_one_that_changed_is_reported(client: Client, project: Path) -> None:
    (project / "in" / "01.csv").rename(project / "01.csv")
    assert take(client, project)["cached"]
    months("2011-06").write_csv(project / "in" / "06.csv")
    take(client, project)
    assert newest(client).height == months("2011-01", "2011-06").height
    assert client.ask("ingestion", source="rides")["notes"] == [
        "1 files that were taken are no longer there; their rows stay"
    ]
    months("2011-01").with_columns(bikers=0).write_csv(project / "in" / "01.csv")
    with pytest.raises(InputError, match="1 file changed") as caught:
        take(client, project)
    assert caught.value.problems[0].where == "01.csv"
    (project / "01.csv").replace(project / "in" / "01.csv")
    assert take(client, project)["cached"]


def test_drift_is_reported_and_what_the_project_needs_is_asked_for_by_its_new_name(
    client: Client, project: Path
) -> None:
    late = months("2011-07")
    late.rename({"bikers": "riders"}).write_csv(project / "in" / "07.csv")
    with pytest.raises(InputError, match="lost 1 of the columns") as caught:
        take(client, project)
    assert "Renamed to 'riders'?" in caught.value.problems[0].remedy
    assert caught.value.problems[0].what == "the column 'bikers' is missing"
    late.rename({"hum": "humidity"}).with_columns(wind=pl.lit(0.5), mnth=pl.lit(None)).write_csv(
        project / "in" / "07.csv"
    )
    take(client, project)
    drift = client.ask("snapshot", id="rides")["drift"]
    assert [(item["before"], item["after"]) for item in drift["renamed"]] == [("hum", "humidity")]
    assert (drift["new"], drift["missing"], drift["retyped"]) == (["wind"], [], [])
    frame = newest(client)
    assert (frame["wind"].null_count(), frame["humidity"].null_count()) == (frame.height - late.height,) * 2


def test_a_column_that_changes_its_type_is_shown_with_values(client: Client, project: Path) -> None:
    months("2011-08").with_columns(temp=pl.lit("warm")).write_csv(project / "in" / "08.csv")
    with pytest.raises(InputError, match="1 column changed type") as caught:
        take(client, project)
    assert "temp was float, new rows hold text" in caught.value.detail
    assert "'warm' is not float" in caught.value.problems[0].what
    months("2011-08").with_columns(bikers=pl.col("bikers") + 0.5).write_csv(project / "in" / "08.csv")
    take(client, project)  # whole numbers become wider without losing any
    drift = client.ask("snapshot", id="rides")["drift"]
    assert drift["retyped"] == [{"name": "bikers", "before": "int", "after": "float"}]
    assert newest(client)["bikers"].head(3).to_list() == bikeshare()["bikers"].head(3).cast(pl.Float64).to_list()


def test_rows_of_a_changed_file_can_be_updated_by_key(client: Client, project: Path) -> None:
    folder = project.parent / "updated"
    write_project(folder, {**SOURCE, "on_conflict": "update"})
    (folder / "in").mkdir()
    months("2011-01").write_csv(folder / "in" / "01.csv")
    take(client, folder)
    changed = months("2011-01").with_columns(bikers=pl.when(pl.col("id") <= 10).then(0).otherwise(pl.col("bikers")))
    pl.concat([changed, months("2011-02")]).write_csv(folder / "in" / "01.csv")
    take(client, folder)
    frame, how = newest(client), client.ask("ingestion", source="rides")
    assert frame["id"].n_unique() == frame.height == months("2011-01", "2011-02").height
    assert frame.filter(pl.col("id") <= 10)["bikers"].sum() == 0
    assert (how["rows_new"], how["rows_updated"]) == (months("2011-02").height, months("2011-01").height)
    same = newest(client).height
    take(client, folder, anew=True)
    assert newest(client).height == same
