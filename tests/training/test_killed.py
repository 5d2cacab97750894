"""A training that is killed outright goes on from its checkpoint to the very same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from core.contract.schema import Contract
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.training.records import TrainResult
from core.training.train import train
from tests.training.task_sets import training_set

NETWORK = {"width": 8, "heads": 2, "blocks": 1, "epochs": 3, "batch": 256, "device": "cpu", "schedule": "cosine"}
FAMILIES: dict[str, tuple[str, dict[str, Any], int]] = {
    "boosting": ("boosting", {"iterations": 45, "report_every": 15, "min_leaf": 10}, 15),
    "xgboost": ("xgboost", {"iterations": 16, "report_every": 4, "row_share": 0.7, "patience": 12, "leaves": 7}, 4),
    "network": ("mlp", {**NETWORK, "architecture": "transformer"}, 1),
}
if find_spec("xgboost") is None:  # an optional package
    del FAMILIES["xgboost"]
CHILD = """
import json, os, signal, sys
from pathlib import Path
from core.contract.schema import Contract
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.training.train import train
from core.training.trainers import boosting, mlp  # once, for all that are forked and killed

class Deadly(Silent):
    points = 0
    def metric(self, name, step, value):
        self.points += name.startswith("validate")
        if self.points == 2:
            os.kill(os.getpid(), signal.SIGKILL)

told, ends = json.loads(sys.stdin.read()), {}
for family, candidate in told["candidates"].items():
    child = os.fork()
    if not child:
        train(Candidate.read(candidate), "it", Path(told["rows"]), Contract.read(told["contract"]), 7,
              Path(told["out"]) / family, Deadly())
        os._exit(0)
    ends[family] = os.WTERMSIG(os.waitpid(child, 0)[1])
print(json.dumps(ends))
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contract]:
    return training_set("multiclass", tmp_path_factory.mktemp("set"))


def finished(family: str, rows: tuple[Path, Contract], out: Path) -> TrainResult:
    trainer, settings, _ = FAMILIES[family]
    return train(Candidate(trainer=trainer, settings=settings), "it", *rows, 7, out, Silent())


@pytest.fixture(scope="module")
def killed(rows: tuple[Path, Contract], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of trainings that were killed outright, one of each family."""
    out = tmp_path_factory.mktemp("killed")
    told = {
        "candidates": {name: {"trainer": one[0], "settings": one[1]} for name, one in FAMILIES.items()},
        "rows": str(rows[0]),
        "contract": rows[1].plain(),
        "out": str(out),
    }
    child = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(told), text=True, capture_output=True, check=False, timeout=250
    )
    assert json.loads(child.stdout or "{}") == dict.fromkeys(FAMILIES, int(signal.SIGKILL)), child.stderr
    return out


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_killed_training_goes_on_to_the_same_bytes(
    family: str, killed: Path, rows: tuple[Path, Contract], tmp_path: Path
) -> None:
    folder, least = killed / family, FAMILIES[family][2]
    assert [file.name for file in folder.iterdir()] == ["checkpoint.npz"]
    resumed = finished(family, rows, folder)
    whole = finished(family, rows, tmp_path / "whole")
    assert resumed.resumed_from >= least
    assert resumed.model_digest == whole.model_digest
    assert resumed.predictions_digest == whole.predictions_digest
    assert sorted(file.name for file in folder.iterdir()) == ["model.onnx", "predictions.parquet"]
