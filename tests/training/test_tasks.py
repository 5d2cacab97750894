"""Every trainer on every kind of task: it learns, its conversion is proven, and its predictions have their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from core.contract.golden import check_golden, golden_rows
from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.contract.tasks import Task, prediction_columns
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.training.records import TrainResult
from core.training.runtime import run_model, session_of
from core.training.train import train
from tests.training.task_sets import training_set

TASKS: list[Task] = ["binary", "multiclass", "regression"]
SETTINGS: dict[str, dict[str, Any]] = {
    "linear": {},
    "boosting": {"iterations": 40, "min_leaf": 10},
    "mlp": {"epochs": 8, "batch": 64, "device": "cpu", "learning_rate": 4e-3},
    "resnet": {"architecture": "resnet", "width": 16, "blocks": 1, "epochs": 5, "batch": 64, "device": "cpu"},
    "transformer": {
        "architecture": "transformer",
        "width": 8,
        "heads": 2,
        "blocks": 1,
        "epochs": 5,
        "batch": 64,
        "device": "cpu",
        "schedule": "one_cycle",
        "learning_rate": 0.02,
    },
}
FLOORS: dict[Task, tuple[str, float]] = {
    "binary": ("roc_auc", 0.75),
    "multiclass": ("accuracy", 0.55),
    "regression": ("r2", 0.25),
}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, tuple[Path, Contract]]:
    folder = tmp_path_factory.mktemp("sets")
    return {task: training_set(task, folder) for task in TASKS}


def trained(trainer: str, made: tuple[Path, Contract], folder: Path, **settings: Any) -> TrainResult:
    name = "mlp" if trainer in ("resnet", "transformer") else trainer
    candidate = Candidate(trainer=name, settings=SETTINGS.get(trainer, {}) | settings)
    return train(candidate, trainer, made[0], made[1], 7, folder, Silent())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("trainer", list(SETTINGS))
def test_it_learns_and_its_conversion_is_proven(
    trainer: str, task: Task, sets: dict[Task, tuple[Path, Contract]], tmp_path: Path
) -> None:
    path, contract = sets[task]
    result = trained(trainer, sets[task], tmp_path)
    figure, floor = FLOORS[task]
    assert {quality.split for quality in result.quality} == {"validate", "test"}
    assert all(quality.figures[figure] > floor for quality in result.quality), result.quality
    assert result.parity.rows == 450
    assert result.parity.max_difference <= 1e-5
    predictions = pl.read_parquet(tmp_path / "predictions.parquet")
    answers = predictions.select(prediction_columns(task, contract.classes))
    assert set(answers.dtypes) == {pl.Float32}
    if task == "multiclass":
        assert contract.classes == ["busy", "calm", "usual"]
        assert np.allclose(answers.to_numpy().sum(axis=1), 1.0, atol=1e-5)
    frame = pl.read_parquet(path)
    session = session_of((tmp_path / "model.onnx").read_bytes())
    matrix = transformer_of(contract).matrix(frame)
    golden = golden_rows(contract, frame, matrix, run_model(session, matrix), 16, seed=7)
    assert check_golden(contract, golden, lambda rows: run_model(session, rows)) == []
    moved = check_golden(contract, golden, lambda rows: run_model(session, rows) * np.float32(1.001))
    assert moved, "a model that answers a thousandth more must not pass"


def test_weights_move_the_model_and_bad_ones_are_refused(
    sets: dict[Task, tuple[Path, Contract]], tmp_path: Path
) -> None:
    path, contract = sets["regression"]
    frame = pl.read_parquet(path).with_columns((pl.col("label") < 100).cast(pl.Float64).alias("weight"))
    frame.write_parquet(tmp_path / "weighed.parquet")
    trained("linear", (tmp_path / "weighed.parquet", contract), tmp_path / "low")
    low = pl.read_parquet(tmp_path / "low" / "predictions.parquet")["prediction"].mean()
    trained("linear", sets["regression"], tmp_path / "all")
    usual = pl.read_parquet(tmp_path / "all" / "predictions.parquet")["prediction"].mean()
    assert isinstance(low, float)
    assert isinstance(usual, float)
    assert low < 60 < usual
    frame.with_columns(pl.lit(0.0).alias("weight")).write_parquet(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="weight above 0"):
        trained("linear", (tmp_path / "none.parquet", contract), tmp_path / "none")


def test_a_class_that_only_validation_has_is_left_out_by_name(
    sets: dict[Task, tuple[Path, Contract]], tmp_path: Path
) -> None:
    path, contract = sets["multiclass"]
    rare = (pl.col("split") == "validate") & (pl.col("hr") == 3)
    frame = pl.read_parquet(path).with_columns(
        pl.when(rare).then(pl.lit("night")).otherwise(pl.col("label")).alias("label")
    )
    frame.write_parquet(tmp_path / "rare.parquet")
    lines: list[str] = []

    class Told(Silent):
        def log(self, text: str) -> None:
            lines.append(text)

    count = frame.filter(rare).height
    result = train(Candidate(trainer="linear"), "it", tmp_path / "rare.parquet", contract, 7, tmp_path / "run", Told())
    assert f"{count} validation rows are of class 'night', which train does not have: left out" in lines
    assert result.parity.rows == 450 - count
    assert result.quality[0].figures["unseen_share"] == pytest.approx(count / 450)
