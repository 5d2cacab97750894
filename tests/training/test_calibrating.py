"""A calibrated candidate: the map is in the graph, is fitted on rows of its own, and makes probabilities true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.evaluation.explain_graph import leaves_of, margins_of
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.measures.calibration import calibration
from core.measures.classification import log_loss, roc_auc
from core.measures.shapley import tree_shapley
from core.project.candidates import Calibrate, Candidate
from core.training.records import TrainResult
from core.training.train import train
from tests.training.task_sets import training_set

TREES = {"iterations": 40, "min_leaf": 10}
METHODS: tuple[Calibrate, ...] = ("none", "platt", "isotonic")
Made = dict[str, tuple[TrainResult, pl.DataFrame]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contract]:
    """Hours of much hire count eight times as much in training, so probabilities come out too high."""
    path, contract = training_set("binary", tmp_path_factory.mktemp("set"))
    weight = (1.0 + 7 * pl.col("label")).alias("weight")
    pl.read_parquet(path).with_columns(weight).write_parquet(path)
    return path, contract


@pytest.fixture(scope="module")
def made(rows: tuple[Path, Contract], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Results and test predictions of one candidate by its map."""
    out = {}
    for method in METHODS:
        folder = tmp_path_factory.mktemp(method)
        candidate = Candidate(trainer="boosting", settings=TREES, calibrate=method)
        result = train(candidate, "it", *rows, 7, folder, Silent())
        predictions = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "test")
        out[method] = (result, predictions)
        (rows[0].parent / f"{method}.onnx").write_bytes((folder / "model.onnx").read_bytes())
    return out


def test_the_map_is_proven_and_makes_probabilities_true(made: Made) -> None:
    figures = {}
    for method, (result, rows) in made.items():
        y, p = rows["label"].to_numpy(), rows["probability"].to_numpy()
        assert result.parity.rows == 450
        assert result.parity.max_difference <= 1e-5
        figures[method] = (calibration(y, p).ece, log_loss(y, p), roc_auc(y, p))
    for method in ("platt", "isotonic"):
        assert figures[method][0] < 0.6 * figures["none"][0], figures
        assert figures[method][1] < figures["none"][1], figures
        assert figures[method][2] > figures["none"][2] - 0.01, figures


def test_the_map_has_rows_of_its_own(made: Made, rows: tuple[Path, Contract], tmp_path: Path) -> None:
    assert [(one.rows, one.calibration_rows) for one, _ in made.values()] == [(1800, 0), (1440, 360), (1440, 360)]
    frame = pl.read_parquet(rows[0])
    swapped = pl.when(pl.col("split") == "train").then(pl.col("label")).otherwise(1 - pl.col("label")).alias("label")
    frame.with_columns(swapped).write_parquet(tmp_path / "later.parquet")
    candidate = Candidate(trainer="boosting", settings=TREES, calibrate="isotonic")
    again = train(candidate, "it", tmp_path / "later.parquet", rows[1], 7, tmp_path, Silent())
    assert again.model_digest == made["isotonic"][0].model_digest, "validation and test have no say in it"


def test_a_calibrated_forest_is_explained_exactly(made: Made, rows: tuple[Path, Contract]) -> None:
    assert made
    model = onnx.load(rows[0].parent / "platt.onnx")
    found = leaves_of(model)
    assert found is not None
    x = transformer_of(rows[1]).matrix(pl.read_parquet(rows[0]).head(60))
    values = tree_shapley(found[0], x[:10], x[10:], found[1])
    assert values.base + values.values.sum(axis=1) == pytest.approx(margins_of(model)(x[:10]), abs=2e-3)
    assert np.ptp(values.values) > 0.1


def test_what_cannot_be_calibrated_is_refused(rows: tuple[Path, Contract], tmp_path: Path) -> None:
    candidate = Candidate(trainer="linear", calibrate="platt")
    with pytest.raises(InputError, match="Only a label of two values"):
        train(candidate, "it", *training_set("regression", tmp_path), 7, tmp_path, Silent())
    train_rows = (pl.col("split") != "train") | (pl.int_range(pl.len()) < 400)
    pl.read_parquet(rows[0]).filter(train_rows).write_parquet(tmp_path / "few.parquet")
    with pytest.raises(InputError, match="later part of train needs 100 labelled rows"):
        train(candidate, "it", tmp_path / "few.parquet", rows[1], 7, tmp_path, Silent())
