"""features: catalogue, materialisation, freshness and parity, as people and scripts see them. In order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import keyring
import polars as pl
import pytest
from keyring.backend import KeyringBackend

from core.engine.client import Client, connect

from ..serving.redis_server import redis_server
from .conftest import PROJECT, call, hours

VIEWS = """\
  views:
    weather_hire:
      table: hours
      entity: [weather]
      owner: hire-desk
      description: How often hours of a weather have just come back
      event_time: begun
      available: known_at
      refresh: 1h
      tolerance: 2d
      freshness: 6h
      windows:
        weather_busy_1d: {column: bikers > 60, function: mean, over: 1d}
        weather_known_1d: {function: count, over: 1d}
    last_temp:
      table: hours
      entity: [weather]
      owner: sales
      event_time: begun
      delay: 1h
      columns: {weather_temp: "CASE WHEN temp < 0.9 THEN temp END"}
split:
"""
WORD = "quite-a-hidden-word"
END = "2011-02-28T00:00:00Z"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    root = tmp_path_factory.mktemp("features") / "bikes"
    assert call("--as", "founder", "init", str(root)).code == 0
    (root / "project").mkdir()
    second = "    strict: {trainer: logistic, settings: {c: 0.001, max_iter: 40}}\n"
    text = PROJECT.replace("split:\n", VIEWS, 1).replace(second, "")
    (root / "project" / "plimsoll.yaml").write_text(text)
    hours().write_csv(root / "project" / "hours.csv")
    here = Path.cwd()
    os.chdir(root)
    owner = connect(root, user="founder")
    try:
        done = call("--workspace", str(root), "--json", "run")
        assert done.code == 0, done.err
        yield owner
    finally:
        owner.close()
        os.chdir(here)


def run(held: Client, *words: str) -> Any:
    return call("--workspace", str(held.root), *words)


def edit(held: Client, old: str, new: str) -> None:
    file = held.root / "project" / "plimsoll.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))


def test_before_anything_was_materialised(held: Client) -> None:
    rows = {row["feature"]: row for row in run(held, "--json", "features", "list").json}
    assert rows["weather_busy_1d"]["freshness_state"] == "not materialised"
    assert rows["weather_busy_1d"]["filled"] > 0.9
    assert rows["weather_busy_1d"]["reads"] == "bikers, weather, begun, known_at"
    assert (rows["weather_busy_1d"]["models"], rows["weather_busy_1d"]["runs"]) == (1, 1)
    assert rows["weather_busy_1d"]["training_sets"] == 1
    assert rows["temp"]["view"] == ""
    none = run(held, "--json", "features", "parity", "latest")
    assert none.code == 1
    assert "nothing was materialised" in none.json["features"]["views"][0]["reason"]
    assert run(held, "features", "materialize", "planets").code == 2
    assert run(held, "features", "materialize", "--to", "some day").code == 2
    assert run(held, "features", "materialize", "--store", "a", "--target", "b").code == 2


def test_materialised_twice_only_news_are_written(held: Client) -> None:
    first = run(held, "--json", "features", "materialize", "--to", "2011-02-20").json
    assert {view["mode"] for view in first["views"]} == {"first"}
    second = run(held, "--json", "features", "materialize", "--to", END).json
    assert {view["mode"] for view in second["views"]} == {"incremental"}
    table = pl.read_csv(held.root / "project" / "hours.csv").with_columns(
        known=pl.col("begun").str.to_datetime("%Y-%m-%dT%H:%M:%SZ") + pl.duration(hours=1)
    )
    new = table.filter(pl.col("known") > datetime(2011, 2, 20), pl.col("known") <= datetime(2011, 2, 28))
    kept = new.group_by("weather").tail(64).height
    assert {view["view"]: view["rows"] for view in second["views"]}["last_temp"] == kept
    people = run(held, "features", "materialize", "--to", END)
    assert (people.code, "nothing" in people.out) == (0, True)


def test_parity_of_a_materialised_store(held: Client) -> None:
    done = run(held, "--json", "features", "parity", "latest")
    assert done.code == 0, done.out + done.err
    assert done.json["features"]["passed"] is True
    assert all(view["rows"] >= 6 for view in done.json["features"]["views"])
    assert "none differs" in run(held, "features", "parity", "latest").out


def test_freshness_is_said_with_since_when_and_kept_as_a_report(held: Client) -> None:
    fresh = run(held, "--json", "features", "freshness", "--at", "2011-02-28T01:00:00Z")
    assert (fresh.code, fresh.json["passed"]) == (0, True)
    stale = run(held, "--json", "features", "freshness", "--at", "2011-03-02")
    assert stale.code == 1
    view = next(one for one in stale.json["views"] if one["view"] == "weather_hire")
    assert (view["state"], view["stale_since"]) == ("stale", "2011-02-28T06:00:00.000000Z")
    assert view["age_s"] == 2 * 86_400
    assert (fresh.json["incidents"], stale.json["incidents"]) == (0, 1)
    assert held.ask("alerts")["cause"].to_list() == ["slo/bikes/freshness of weather_hire at workspace"]
    rows = {row["feature"]: row for row in run(held, "--json", "features", "list", "--at", "2011-03-02").json}
    assert rows["weather_busy_1d"]["freshness_state"] == "stale"
    assert rows["weather_temp"]["freshness_state"] == "no target"
    assert run(held, "features", "list", "--at", "some day").code == 2
    frame = held.ask("feature_freshness", at="2011-03-02")
    assert frame.filter(pl.col("state") == "stale").height == 1


def test_one_view_whole(held: Client) -> None:
    people = run(held, "features", "show", "weather_hire", "--at", "2011-03-02")
    assert people.code == 0, people.err
    for words in ("hire-desk", "stale", "2011-02-28T06:00:00", "bikes v1", "first seen", "Parity: equal"):
        assert words in people.out, people.out
    whole = run(held, "--json", "features", "show", "weather_hire").json
    assert [item["mode"] for item in whole["materialisations"]] == ["nothing", "incremental", "first"]
    assert whole["lineage"][0]["rows"] == 1337
    assert {item["kind"] for item in whole["usage"]} == {"training_set", "run", "model"}
    assert run(held, "features", "show", "planets").code == 2


def test_search_finds_words_in_descriptions_owners_and_columns(held: Client) -> None:
    def found(*words: str) -> list[str]:
        return [row["feature"] for row in run(held, "--json", "features", "list", "--search", " ".join(words)).json]

    assert found("HIRE-desk") == ["weather_busy_1d", "weather_known_1d"]
    assert found("known_at", "mean") == ["weather_busy_1d"]
    assert found("0.9") == ["weather_temp"]
    assert found("nowhere") == []


def test_a_changed_null_rule_is_caught_by_name_and_stands_in_the_history(held: Client) -> None:
    edit(held, "CASE WHEN temp < 0.9 THEN temp END", "CASE WHEN temp < 0.2 THEN temp END")
    edit(held, "owner: sales", "owner: sales-desk")
    held.change("project.load", {"path": str(held.root / "project")})
    done = run(held, "--json", "features", "parity", "latest", "--project")
    assert done.code == 1
    wrong = [item for view in done.json["features"]["views"] for item in view["features"] if item["mismatched"]]
    assert [item["feature"] for item in wrong] == ["weather_temp"]
    assert "columns.weather_temp" in run(held, "features", "parity", "latest", "--project").out
    assert run(held, "--json", "features", "parity", "latest").code == 0, "the model's own definition still agrees"
    history = run(held, "--json", "features", "show", "last_temp").json["history"]
    assert len(history) == 2
    assert history[0]["changes"].startswith("columns.weather_temp: CASE WHEN temp < 0.9")
    replaced = run(held, "--json", "features", "materialize", "last_temp", "--to", END).json["views"][0]
    assert (replaced["mode"], "its definition changed" in replaced["reason"]) == ("replaced", True)
    assert run(held, "--json", "features", "parity", "latest").code == 1, "the model is now served another definition"
    usage = held.ask("feature_usage", view="last_temp")
    assert usage["current"].to_list() == [False, False, False]


def test_a_store_of_ones_own(held: Client, tmp_path: Path) -> None:
    store = str(tmp_path / "own.db")
    done = run(held, "--json", "features", "materialize", "weather_hire", "--to", END, "--store", store)
    assert done.json["views"][0]["mode"] == "first"
    assert run(held, "features", "materialize", "--store", str(tmp_path)).code == 2
    assert run(held, "features", "materialize", "--store", str(tmp_path / "none" / "x.db")).code == 2
    places = held.ask("feature_freshness")["place"].unique().to_list()
    assert f"file:{store}" in places


class Ring(KeyringBackend):
    """A keyring with one secret, real as far as the code can see."""

    priority = 9.0  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        return WORD if service == "plimsoll" and username.endswith("/shared_redis") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("nothing is stored here")


def test_a_shared_redis_and_never_its_password(held: Client, tmp_path: Path) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    try:
        with redis_server(tmp_path, WORD) as url:
            there = ("--redis", url, "--secret", "shared_redis")
            done = run(held, "--json", "features", "materialize", "weather_hire", "--to", END, *there)
            assert done.code == 0, done.err
            assert (done.json["views"][0]["mode"], done.json["place"]) == ("first", "redis:" + url[8:])
            found = run(held, "--json", "features", "parity", "latest", *there).json["features"]["views"]
            assert [view["rows"] > 0 for view in found] == [True, False]
            assert not any(item["mismatched"] for item in found[0]["features"])
            assert run(held, "features", "materialize", "--redis", url).code == 4, "without the password"
            assert run(held, "features", "materialize", "--redis", url, "--secret", "other").code == 2
    finally:
        keyring.set_keyring(before)
    refused = run(held, "features", "materialize", "--redis", url.replace("//", f"//:{WORD}@"))
    assert (refused.code, WORD in refused.out + refused.err) == (2, False)
    assert run(held, "features", "materialize", "--redis", url).code == 4, "nobody answers there any more"
    files = [file for file in held.root.rglob("*") if file.is_file()]
    assert any(file.name == "store.duckdb" for file in files)
    assert [file for file in files if WORD.encode() in file.read_bytes()] == []
