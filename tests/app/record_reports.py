"""Reports of each kind of label on real rows, for the evaluation page's tests: ``python -m tests.app.record_reports``.

A boosting model of bike rentals by the hour is trained, packaged and judged three times; April's answers of
the yes or no are put in reverse, so that a slice stands out. Points are thinned so that the file stays small.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from core.contract.tasks import Task, output_of
from core.evaluation.inside import Packaged
from core.evaluation.report import evaluate
from core.evaluation.task_report import evaluate_task
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.project.schema import Evaluation
from core.training.train import train
from tests.app.record import thinned
from tests.evaluation import bikes

FILE = Path(__file__).parent / "reports.json"
SPEC = Evaluation(slices=[["weathersit"]], fairness_group="workingday", min_slice_rows=60, cost_false_negative=2.0)
COSTS = {"busy": {"quiet": 10.0, "usual": 4.0}, "quiet": {"busy": 2.0}}
CLASSES = ["busy", "quiet", "usual"]


def labelled(task: Task) -> pl.DataFrame:
    """The rows with a label of the task."""
    count = pl.col("bikers")
    level = pl.when(count > bikes.BUSY).then(pl.lit("busy")).when(count < bikes.QUIET).then(pl.lit("quiet"))
    label = {
        "binary": count > bikes.BUSY,
        "multiclass": level.otherwise(pl.lit("usual")),
        "regression": count.cast(pl.Float64),
    }
    return bikes.rows().with_columns(label=label[task])


def report(task: Task, folder: Path) -> dict[str, Any]:
    """Train, package, judge."""
    frame = labelled(task)
    frame.write_parquet(folder / "set.parquet")
    classes = CLASSES if task == "multiclass" else []
    contract = bikes.contract(frame, task=task, classes=classes, output=output_of(task))
    candidate = Candidate(trainer="boosting", settings={"iterations": 40, "min_leaf": 20})
    train(candidate, "boosting", folder / "set.parquet", contract, 7, folder, Silent())
    file = folder / "predictions.parquet"
    packaged = Packaged((folder / "model.onnx").read_bytes(), contract, frame)
    if task != "binary":
        spec = SPEC.model_copy(update={"costs": COSTS if task == "multiclass" else {}})
        return evaluate_task(file, spec, contract, packaged=packaged, progress=Silent()).plain()
    april = (pl.col("mnth") == "April") & (pl.col("split") == "test")
    turned = pl.when(april).then(1 - pl.col("probability")).otherwise("probability")
    pl.read_parquet(file).with_columns(probability=turned).write_parquet(folder / "turned.parquet")
    return evaluate(folder / "turned.parquet", SPEC, champion=file, packaged=packaged, progress=Silent()).plain()


def main() -> int:
    """Write the file."""
    out = {}
    for task in ("binary", "multiclass", "regression"):
        with tempfile.TemporaryDirectory() as name:
            out[task] = thinned(report(task, Path(name)))  # type: ignore[arg-type]
    FILE.write_text(json.dumps(out, sort_keys=True, separators=(",", ":")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
