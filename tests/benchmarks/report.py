"""One whole report: metrics with intervals, slices declared and found, fairness with its trade, reasons, errors, page.

    python tests/benchmarks/report.py [ROWS]

100,000 judged rows of 40 features (30 numbers, 10 categories), a boosting model of 100 trees, 200 bootstrap
resamples, a champion beside it. The floor is scikit-learn computing the same nine point metrics for the same 200
resamples, without anything else: what the intervals alone would cost by the obvious loop (20 resamples are timed).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "2")

import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import polars as pl

from core.contract.schema import Contract, Feature, Field_
from core.evaluation.html import report_html
from core.evaluation.inside import Packaged
from core.evaluation.report import evaluate
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.project.schema import Evaluation
from core.training.train import train

NUMBERS, CATEGORIES, LEVELS = 30, 10, 8
TRAIN = 20_000


def table(judged: int) -> tuple[pl.DataFrame, Contract]:
    """Made-up rows: train, validate, and ``judged`` rows of test."""
    rng = np.random.default_rng(2)
    rows = 2 * TRAIN + judged
    columns: dict[str, object] = {f"n{i}": rng.normal(size=rows).astype(np.float32) for i in range(NUMBERS)}
    levels = [f"v{i}" for i in range(LEVELS)]
    columns |= {f"c{i}": rng.choice(levels, rows) for i in range(CATEGORIES)}
    logit = columns["n0"] - 0.8 * columns["n1"] + (columns["c0"] == "v1") * 1.2 - 1.0  # type: ignore[operator]
    split = np.repeat(["train", "validate", "test"], [TRAIN, TRAIN, judged])
    frame = pl.DataFrame(columns).with_columns(
        id=pl.Series([str(i) for i in range(rows)]),
        label=pl.Series(rng.random(rows) < 1 / (1 + np.exp(-logit))),
        split=pl.Series(split),
        prediction_time=pl.lit(datetime(2024, 1, 1, tzinfo=UTC)) + pl.duration(minutes=pl.int_range(rows)),
    )
    names = [(f"n{i}", "number") for i in range(NUMBERS)] + [(f"c{i}", "category") for i in range(CATEGORIES)]
    fields = [Field_(name=name, type="float" if kind == "number" else "text") for name, kind in names]
    contract = Contract(
        model="bench",
        version="1",
        fields=[Field_(name="id", type="text"), Field_(name="prediction_time", type="time"), *fields],
        key=["id"],
        time_field="prediction_time",
        features=[
            Feature(name=n, kind=k, origin="request", expression=n, levels=levels if k == "category" else [])  # type: ignore[arg-type]
            for n, k in names
        ],
        checks=[],
    )
    return frame, contract


def floor(y: np.ndarray, s: np.ndarray, times: int = 20) -> float:
    """CPU seconds of 200 resamples by scikit-learn, from ``times`` of them."""
    from sklearn import metrics as sk

    rng = np.random.default_rng(3)
    begun = time.process_time()
    for _ in range(times):
        rows = rng.integers(0, y.size, y.size)
        t, p, called = y[rows], s[rows], s[rows] >= 0.5
        sk.roc_auc_score(t, p), sk.average_precision_score(t, p), sk.brier_score_loss(t, p), sk.log_loss(t, p)
        sk.accuracy_score(t, called), sk.precision_score(t, called), sk.recall_score(t, called), sk.f1_score(t, called)
    return (time.process_time() - begun) * 200 / times


def main(arguments: list[str]) -> int:
    """Print wall and CPU of the report, and the floor."""
    judged = int(arguments[0]) if arguments else 100_000
    frame, contract = table(judged)
    spec = Evaluation(slices=[["c0"], ["c1", "c2"], ["c4"]], fairness_group="c3")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.write_parquet(folder / "set.parquet")
        candidate = Candidate(trainer="boosting", settings={"iterations": 100})
        train(candidate, "boosting", folder / "set.parquet", contract, 7, folder, Silent())
        packaged = Packaged((folder / "model.onnx").read_bytes(), contract, frame)
        wall, begun = time.perf_counter(), time.process_time()
        predictions = folder / "predictions.parquet"
        made = evaluate(predictions, spec, champion=predictions, packaged=packaged, progress=Silent())
        page = report_html(made, "bench")
        wall, spent = time.perf_counter() - wall, time.process_time() - begun
        shown = pl.read_parquet(predictions).filter(pl.col("split") == "test")
    bare = floor(shown["label"].to_numpy(), shown["probability"].to_numpy().astype(np.float64))
    searched = made.discovered.looked_at if made.discovered else 0
    print(f"{made.rows:,} rows, {NUMBERS + CATEGORIES} features, {searched:,} slices searched")
    print(
        f"report and page ({len(page) / 1024:.0f} KiB)  {wall:6.2f} s wall {spent:6.2f} CPU s   (at most 10 s, 2 cores)"
    )
    print(f"scikit-learn's loop of 200   {bare:6.2f} CPU s   for the metrics of one model alone")
    print(f"ratio {spent / bare:.2f}; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
