"""Networks on a GPU: where one is, they train on it; where none is or it is too small, that is said aloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.contract.schema import Contract
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.schema import Candidate
from core.training.records import TrainResult
from core.training.train import train
from core.training.trainers import mlp
from tests.training.task_sets import training_set

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
SMALL = {"hidden": [8], "epochs": 2, "batch": 256}


class Told(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def log(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contract]:
    return training_set("binary", tmp_path_factory.mktemp("set"))


def trained(rows: tuple[Path, Contract], out: Path, progress: Told, **settings: Any) -> TrainResult:
    return train(Candidate(trainer="mlp", settings={**SMALL, **settings}), "net", *rows, 7, out, progress)


@needs_gpu
@pytest.mark.parametrize("architecture", ["mlp", "resnet", "transformer"])
def test_it_trains_on_the_gpu_and_serves_on_the_cpu(
    architecture: str, rows: tuple[Path, Contract], tmp_path: Path
) -> None:
    told = Told()
    result = trained(rows, tmp_path, told, architecture=architecture, width=16, epochs=8, learning_rate=0.01)
    assert result.determinism.device.startswith("cuda")
    assert any("CUDA" in line for line in told.lines)
    assert result.parity.max_difference <= 1e-5
    assert result.quality[1].figures["roc_auc"] > 0.75


@needs_gpu
def test_a_gpu_that_is_too_small_is_said_aloud(rows: tuple[Path, Contract], tmp_path: Path) -> None:
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        told = Told()
        assert trained(rows, tmp_path, told).determinism.device == "cpu"
        assert any("too little memory" in line for line in told.lines)
        with pytest.raises(InputError, match="too little memory"):
            trained(rows, tmp_path / "cuda", Told(), device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_without_enough_memory_it_begins_anew_on_the_cpu_and_says_so(
    rows: tuple[Path, Contract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where no GPU is: the first attempt ends as torch ends it."""
    fit = mlp._fit

    def first_too_large(order: Any, settings: Any, device: torch.device) -> Any:
        if device.type == "cuda":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return fit(order, settings, device)

    monkeypatch.setattr(mlp, "_fit", first_too_large)
    monkeypatch.setattr(mlp, "device_of", lambda wanted, progress: torch.device("cuda"))
    told = Told()
    assert trained(rows, tmp_path, told).determinism.device == "cpu"
    assert told.lines[-1] == "The GPU has too little memory for this training: beginning anew on the CPU"
    with pytest.raises(InputError, match="too little memory") as caught:
        trained(rows, tmp_path / "cuda", Told(), device="cuda")
    assert "2.00 GiB" in caught.value.detail


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_gpu_that_is_not_there_is_named(rows: tuple[Path, Contract], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no CUDA device here"):
        trained(rows, tmp_path, Told(), device="cuda")
