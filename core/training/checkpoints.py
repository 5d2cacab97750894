"""Checkpoints of a network after each epoch: plain arrays, no pickle, written whole or not at all."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """How far training is: finished epochs, and the best of them by validation AUC with its weights."""

    epoch: int
    best_epoch: int
    best_auc: float
    best: Arrays

    @classmethod
    def fresh(cls) -> Checkpoint:
        """Before the first epoch."""
        return cls(0, 0, -1.0, {})

    def after_epoch(self, auc: float, network: nn.Module) -> Checkpoint:
        """The state after one more epoch that reached ``auc``."""
        if auc <= self.best_auc:
            return Checkpoint(self.epoch + 1, self.best_epoch, self.best_auc, self.best)
        return Checkpoint(self.epoch + 1, self.epoch + 1, auc, weights_of(network))


def weights_of(network: nn.Module) -> Arrays:
    """Copies of all weights and buffers."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def write_checkpoint(
    path: Path, identity: str, state: Checkpoint, network: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    """Write everything that the next epoch depends on; the old checkpoint stays until the new one is whole."""
    arrays: Arrays = {
        "identity": np.array(identity),
        "progress": np.array([state.epoch, state.best_epoch, state.best_auc], dtype=np.float64),
    }
    arrays |= {f"now/{name}": value for name, value in weights_of(network).items()}
    arrays |= {f"best/{name}": value for name, value in state.best.items()}
    for i, moments in optimiser.state_dict()["state"].items():
        arrays |= {f"adam/{i}/{name}": value.cpu().numpy() for name, value in moments.items()}
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    part.replace(path)


def read_checkpoint(
    path: Path, identity: str, network: nn.Module, optimiser: torch.optim.Optimizer
) -> Checkpoint | None:
    """Load network and optimiser from a checkpoint of the same run; None when there is none."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return None  # damaged: the run begins anew, which gives the same result
    if str(arrays.get("identity")) != identity:
        return None
    network.load_state_dict({name: torch.from_numpy(value) for name, value in _under(arrays, "now/").items()})
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _under(arrays, "adam/").items():
        index, _, field = name.partition("/")
        moments.setdefault(int(index), {})[field] = torch.from_numpy(value)
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    epoch, best_epoch, best_auc = arrays["progress"].tolist()
    return Checkpoint(int(epoch), int(best_epoch), best_auc, _under(arrays, "best/"))


def _under(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
