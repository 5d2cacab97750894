"""Networks on a GPU: where one is, they train on it; where none is or it is too small, that is said aloud."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import torch

from core.contract.schema import Contract
from core.contract.tasks import Task
from core.kernel.errors import Cancelled, InputError
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.training.records import TrainResult
from core.training.train import train
from core.training.trainers import mlp, network_loop
from tests.training.task_sets import training_set

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
SMALL = {"hidden": [8], "epochs": 2, "batch": 256}
QUALITY: dict[Task, tuple[str, float]] = {
    "binary": ("roc_auc", 0.75),
    "multiclass": ("accuracy", 0.6),
    "regression": ("r2", 0.3),
}


class Told(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def log(self, text: str) -> None:
        self.lines.append(text)


class Stopping(Told):
    """Cancels after an epoch's figures are told."""

    def metric(self, name: str, step: int, value: float) -> None:
        if name.startswith("validate") and step == 2:
            raise Cancelled("after the second epoch")


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
@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_the_other_tasks_and_schedules(task: Task, schedule: str, tmp_path: Path) -> None:
    kept = training_set(task, tmp_path)
    weighing = {"class_weight": "balanced"} if task == "multiclass" else {}
    result = trained(
        kept,
        tmp_path / "out",
        Told(),
        hidden=[32],
        epochs=40,
        patience=40,
        learning_rate=0.01,
        schedule=schedule,
        **weighing,
    )
    assert result.determinism.device.startswith("cuda")
    figure, least = QUALITY[task]
    assert result.quality[1].figures[figure] > least


@needs_gpu
@pytest.mark.parametrize("architecture", ["mlp", "transformer"])
def test_a_captured_step_is_the_step_that_it_was_captured_from(
    architecture: str, rows: tuple[Path, Contract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropout, the schedule and a shorter last batch included; in float32, where a difference would show."""
    told = {"architecture": architecture, "width": 16, "epochs": 4, "batch": 128, "precision": "float32"}
    told |= {"schedule": "cosine", "dropout": 0.2}
    captured = trained(rows, tmp_path / "captured", Told(), **told)
    again = trained(rows, tmp_path / "again", Told(), **told)
    assert again.model_digest == captured.model_digest
    monkeypatch.setattr(network_loop, "EAGER", 10**9)
    eager = trained(rows, tmp_path / "eager", Told(), **told)
    assert eager.model_digest == captured.model_digest


@needs_gpu
def test_a_stopped_training_goes_on_to_the_same_bytes(rows: tuple[Path, Contract], tmp_path: Path) -> None:
    told = {"epochs": 5, "batch": 128, "schedule": "one_cycle"}
    whole = trained(rows, tmp_path / "whole", Told(), **told)
    with pytest.raises(Cancelled):
        trained(rows, tmp_path / "cut", Stopping(), **told)
    resumed = trained(rows, tmp_path / "cut", Told(), **told)
    assert resumed.resumed_from == 2
    assert resumed.model_digest == whole.model_digest


@needs_gpu
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, where it compiles
def test_a_compiled_network_trains_too(rows: tuple[Path, Contract], tmp_path: Path) -> None:
    result = trained(rows, tmp_path, Told(), compile=True)
    assert result.determinism.device.startswith("cuda")


@needs_gpu
def test_a_gpu_without_room_for_a_graph_goes_on_step_by_step(
    rows: tuple[Path, Contract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = trained(rows, tmp_path / "captured", Told())
    monkeypatch.setattr(network_loop, "SPARE", torch.cuda.mem_get_info()[1])
    told = Told()
    assert trained(rows, tmp_path / "eager", told).model_digest == captured.model_digest
    assert any("step by step" in line for line in told.lines)


@needs_gpu
def test_a_gpu_that_is_too_small_is_said_aloud(rows: tuple[Path, Contract], tmp_path: Path) -> None:
    large = {"hidden": [2048, 2048], "epochs": 1}  # more than what earlier tests left in torch's own pool
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        told = Told()
        assert trained(rows, tmp_path, told, **large).determinism.device == "cpu"
        assert any("too little memory" in line for line in told.lines)
        with pytest.raises(InputError, match="too little memory"):
            trained(rows, tmp_path / "cuda", Told(), device="cuda", **large)
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
