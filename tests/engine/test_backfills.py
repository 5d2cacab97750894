"""Backfill through the engine and the command: a snapshot with its lineage, held against the first computation."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.kernel.errors import InputError, NotFound

PASSPHRASE = "a good long passphrase"
ORDERS = Path(__file__).parents[1] / "faults" / "orders.yaml"
VIEW = """\
  views:
    colours:
      table: events
      entity: [colour]
      owner: tests
      event_time: placed
      available: known
      refresh: 1h
      windows:
        colour_days: {column: days, function: mean, over: 3d}
        colour_orders: {function: rate, over: 1d, per: 1h}
    shades: {table: events, entity: [colour], event_time: placed, columns: {shade_size: size}}
    sizes: {table: orders, entity: [order_id], static: true, columns: {size_again: size}}
split:
"""


def orders(days_of_first: int = 1) -> pl.DataFrame:
    rows = range(600)
    start = pl.datetime(2020, 1, 1)
    frame = pl.DataFrame({"n": rows}).select(
        order_id=pl.format("o{}", "n"),
        placed=start + pl.duration(hours=2 * pl.col("n")),
        colour=pl.when(pl.col("n") % 3 == 0).then(pl.lit("red")).otherwise(pl.lit("blue")),
        size=pl.col("n") % 7,
        days=pl.when(pl.col("n") == 0).then(days_of_first).otherwise(1 + pl.col("n") % 5),
    )
    known = (pl.col("placed") + pl.duration(days=pl.col("days"))).alias("known")
    return frame.with_columns(known).with_columns(pl.col("placed", "known").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("backfills")
    project = tmp_path / "project"
    project.mkdir()
    (project / "plimsoll.yaml").write_text(ORDERS.read_text().replace("split:\n", VIEW, 1))
    orders().write_csv(project / "orders.csv")
    found_workspace(tmp_path / "workspace", "founder", PASSPHRASE)
    return tmp_path


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[Client]:
    held = connect(place / "workspace", user="founder", passphrase=PASSPHRASE)
    build(held, place)
    yield held
    held.close()


def build(held: Client, place: Path) -> None:
    held.change("project.load", {"path": str(place / "project")})
    run = held.change("pipeline.run", {"last": "table:events"})["pipeline"]
    while (view := held.ask("pipeline", id=run))["state"] == "running":
        held.pause(0.05)
    assert view["state"] == "done", view["error"]


def backfilled(held: Client, **request: Any) -> dict[str, Any]:
    period = {"since": "2020-01-05", "until": "2020-01-15"}
    return held.wait(held.change("features.backfill", {"view": "colours", **period, **request})["job"])


def test_wrong_requests_are_refused_with_the_reason(client: Client) -> None:
    with pytest.raises(InputError, match="static"):
        backfilled(client, view="sizes")
    with pytest.raises(NotFound, match="no view 'colors'"):
        backfilled(client, view="colors")
    with pytest.raises(InputError, match="ends before it begins"):
        backfilled(client, until="2020-01-05")
    with pytest.raises(InputError, match="'yesterday' is not a time"):
        backfilled(client, since="yesterday")


def plimsoll(place: Path, *words: str) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", "--json", "--workspace", str(place / "workspace"), *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_backfill_is_made_of_the_views_table(client: Client) -> None:
    made = backfilled(client, view="shades")
    assert made["values"] > 50
    assert client.ask("backfills", view="shades")["snapshot"].to_list() == [made["snapshot"]]
    edges = client.ask("lineage", node=made["snapshot"], depth=1)["edges"]
    assert [(end, role) for _, end, role in edges] == [(made["snapshot"], "backfill")]


def test_days_are_kept_and_equal_their_first_computation(client: Client, place: Path) -> None:
    first = backfilled(client)
    assert (first["new"], first["equal"], first["different"], first["partitions"]) == (10, 0, [], 10)
    again = backfilled(client, since="2020-01-10", until="2020-01-20")
    assert (again["new"], again["equal"], again["different"]) == (5, 5, [])
    assert backfilled(client)["equal"] == 10
    assert backfilled(client, by="month")["new"] == 1

    pl.concat([orders(), orders().tail(1).with_columns(order_id=pl.lit("o600"))]).write_csv(
        place / "project/orders.csv"
    )
    build(client, place)
    assert backfilled(client)["equal"] == 10, "one row more at the end changes no day before it"
    orders(days_of_first=4).write_csv(place / "project/orders.csv")
    build(client, place)
    changed = backfilled(client)
    assert changed["passed"] is False
    assert changed["different"][0] == "2020-01-05T00:00:00.000000Z"
    assert 1 <= len(changed["different"]) < 10

    code, said = plimsoll(place, "features", "backfill", "colours", "--from", "2020-01-05", "--to", "2020-01-15")
    assert (code, said["passed"], said["different"]) == (1, False, changed["different"])
    shown = plimsoll(place, "features", "show", "colours")[1]["backfilled"]
    assert [item["different"] > 0 for item in shown] == [True, True, False, False, False, False, False]
    assert client.ask("backfills", view="colours").height == 7
