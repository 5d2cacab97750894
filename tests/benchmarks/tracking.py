"""Tracking against its floors: batches, single durable points, the door, reading back, and search over many runs.

Run it as ``python tests/benchmarks/tracking.py [RUNS]`` (100,000 runs where none are named; ``--peer PYTHON`` names an
interpreter that has the whole of MLflow: its own server is measured beside the door, and its SQLite store, by its own
client in a process of its own, beside our batches). Floors are taken in the same run: a bare DuckDB append of the same
Arrow tables, the bare query over the same tables. Ratios count, not figures.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import duckdb
import httpx
import numpy as np
import polars as pl

from core.engine.actors import ENGINE
from core.engine.context import Context, Done
from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.tracking.committer import Committer
from core.engine.tracking.door import Door, make_default
from core.engine.tracking.draft import Draft
from core.store.metrics import read_points
from core.store.run_query import parse
from core.store.run_search import Search, search

POINTS, ROUNDS = 100_000, 5


def say(text: str) -> None:
    """One line of figures."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds of one call, all threads together: the wall clock tells of the machine's other guests too."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ratio_of(ours: Callable[[], Any], floor: Callable[[], Any], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Median seconds of both, turn by turn after a first that does not count, and the median of the ratios."""
    pairs = [(timed(ours), timed(floor)) for _ in range(rounds + 1)][1:]
    return (
        statistics.median(one for one, _ in pairs),
        statistics.median(two for _, two in pairs),
        statistics.median(one / two for one, two in pairs),
    )


def points_of(count: int, run: str) -> pl.DataFrame:
    """Points of ten curves, as a client logs them."""
    number = np.arange(count)
    values = np.random.default_rng(7).normal(size=count)
    return pl.DataFrame(
        {
            "run": [run] * count,
            "name": pl.Series([f"metric_{one}" for one in range(10)]).gather(number % 10),
            "step": number // 10,
            "value": values,
            "ms": 1_790_000_000_000 + number,
        }
    )


def new_run(engine: Engine) -> str:
    """A run to log to."""
    made = engine.dispatcher.change("tracking.create_run", {"experiment": "0", "name": "bench"}, ENGINE)
    return str(made["run"])


def keep_points(engine: Engine, frame: pl.DataFrame) -> None:
    """One batch through the one door for change."""

    def keep(context: Context) -> Done:
        draft = Draft(context)
        draft.points(frame)
        draft.keep()
        return Done(summary=f"{frame.height} points")

    engine.dispatcher.carry_out("bench.points", "track.log", ENGINE, keep)


def batches(engine: Engine, folder: Path) -> None:
    """Points in batches through the one door for change against a bare append."""
    for size in (50_000, 10_000, 1_000):
        run = new_run(engine)
        frames = [points_of(POINTS, run).slice(start, size) for start in range(0, POINTS, size)]
        bare = duckdb.connect(str(folder / f"bare{size}.duckdb"), config={"threads": 2})
        bare.execute("CREATE TABLE p (batch VARCHAR, run VARCHAR, name VARCHAR, step BIGINT, value DOUBLE, ms BIGINT)")

        def ours(frames: list[pl.DataFrame] = frames) -> None:
            for frame in frames:
                keep_points(engine, frame)

        def floor(frames: list[pl.DataFrame] = frames, bare: duckdb.DuckDBPyConnection = bare) -> None:
            for frame in frames:
                bare.register("incoming", frame.to_arrow())
                bare.execute("INSERT INTO p SELECT 'b', * FROM incoming")
                bare.unregister("incoming")

        mine, least, ratio = ratio_of(ours, floor)
        bare.close()
        say(
            f"{POINTS:,} points in batches of {size:,}: {POINTS / mine:,.0f}/s, bare append {POINTS / least:,.0f}/s: "
            f"{ratio:.1f} times its time"
        )


def single_points(engine: Engine) -> None:
    """Single points of many callers, each acknowledged when it is durable."""
    run, token = new_run(engine), engine.login("", None)
    committer = Committer(lambda who, name, request: engine.change(who, name, request, None, None))
    count, window = 40_000, 2_000

    def log() -> None:
        free: queue.SimpleQueue[None] = queue.SimpleQueue()  # the callers that do not wait for a point of their own
        for _ in range(window):
            free.put(None)
        for number in range(count):
            free.get()
            write = {"run": run, "names": ["loss"], "values": [1.0], "steps": [number], "times": [number]}
            committer.log(token, write).add_done_callback(lambda _: free.put(None))
        for _ in range(window):
            free.get()

    log()
    start = time.perf_counter()
    cpu = timed(log)
    wall = time.perf_counter() - start
    committer.close()
    say(f"single durable points of {window:,} callers: {count / cpu:,.0f} a CPU second, {count / wall:,.0f}/s by wall")


def body_of(run: str, first: int) -> dict[str, Any]:
    """A batch as MLflow's client sends it: 1,000 points."""
    points = [{"key": f"m{n % 10}", "value": n * 0.5, "timestamp": 1000 + n, "step": first + n} for n in range(1000)]
    return {"run_id": run, "metrics": points}


def post_batches(url: str, count: int) -> float:
    """Points a second of a client that posts batches of 1,000, one after the other."""
    with httpx.Client(base_url=f"{url}/api/2.0/mlflow", timeout=120, trust_env=False) as web:
        made = web.post("/runs/create", json={"experiment_id": "0", "start_time": 1})
        run = made.json()["run"]["info"]["run_id"]
        assert web.post("/runs/log-batch", json=body_of(run, 0)).status_code == 200
        start = time.perf_counter()
        for number in range(count):
            answer = web.post("/runs/log-batch", json=body_of(run, 1000 * number))
            assert answer.status_code == 200, answer.text
        return 1000 * count / (time.perf_counter() - start)


def beside_mlflow(engine: Engine, door: Door, peer: str, folder: Path) -> None:
    """Batches over HTTP beside MLflow's own server, and in one process beside its own store, where there is a peer."""
    ours = post_batches(door.url, 60)
    if not peer:
        say(f"batches of 1,000 over HTTP: {ours:,.0f} points/s (MLflow not measured: name one by --peer)")
        return
    with mlflow_server(peer, folder) as url:
        server = post_batches(url, 10)
    say(f"batches of 1,000 over HTTP: {ours:,.0f} points/s, MLflow's server {server:,.0f}/s: {ours / server:.0f} times")
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    store = [peer, "-W", "ignore", "-c", STORE, f"sqlite:///{folder / 'store.db'}"]
    told = subprocess.run(store, env=environment, capture_output=True, text=True, check=True, timeout=300).stdout
    wall, cpu = (float(one) for one in told.split()[-2:])
    say(f"MLflow's SQLite store by its own client, batches of 1,000: {wall:,.0f}/s by wall, {cpu:,.0f} a CPU second")
    for size in (1_000, 50_000):
        run, count = new_run(engine), 60 if size == 1_000 else 4
        frames = [points_of(size * count, run).slice(size * number, size) for number in range(count)]
        keep_points(engine, frames[0])
        start, used = time.perf_counter(), time.process_time()
        for frame in frames:
            keep_points(engine, frame)
        mine, work = (
            size * count / (now - then) for now, then in ((time.perf_counter(), start), (time.process_time(), used))
        )
        say(
            f"ours in batches of {size:,}: {mine:,.0f}/s by wall, {work:,.0f} a CPU second: {mine / wall:.0f} and "
            f"{work / cpu:.0f} times MLflow's store, {mine / server:.0f} times its server"
        )


STORE = """import sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric
client = MlflowClient(sys.argv[1])
run = client.create_run(client.create_experiment("bench")).info.run_id
batch = lambda first: [Metric(f"m{n % 10}", n * 0.5, 1000 + n, first + n) for n in range(1000)]
made = [batch(1000 * number) for number in range(11)]
client.log_batch(run, metrics=made[0])
wall, cpu = time.perf_counter(), time.process_time()
for one in made[1:]:
    client.log_batch(run, metrics=one)
print(10_000 / (time.perf_counter() - wall), 10_000 / (time.process_time() - cpu))
"""


@contextlib.contextmanager
def mlflow_server(python: str, folder: Path) -> Iterator[str]:
    """MLflow's own server on SQLite, one worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = f"sqlite:///{folder / 'peer.db'}"
    command = [python, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(port), "--workers", "1"]
    with (folder / "peer.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    url, pause = f"http://127.0.0.1:{port}", threading.Event()
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                    break
            pause.wait(0.2)
        yield url
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)


def read_back(engine: Engine) -> None:
    """All points of a run against the bare query."""
    run = new_run(engine)
    keep_points(engine, points_of(POINTS, run))
    bare = "SELECT name, step, value FROM metric_point WHERE run = $run ORDER BY name, step"
    mine, least, ratio = ratio_of(
        lambda: read_points(engine.workspace.database, run),
        lambda: engine.workspace.database.cursor().execute(bare, {"run": run}).pl(),
        rounds=9,
    )
    say(f"{POINTS:,} points read back: {1000 * mine:.0f} ms, bare query {1000 * least:.0f} ms: {ratio:.2f} times")


def many_runs(engine: Engine, count: int, first: int) -> None:
    """Runs with ten parameters, three tags and four metrics each; the first of them has 12,000 metric names."""
    dice = np.random.default_rng(3)
    size = 10_000
    for start in range(first, first + count, size):
        ids = [f"run-{number:07d}" for number in range(start, min(start + size, first + count))]
        depth, auc = dice.integers(1, 12, len(ids)), dice.random(len(ids))

        def keep(context: Context, ids: list[str] = ids, depth: Any = depth, auc: Any = auc) -> Done:
            draft = Draft(context)
            for number, id in enumerate(ids):
                draft.thing("run", id, parent="0", name=f"run {number}", ms=1_790_000_000_000 + number)
                draft.note(id, "state", "status", "FINISHED")
                draft.note(id, "param", "depth", str(depth[number]))
                for other in range(9):
                    draft.note(id, "param", f"p{other}", f"v{(number + other) % 7}")
                draft.note(id, "tag", "team", f"team {number % 5}")
            names = ["auc", "loss", "f1", "brier"]
            draft.points(
                pl.DataFrame(
                    {
                        "run": np.repeat(ids, len(names)),
                        "name": names * len(ids),
                        "value": np.repeat(auc, len(names)),
                    }
                )
            )
            draft.keep()
            return Done(summary=f"{len(ids)} runs")

        engine.dispatcher.carry_out("bench.runs", "track.log", ENGINE, keep)
    wide = pl.DataFrame({"run": [f"run-{first:07d}"] * 12_000, "name": [f"wide{n}" for n in range(12_000)]})

    def keep_wide(context: Context) -> Done:
        draft = Draft(context)
        draft.points(wide.with_columns(value=1.0))
        draft.keep()
        return Done(summary="wide")

    engine.dispatcher.carry_out("bench.runs", "track.log", ENGINE, keep_wide)


BARE = """SELECT t.id, t.name, t.ms, a.v AS auc, d.v AS depth FROM tracked t
    JOIN (SELECT run, arg_max(value, step) AS v FROM metric_point WHERE name = 'auc' GROUP BY run) a ON a.run = t.id
    JOIN (SELECT subject, arg_max(value, seq) AS v FROM tracked_note WHERE kind = 'param' AND name = 'depth'
          GROUP BY subject) d ON d.subject = t.id
    JOIN (SELECT subject, arg_max(value, seq) AS v FROM tracked_note WHERE kind = 'tag' AND name = 'team'
          GROUP BY subject) g ON g.subject = t.id
    JOIN (SELECT subject, arg_max(value, seq) AS v FROM tracked_note WHERE kind = 'state' AND name = 'status'
          GROUP BY subject) s ON s.subject = t.id
    WHERE t.kind = 'run' AND a.v > 0.9 AND TRY_CAST(d.v AS DOUBLE) = 6 AND g.v LIKE '%3' ORDER BY a.v DESC LIMIT 100"""


def searched(engine: Engine, count: int) -> None:
    """A search of three conditions, ordered by a metric, with two columns."""
    query = parse("metrics.auc > 0.9 and params.depth = 6 and tags.team like '%3'")
    wanted = Search(
        query=query, columns=[("metric", "auc"), ("param", "depth")], order=[("metric", "auc", "desc")], limit=100
    )
    cursor = engine.workspace.database.cursor()
    assert search(cursor, wanted)["run"].to_list()[:5] == cursor.execute(BARE).pl()["id"].to_list()[:5]
    mine, least, ratio = ratio_of(lambda: search(cursor, wanted), lambda: cursor.execute(BARE).pl(), rounds=7)
    say(f"search over {count:,} runs: {1000 * mine:.0f} ms, bare query {1000 * least:.0f} ms: {ratio:.2f} times")


def main() -> None:
    """Print the figures, and check that the store still verifies."""
    asked = argparse.ArgumentParser()
    asked.add_argument("runs", nargs="?", type=int, default=100_000)
    asked.add_argument("--peer", default="", help="python of an environment with mlflow")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for variable in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            os.environ[variable] = name
        os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
        found_workspace(folder / "workspace", "bench", "a long enough passphrase")
        engine = Engine(folder / "workspace", slots=0)
        try:
            make_default(engine)
            batches(engine, folder)
            single_points(engine)
            door = Door(engine, 0)
            beside_mlflow(engine, door, options.peer, folder)
            door.close()
            read_back(engine)
            many_runs(engine, 1_000, 0)
            searched(engine, 1_000)
            if options.runs > 1_000:
                many_runs(engine, options.runs - 1_000, 1_000)
                searched(engine, options.runs)
        finally:
            engine.close()


if __name__ == "__main__":
    main()
