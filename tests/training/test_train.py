"""Each trainer: same seed same bytes, a proven conversion, honest files, refusals that say why."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest

from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.kernel.errors import Cancelled, InputError, SystemFault
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.training.records import TrainResult
from core.training.runtime import prove_parity, session_of
from core.training.score import score
from core.training.train import train

Made = Callable[[str], tuple[Path, TrainResult]]
SETTINGS: dict[str, dict[str, Any]] = {
    "logistic": {},
    "boosting": {"iterations": 30, "min_leaf": 20, "threads": 1},
    "mlp": {"epochs": 4, "batch": 256, "device": "cpu", "hidden": [16, 8], "threads": 1, "learning_rate": 4e-3},
}


class Watching(Silent):
    """Keeps curves and lines; stops once ``stop_at`` points of the validation curve are there."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.points: dict[str, list[int]] = {}
        self.lines: list[str] = []
        self.stop_at = stop_at

    def metric(self, name: str, step: int, value: float) -> None:
        self.points.setdefault(name, []).append(step)
        if name == "validate_auc" and len(self.points[name]) == self.stop_at:
            self.cancel()

    def log(self, text: str) -> None:
        self.lines.append(text)


def trained(trainer: str, small_set: Path, contract: Contract, folder: Path, **settings: Any) -> TrainResult:
    candidate = Candidate(trainer=trainer, settings=SETTINGS[trainer] | settings)  # type: ignore[arg-type]
    return train(candidate, trainer, small_set, contract, 7, folder, Watching())


@pytest.fixture(scope="module")
def made(small_set: Path, small_contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The folder and the result of a trainer as it is set above, trained once for all tests that only look."""

    @cache
    def once(trainer: str) -> tuple[Path, TrainResult]:
        folder = tmp_path_factory.mktemp(trainer)
        return folder, trained(trainer, small_set, small_contract, folder)

    return once


@pytest.mark.parametrize("trainer", list(SETTINGS))
def test_same_seed_gives_the_same_bytes(
    trainer: str, made: Made, small_set: Path, small_contract: Contract, tmp_path: Path
) -> None:
    folder, first = made(trainer)
    second = trained(trainer, small_set, small_contract, tmp_path)
    assert first.model_digest == second.model_digest
    assert first.predictions_digest == second.predictions_digest
    assert sorted(file.name for file in folder.iterdir()) == ["model.onnx", "predictions.parquet"]
    assert first.quality[0].figures["roc_auc"] > 0.7
    assert [quality.split for quality in first.quality] == ["validate", "test", "production"]
    assert first.parity.beyond == 0
    assert first.parity.max_difference <= 1e-5
    assert first.rows == 3_600 - len(range(0, 3_600, 29))


@pytest.mark.parametrize("trainer", list(SETTINGS))
def test_the_graph_is_plain(trainer: str, made: Made) -> None:
    folder, _ = made(trainer)
    model = onnx.load(folder / "model.onnx")
    assert [(item.name, item.type.tensor_type.elem_type) for item in model.graph.input] == [("features", 1)]
    assert [(item.name, item.type.tensor_type.elem_type) for item in model.graph.output] == [("probability", 1)]
    assert not model.producer_name
    assert not model.metadata_props
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    for rows in (1, 3, 500):
        (out,) = session.run(None, {"features": np.full((rows, 5), 1.0, dtype=np.float32)})
        assert out.shape == (rows,)
        assert out.dtype == np.float32


@pytest.mark.parametrize("trainer", list(SETTINGS))
def test_unknown_categories_nulls_and_extremes_score(
    trainer: str, made: Made, small_set: Path, small_contract: Contract, tmp_path: Path
) -> None:
    folder, _ = made(trainer)
    odd = (
        pl.read_parquet(small_set)
        .head(4)
        .with_columns(
            pl.Series("weather", ["hail", None, "light rain/snow", "clear"]),
            pl.Series("hr", [1e30, None, -1e30, 50.0]),
            pl.Series("temp", [None, 1e9, float("nan"), 0.0]),
        )
    )
    predictions = score(folder / "model.onnx", small_contract, odd, tmp_path / "odd.parquet")
    assert predictions["probability"].is_finite().all()
    assert predictions["probability"].is_between(0, 1).all()
    assert predictions["weather"].to_list() == ["hail", None, "light rain/snow", "clear"]


def test_predictions_are_what_the_onnx_model_says(made: Made, small_set: Path, small_contract: Contract) -> None:
    folder, _ = made("boosting")
    predictions = pl.read_parquet(folder / "predictions.parquet")
    assert set(predictions["split"]) == {"validate", "test", "production"}
    assert predictions["label"].null_count() == 0
    assert {"key", "prediction_time", "weather", "season"} <= set(predictions.columns)
    rows = pl.read_parquet(small_set).filter(pl.col("hour").is_in(predictions["key"].implode()))
    session = session_of((folder / "model.onnx").read_bytes())
    (again,) = session.run(None, {"features": transformer_of(small_contract).matrix(rows)})
    assert np.array_equal(again, predictions["probability"].to_numpy())


def test_curves_grow_and_the_device_is_said(small_set: Path, small_contract: Contract, tmp_path: Path) -> None:
    watching = Watching()
    candidate = Candidate(trainer="mlp", settings=SETTINGS["mlp"])
    train(candidate, "net", small_set, small_contract, 7, tmp_path, watching)
    assert watching.points["validate_auc"] == watching.points["train_loss"] == [1, 2, 3, 4]
    assert any("CPU" in line for line in watching.lines)


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_an_interrupted_network_goes_on_to_the_same_result(
    made: Made, small_set: Path, small_contract: Contract, tmp_path: Path, stop_at: int
) -> None:
    _, whole = made("mlp")
    candidate = Candidate(trainer="mlp", settings=SETTINGS["mlp"])
    with pytest.raises(Cancelled):
        train(candidate, "mlp", small_set, small_contract, 7, tmp_path / "cut", Watching(stop_at))
    assert [file.name for file in (tmp_path / "cut").iterdir()] == ["checkpoint.npz"]
    resumed = trained("mlp", small_set, small_contract, tmp_path / "cut")
    assert resumed.resumed_from == stop_at
    assert resumed.model_digest == whole.model_digest
    assert resumed.predictions_digest == whole.predictions_digest


def test_a_foreign_or_damaged_checkpoint_is_not_used(small_set: Path, small_contract: Contract, tmp_path: Path) -> None:
    candidate = Candidate(trainer="mlp", settings=SETTINGS["mlp"])
    with pytest.raises(Cancelled):
        train(candidate, "mlp", small_set, small_contract, 7, tmp_path, Watching(1))
    other = train(candidate, "mlp", small_set, small_contract, 8, tmp_path, Watching())
    assert other.resumed_from == 0
    (tmp_path / "checkpoint.npz").write_bytes(b"PK broken")
    assert trained("mlp", small_set, small_contract, tmp_path).resumed_from == 0


def test_a_conversion_that_differs_is_refused(made: Made) -> None:
    folder, _ = made("logistic")
    session = session_of((folder / "model.onnx").read_bytes())
    x = np.full((100, 5), 1.0, dtype=np.float32)
    with pytest.raises(SystemFault, match="differs from the trained one in 100 of 100"):
        prove_parity(session, lambda rows: np.full(len(rows), 0.123), x)
    with pytest.raises(SystemFault):
        prove_parity(session, lambda rows: np.full(len(rows), np.nan), x)


def test_wrong_settings_are_named(small_set: Path, small_contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        trained("boosting", small_set, small_contract, tmp_path, trees=5, leaves=1)
    assert len(caught.value.problems) == 2
    assert "training.candidates.boosting.settings" in caught.value.problems[0].where
    assert not list(tmp_path.iterdir())


def test_a_split_without_labels_is_refused(small_set: Path, small_contract: Contract, tmp_path: Path) -> None:
    one_class = pl.read_parquet(small_set).with_columns(pl.lit(0, pl.Int8).alias("label"))
    one_class.write_parquet(tmp_path / "one.parquet")
    with pytest.raises(InputError, match="both classes"):
        trained("logistic", tmp_path / "one.parquet", small_contract, tmp_path / "run")
