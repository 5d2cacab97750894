"""SIGKILL at seeded moments of ingestion, of the worker and of the owner: no row is lost, none is there twice.

Ten moments in a run of the suite; with those of backfill and erasure that makes 30. ``PLIMSOLL_KILLS=30`` asks
for more.

Three growing sources (a folder, a SQLite table, a Redis stream) get rows while they are ingested, by one
owner in this process whose workers are killed, and at times by an owner of its own that is killed itself.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import keyring
import polars as pl
import psutil
import pytest
import redis

from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.kernel.errors import SystemFault

from ..engine.ingestion import FRAME, holding, newest, source_yaml, take
from ..identity.test_secrets import Memory
from ..servers import PASSWORD, redis_server
from .orders import PASSPHRASE

KILLS = int(os.environ.get("PLIMSOLL_KILLS", "10"))
OWNER_KILLS = 3
KINDS = ("folder", "sql", "stream")


class Direct:
    """An engine in this process with one worker, asked as a client asks."""

    def __init__(self, root: Path) -> None:
        self.engine = Engine(root, slots=1)
        self.token = self.engine.login("founder", PASSPHRASE)

    def change(self, name: str, request: dict[str, Any], passphrase: str | None = None) -> dict[str, Any]:
        """Carry out an operation."""
        return self.engine.change(self.token, name, request, passphrase, None)

    def ask(self, name: str, **params: Any) -> Any:
        """Answer a question."""
        return self.engine.ask(self.token, name, params)

    def pause(self, seconds: float) -> None:
        """Wait."""
        threading.Event().wait(seconds)

    def close(self) -> None:
        """Stop work and close the store."""
        self.engine.close()


class Shop:
    """The three sources, and how many rows each holds by now."""

    def __init__(self, project: Path, port: int, dice: random.Random) -> None:
        self.project, self.dice = project, dice
        self.rows: Counter[str] = Counter()
        (project / "in").mkdir(parents=True)
        self.server = redis.Redis(port=port, password=PASSWORD)
        self.table = sqlite3.connect(project / "shop.db", isolation_level=None)
        self.table.execute("PRAGMA synchronous = OFF")
        self.table.execute("CREATE TABLE rides (id INTEGER, at TEXT, bikers INTEGER)")
        url = f"redis://127.0.0.1:{port}/0"
        sources = {
            "folder": {"kind": "folder", "path": "in", "pattern": "*.csv"},
            "sql": {"kind": "sql", "url": "sqlite:shop.db", "table": "rides", "watermark": "id"},
            "stream": {"kind": "stream", "url": url, "stream": "rides", "secret": "redis"},
        }
        text = source_yaml(sources) + FRAME.replace("table: rides", "table: folder")
        (project / "plimsoll.yaml").write_text(text)
        for kind in KINDS:
            self.add(kind, 30_000)

    def add(self, kind: str, count: int) -> None:
        """New rows, numbered on."""
        first = self.rows[kind]
        rows = [(n, f"2024-01-01T{n % 24:02d}:00:00Z", n % 977) for n in range(first, first + count)]
        if kind == "folder":
            for number in range(0, count, 10_000):
                frame = pl.DataFrame(rows[number : number + 10_000], schema=["id", "at", "bikers"], orient="row")
                frame.write_csv(self.project / "new.csv.part")
                (self.project / "new.csv.part").replace(self.project / "in" / f"{first + number:08d}.csv")
        elif kind == "sql":
            self.table.execute("BEGIN")
            self.table.executemany("INSERT INTO rides VALUES (?, ?, ?)", rows)
            self.table.execute("COMMIT")
        else:
            pipe = self.server.pipeline(transaction=False)
            for row in rows:
                pipe.xadd("rides", dict(zip(("id", "at", "bikers"), row, strict=True)))
            pipe.execute()
        self.rows[kind] += count

    def close(self) -> None:
        """Let go."""
        self.server.close()
        self.table.close()


@pytest.mark.slow(150)
@pytest.mark.timeout(900)
def test_no_row_is_lost_and_none_is_there_twice(tmp_path: Path) -> None:
    dice = random.Random(int(os.environ.get("PLIMSOLL_KILL_SEED", "2013")))
    root, project = tmp_path / "workspace", tmp_path / "project"
    found_workspace(root, "founder", PASSPHRASE)
    with redis_server() as port:
        shop = Shop(project, port, dice)
        kills = Counter[str]()
        for _ in range(OWNER_KILLS):
            kills["owner"] += kill_owner(root, shop, dice)
        with memory_keyring(), closing(Direct(root)) as client:
            client.change("secret.set", {"name": "redis"}, passphrase=PASSWORD)
            spans = {kind: check(client, shop, kind) for kind in KINDS}
            while kills.total() < KILLS:
                kind = dice.choice(KINDS)
                shop.add(kind, dice.randrange(1, 6000))
                kills[kind] += kill_worker(client, shop, kind, dice, spans)
            for kind in KINDS:
                check(client, shop, kind)
            report = client.ask("ledger_verify")
            assert report["ok"], report["problems"]
        shop.close()
    assert all(kills[kind] >= KILLS // 10 for kind in KINDS), kills
    assert holding(root, PASSWORD.encode()) == []


@contextmanager
def memory_keyring() -> Iterator[None]:
    """A keyring, once the station has its key in a file: an owner of its own has no keyring."""
    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    yield
    keyring.set_keyring(before)


def kill_worker(client: Any, shop: Shop, kind: str, dice: random.Random, spans: dict[str, float]) -> int:
    """Kill the workers some time into an ingestion, and look at what the next one makes of it; 1 if it was cut."""
    began = time.monotonic()
    timer = threading.Timer(dice.uniform(0, spans[kind]), kill_workers)
    timer.start()
    try:
        take(client, shop.project, name=kind)
        spans[kind] = time.monotonic() - began  # it was over before, or its worker was not there yet
        return 0
    except SystemFault as fault:
        if "worker process" not in fault.headline:
            raise
        if dice.random() < 0.3:
            check(client, shop, kind)
        return 1
    finally:
        timer.cancel()
        timer.join()


def kill_workers() -> None:
    """SIGKILL every worker of this process."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # one that was killed before and is not yet waited for
            if "core.engine.worker" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)


def kill_owner(root: Path, shop: Shop, dice: random.Random) -> int:
    """Kill an owner of its own some time into an ingestion; its workers end by themselves. 1 if it was cut."""
    program = [sys.executable, str(Path(__file__).with_name("ingest_owner.py")), str(root), str(shop.project)]
    owner = subprocess.Popen([*program, "folder", "sql"], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "open\n"
    try:
        owner.wait(timeout=dice.uniform(0.2, 3.0))
    except subprocess.TimeoutExpired:
        workers = psutil.Process(owner.pid).children()
        owner.kill()
        owner.wait(timeout=20)
        assert not psutil.wait_procs(workers, timeout=20)[1]
    owner.stdout.close()
    return int(owner.returncode == -signal.SIGKILL)


def check(client: Any, shop: Shop, kind: str) -> float:
    """An ingestion that nobody disturbs: every row is there, once, in order; the seconds it took."""
    began = time.monotonic()
    take(client, shop.project, name=kind)
    seconds = time.monotonic() - began
    assert newest(client, kind)["id"].to_list() == list(range(shop.rows[kind])), kind
    return seconds
