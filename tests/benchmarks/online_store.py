"""Look-ups and bulk loads of the online store with a million keys, against a bare SQLite table in the same run.

Run by hand: ``python tests/benchmarks/online_store.py [KEYS]``. The floor is one ``SELECT`` by primary key in a
plain table of (key, JSON). *Disk* asks while the system has forgotten the file's pages, *first* for keys that the
process never asked for, *again* for the same keys once more. Redis is a real server that the benchmark starts.
On a busy machine the wall clock's 99th percentile is the scheduler's, and the thread's own CPU counts.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

import orjson  # noqa: E402

from core.serving.online import OnlineStore, entity_bytes  # noqa: E402
from core.serving.online_records import FeatureStore, Mark, Row, Step  # noqa: E402

ASKED = 20_000
BATCH = 50_000
AT = 1_700_000_000.0
Figures = tuple[float, float, float, float]


def rows(first: int, count: int) -> list[Row]:
    """Rows with ten features, as a view of aggregates has them."""
    return [(AT, (f"customer-{number:08d}",), values(number)) for number in range(first, first + count)]


def values(number: int) -> dict[str, float]:
    return {f"feature_{place}": (number * 31 + place) / 7 for place in range(10)}


def cpu(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def load(store: FeatureStore, keys: int) -> None:
    for first in range(0, keys, BATCH):
        count = min(BATCH, keys - first)
        mark = Mark(until=AT, since=AT, version="v", state="s") if first + count >= keys else None
        store.load("customers", Step(plan="p", first=first, replace=True, mark=mark), rows(first, count))


def floor_load(path: Path, keys: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("CREATE TABLE kv (key BLOB PRIMARY KEY, data BLOB) WITHOUT ROWID")
        for first in range(0, keys, BATCH):
            some = rows(first, min(BATCH, keys - first))
            db.execute("BEGIN")
            packed = [(entity_bytes(key), orjson.dumps(data)) for _, key, data in some]
            db.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", packed)
            db.execute("COMMIT")


def timed(ask: Callable[[str], object], keys: list[str]) -> Figures:
    """Median and 99th percentile of the wall clock, 99th percentile and mean of this thread's CPU, in microseconds."""
    took, spent = [], []
    for key in keys:
        began, cpu_began = time.perf_counter(), time.thread_time()
        found = ask(key)
        spent.append(time.thread_time() - cpu_began)
        took.append(time.perf_counter() - began)
        assert found is not None
    mean = sum(spent) / len(spent)
    took.sort()
    spent.sort()
    high = int(len(took) * 0.99)
    return took[len(took) // 2] * 1e6, took[high] * 1e6, spent[high] * 1e6, mean * 1e6


def report(name: str, figures: Figures, floor: Figures | None = None) -> None:
    wall, high, cpu_high, mean = figures
    ratio = f"  median {wall / floor[0]:5.2f}x, CPU {mean / floor[3]:5.2f}x of the floor" if floor else ""
    print(f"{name:<20} p50 {wall:7.1f} µs  p99 {high:8.1f} µs  CPU: p99 {cpu_high:7.1f} µs, mean {mean:6.1f} µs{ratio}")


def drop_caches(path: Path) -> None:
    """Ask the system to forget the file's pages, so that cold means the disk."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def measure_files(folder: Path, keys: int, asked: list[str]) -> Figures:
    bare = folder / "floor.db"
    seconds = cpu(lambda: floor_load(bare, keys))
    store = OnlineStore(folder / "store.db")
    own = cpu(lambda: load(store, keys))
    store.close()
    print(
        f"bulk load: floor {keys / seconds:,.0f} rows a CPU second, file store {keys / own:,.0f} ({own / seconds:.2f}x)"
    )
    size, floor_size = (folder / "store.db").stat().st_size, bare.stat().st_size
    print(f"size: floor {floor_size / 2**20:.0f} MiB, file store {size / 2**20:.0f} MiB")
    drop_caches(bare)
    drop_caches(folder / "store.db")
    with closing(sqlite3.connect(bare, isolation_level=None)) as db:

        def select(key: str) -> object:
            (data,) = db.execute("SELECT data FROM kv WHERE key = ?", (entity_bytes([key]),)).fetchone()
            return orjson.loads(data)

        floor_disk, floor = timed(select, asked), timed(select, asked)
    report("bare SELECT, disk", floor_disk)
    report("bare SELECT, first", floor)
    report("file store, disk", asked_of(folder, asked), floor_disk)
    report("file store, first", asked_of(folder, asked), floor)
    report("file store, again", asked_of(folder, asked, before=True), floor)
    return floor


def asked_of(folder: Path, asked: list[str], *, before: bool = False) -> Figures:
    """Look-ups in a store that was just opened; ``before``: every key was asked for once before."""
    store = OnlineStore(folder / "store.db")

    def ask(key: str) -> object:
        return store.lookup("customers", [key], AT + 1)

    if before:
        timed(ask, asked)
    figures = timed(ask, asked)
    store.close()
    return figures


def measure_redis(folder: Path, keys: int, asked: list[str], floor: Figures) -> None:
    from core.serving.online_redis import RedisStore

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        store = connected(RedisStore, port)
        began = time.perf_counter()
        own = cpu(lambda: load(store, keys))
        wall = time.perf_counter() - began
        print(f"bulk load: Redis {keys / own:,.0f} rows a CPU second of ours, {keys / wall:,.0f} rows a second in all")
        report("Redis, first", timed(lambda key: store.lookup("customers", [key], AT + 1), asked), floor)
        report("Redis, again", timed(lambda key: store.lookup("customers", [key], AT + 1), asked), floor)
        store.close()
    finally:
        server.terminate()
        server.wait(timeout=30)


def connected(kind: Callable[[str, str], FeatureStore], port: int) -> FeatureStore:
    from threading import Event

    from core.kernel.errors import SystemFault

    for _ in range(100):
        try:
            return kind(f"redis://127.0.0.1:{port}/0", "benchmark")
        except SystemFault:
            Event().wait(0.1)
    raise SystemExit("redis-server did not start")


def main() -> None:
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rng = random.Random(3)
    asked = [f"customer-{number:08d}" for number in rng.sample(range(keys), min(ASKED, keys))]
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        floor = measure_files(Path(name), keys, asked)
        if shutil.which("redis-server"):
            measure_redis(Path(name), keys, asked, floor)
        else:
            print("redis-server is not installed: left out")


if __name__ == "__main__":
    main()
