"""Erasure reaches online stores, a shared Redis, and what lies on a target; what cannot be reached stays open by name.

One workspace, in order, with a real redis-server and a real sshd. The target's runtime is this very checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import core
from core.delivery.loopback import UID, LoopbackTarget, loopback_target
from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.serving.online import OnlineStore
from core.serving.online_redis import RedisStore

from ..faults.orders import PASSPHRASE
from ..serving.redis_server import redis_server
from .people_project import in_store, name_of, placed, places_of, walk, write_people

VIEW = """  views:
    habits:
      table: orders
      entity: [customer]
      event_time: known
      refresh: 1d
      windows: {orders_30d: {function: count, over: 30d}}
    rooms:
      table: orders
      entity: [colour]
      event_time: known
      columns: {last_buyer: customer}
split:
"""
GONE, LATER = name_of(17), name_of(18)
END = "2020-03-01"


class Site:
    """The workspace, its target and its Redis."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.root = folder / "workspace"
        found_workspace(self.root, "founder", PASSPHRASE)
        project = write_people(folder / "project")
        file = project / "plimsoll.yaml"
        file.write_text(file.read_text().replace("split:\n", VIEW, 1))
        self.client: Client = connect(self.root, user="founder", passphrase=PASSPHRASE)
        stack.callback(self.client.close)
        walk(self.client, project, "table:events")
        self.client.change("user.add", {"name": "olga", "roles": ["operator", "analyst"]}, passphrase=PASSPHRASE)
        self.olga = connect(self.root, user="olga", passphrase=PASSPHRASE)
        stack.callback(self.olga.close)
        self.redis = stack.enter_context(redis_server(folder))
        self.host = ExitStack()
        self.elsewhere = Path(tempfile.mkdtemp(prefix="plimsoll-places-"))  # where the target's user may look
        stack.callback(shutil.rmtree, self.elsewhere, ignore_errors=True)
        self.target = self.start_target()
        self.there = Path(self.target.folder) / "home" / "root"

    def start_target(self) -> LoopbackTarget:
        target = self.host.enter_context(loopback_target("edge", folder=self.elsewhere))
        self.olga.change("target.add", {"spec": target.spec.plain()})
        return target

    def erase(self, who: str) -> dict[str, Any]:
        asked = {"table": "customers", "column": "customer", "value": who}
        plan = self.client.wait(self.client.change("privacy.search", asked)["job"])["plan"]
        done = self.client.change("privacy.erase", {"plan": plan, "reason": "asked"}, passphrase=PASSPHRASE)
        for job in self.client.change("privacy.reach", {})["jobs"]:
            self.client.wait(job)
        return done

    def states(self, erasure: str) -> dict[str, str]:
        frame = self.client.ask("erasure_places", erasure=erasure)
        return dict(zip(frame["place"], frame["state"], strict=True))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        made = Site(tmp_path_factory.mktemp("places"), stack)
        _furnish(made)
        yield made
        made.host.close()


def _furnish(site: Site) -> None:
    """A runtime, prediction logs and an online store on the target, as a delivered release leaves them."""
    runtime = site.there / "runtimes" / "here"
    runtime.mkdir(parents=True)
    (runtime / "complete.json").write_text("{}")
    (runtime / "core").symlink_to(Path(core.__file__).parent)
    (runtime / "site").symlink_to(sysconfig.get_path("purelib"))
    (site.there / "runtimes" / "current").symlink_to("here")
    for name in ("logs", "state", "online", "incoming", "releases"):
        (site.there / name).mkdir(exist_ok=True)
    write_log(site, 1, placed().head(400))
    with closing(OnlineStore(site.there / "online" / "features.db")) as store:
        store.upsert("habits", [(1.0, (name_of(number),), {"orders_30d": number}) for number in range(150)])
    _own(site)


def _own(site: Site) -> None:
    """All of it belongs to the user of the target."""
    if site.target.separated:
        for path in [site.there, *site.there.rglob("*")]:
            os.chown(path, UID, UID, follow_symlinks=False)


def write_log(site: Site, number: int, orders: pl.DataFrame) -> None:
    lines = [
        {
            "prediction_id": f"p{number}-{row['order_id']}",
            "at": "2020-03-01T00:00:00Z",
            "key": {"order_id": row["order_id"]},
            "fields": {"customer": "(masked)" if place % 2 else row["customer"], "size": row["size"]},
            "view": {},
            "probability": 0.5,
            "decision": True,
            "status": "ok",
        }
        for place, row in enumerate(orders.iter_rows(named=True))
    ]
    file = site.there / "logs" / f"predictions-{number:08d}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def orders_of(who: str, frame: pl.DataFrame | None = None) -> list[str]:
    return sorted((placed() if frame is None else frame).filter(pl.col("customer") == who)["order_id"])


def collected(site: Site) -> int:
    return int(site.olga.wait(site.olga.change("monitor.collect", {"target": "edge"})["job"])["rows"])


def bytes_there(site: Site) -> bytes:
    return b"".join(
        file.read_bytes() for file in site.there.rglob("*") if file.is_file() and "runtimes" not in file.parts
    )


def in_redis(site: Site, who: str) -> bool:
    with closing(RedisStore(site.redis, "parcels")) as store:
        keys = list(store._redis.scan_iter(match="*"))
        held = [key + b"".join(store._redis.zrange(key, 0, -1)) for key in keys if b"#" in key]
    assert held
    return any(who.encode() in data for data in held)


def test_everywhere_it_was_delivered_the_person_is_gone(site: Site) -> None:
    first = placed().head(400)
    for place in ({}, {"redis": site.redis}):
        done = site.olga.wait(site.olga.change("features.materialize", {"to": END, **place})["job"])
        assert done["rows"] > 100
    assert collected(site) == 400
    write_log(site, 2, placed().slice(400, 400))
    _own(site)
    assert orders_of(GONE, first)
    assert orders_of(GONE, placed().slice(400, 400))
    assert GONE.encode() in bytes_there(site)
    assert in_redis(site, GONE)
    assert any("/online/" in file for file in places_of(site.root, [GONE]))
    done = site.erase(GONE)
    assert len(done["places"]) == 3
    assert site.states(done["erasure"]) == dict.fromkeys(done["places"], "done")
    everything = [GONE, *orders_of(GONE)]
    assert places_of(site.root, everything) == []
    assert not any(text.encode() in bytes_there(site) for text in everything)
    assert not in_redis(site, GONE)
    with closing(OnlineStore(site.there / "online" / "features.db")) as store:
        assert store.count("habits") == (149, 149)
    assert in_redis(site, LATER)


def test_what_was_not_collected_yet_comes_once_and_without_them(site: Site) -> None:
    second = placed().slice(400, 400)
    assert collected(site) == 400 - len(orders_of(GONE, second))
    assert collected(site) == 0
    assert places_of(site.root, [GONE, *orders_of(GONE)]) == []
    assert site.client.ask("ledger_verify")["problems"] == []


def test_a_target_that_is_away_is_named_and_carried_out_later(site: Site) -> None:
    site.host.close()
    done = site.erase(LATER)
    erasure = done["erasure"]
    states = site.states(erasure)
    assert states.pop("target:edge") == "open"
    assert set(states.values()) == {"done"}
    found = site.client.ask("erasure_proof", id=erasure)
    assert found["valid"]
    assert [line.partition(": ")[0] for line in found["open"]] == ["target:edge"]
    assert "target:edge" in found["statement"]["places"]
    assert site.client.ask("erasures").row(0, named=True)["open"] == ["target:edge"]
    assert len(list((site.root / "open-erasures").iterdir())) == 1
    assert places_of(site.root, [LATER, *orders_of(LATER)]) == []  # what waits is sealed
    assert in_store(site.root, [LATER, *orders_of(LATER)]) == []
    assert LATER.encode() in bytes_there(site)
    site.host = ExitStack()
    site.target = site.start_target()
    collected(site)  # the next contact, whatever it is for
    for job in site.client.change("privacy.reach", {})["jobs"]:
        site.client.wait(job)
    assert set(site.states(erasure).values()) == {"done"}
    assert LATER.encode() not in bytes_there(site)
    assert list((site.root / "open-erasures").iterdir()) == []
    assert site.client.ask("erasure_proof", id=erasure)["open"] == []
    assert site.client.ask("ledger_verify")["problems"] == []
