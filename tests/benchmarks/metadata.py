"""Metric points through the store against a bare DuckDB append, and the time of a run's page.

Run it as ``python tests/benchmarks/metadata.py``. Both sides write the same 100,000 points in the same batches, a
transaction each, turn by turn: ours through the dispatcher, with a digest, a batch row and a ledger entry for each
batch; the floor into a table of the same columns and nothing else. Ratios count, not figures.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import duckdb
import numpy as np
import polars as pl

from core.engine.actors import ENGINE
from core.engine.context import Context, Done
from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.registry import QUESTIONS
from core.store.metrics import append_points, new_batch
from core.store.tables import MetricBatch, Run

POINTS, BATCHES, CURVES, STEPS = 100_000, (50_000, 10_000, 1_000), 10, 10_000
ROUNDS, QUESTIONS_ASKED = 7, 9


def points_of(count: int, curves: int) -> pl.DataFrame:
    """``count`` points of ``curves`` curves: columns name, step, value, step by step as training logs them."""
    number = np.arange(count)
    values = np.random.default_rng(7).normal(size=count)
    names = pl.Series([f"metric_{one}" for one in range(curves)])
    return pl.DataFrame({"name": names.gather(number % curves), "step": number // curves, "value": values})


def log_points(engine: Engine, run: str, batches: list[pl.DataFrame]) -> None:
    """Through the one door for change, a transaction a batch."""
    for points in batches:

        def keep(context: Context, points: pl.DataFrame = points) -> Done:
            batch = context.write(MetricBatch, "mb", **new_batch(run, points))
            append_points(context.session, batch, points)
            return Done(subject=run, summary=f"{points.height} points")

        engine.dispatcher.carry_out("bench.points", "read", ENGINE, keep)


def bare_append(store: duckdb.DuckDBPyConnection, batches: list[pl.DataFrame]) -> None:
    """The floor: the same points into a bare table, a transaction a batch."""
    for number, points in enumerate(batches):
        frame = points.select(
            pl.lit(f"b{number}").alias("batch"),
            pl.int_range(pl.len(), dtype=pl.Int32).alias("position"),
            pl.lit("run").alias("run"),
            "name",
            "step",
            "value",
        ).to_arrow()
        store.register("incoming", frame)
        store.execute("INSERT INTO point SELECT * FROM incoming")
        store.unregister("incoming")


def add_run(engine: Engine, name: str) -> str:
    """The row of a run to log to."""

    def make(context: Context) -> Done:
        row = context.add(
            Run, "run", name=name, project="bench", trainer="none", seed=1, started_at=context.now, seconds=1.0
        )
        return Done(subject=row.id, summary=name, result={"run": row.id})

    return str(engine.dispatcher.carry_out("bench.run", "read", ENGINE, make)["run"])


def timed(work: object, *arguments: object) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work(*arguments)  # type: ignore[operator]
    return time.perf_counter() - start


def logging_speed(engine: Engine, folder: Path, batch: int) -> None:
    """Print both speeds and their ratio, the medians of rounds that took turns."""
    points = points_of(POINTS, CURVES)
    batches = [points.slice(start, batch) for start in range(0, POINTS, batch)]
    store = duckdb.connect(str(folder / f"bare-{batch}.duckdb"), config={"threads": 2})
    store.execute(
        "CREATE TABLE point (batch VARCHAR, position INTEGER, run VARCHAR, name VARCHAR, step BIGINT, value DOUBLE)"
    )
    ours, floor = [], []
    for number in range(ROUNDS + 1):
        run = add_run(engine, f"log-{batch}-{number}")
        ours.append(timed(log_points, engine, run, batches))
        floor.append(timed(bare_append, store, batches))
    store.close()
    ratio = statistics.median(bare / full for bare, full in zip(floor[1:], ours[1:], strict=True))
    mine, bare = statistics.median(ours[1:]), statistics.median(floor[1:])
    sys.stdout.write(
        f"{POINTS:,} points in batches of {batch:,}: {POINTS / mine:,.0f} points/s, "
        f"bare append {POINTS / bare:,.0f}/s: {ratio:.2f} of its speed\n"
    )


def run_page(engine: Engine) -> None:
    """Print the time of the two questions of a run's page: 10 metrics of 10,000 steps."""
    run = add_run(engine, "page")
    log_points(engine, run, [points_of(CURVES * STEPS, CURVES)])
    times, rows = [], 0
    for _ in range(QUESTIONS_ASKED):
        start = time.perf_counter()
        QUESTIONS["run"](engine, id=run)
        rows = QUESTIONS["run_metrics"](engine, id=run).height
        times.append(1000 * (time.perf_counter() - start))
    sys.stdout.write(
        f"run page of {CURVES} metrics × {STEPS:,} steps ({rows:,} points shown): "
        f"median {statistics.median(times):.0f} ms, first {times[0]:.0f} ms, slowest {max(times):.0f} ms\n"
    )


def main() -> None:
    """Print the figures, and check that the store still verifies."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for variable in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            os.environ[variable] = name
        os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
        found_workspace(folder / "workspace", "bench", "a long enough passphrase")
        engine = Engine(folder / "workspace", slots=0)
        try:
            for batch in BATCHES:
                logging_speed(engine, folder, batch)
            run_page(engine)
            report = QUESTIONS["ledger_verify"](engine)
        finally:
            engine.close()
    sys.stdout.write(f"ledger: {report['points']:,} points in {report['entries']} entries, ok {report['ok']}\n")


if __name__ == "__main__":
    main()
