"""How far the training of a network is, as arrays that a checkpoint holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from core.training.checkpoints import Arrays, under


@dataclass(frozen=True)
class State:
    """Finished epochs, and the best of them by its validation figure (more is better) with its weights."""

    epoch: int
    best_epoch: int
    best_gain: float
    best: Arrays

    @classmethod
    def fresh(cls) -> State:
        """Before the first epoch."""
        return cls(0, 0, -np.inf, {})

    def after_epoch(self, gain: float, network: nn.Module) -> State:
        """The state after one more epoch that reached ``gain``."""
        if gain <= self.best_gain:
            return State(self.epoch + 1, self.best_epoch, self.best_gain, self.best)
        return State(self.epoch + 1, self.epoch + 1, gain, weights_of(network))


def weights_of(network: nn.Module) -> Arrays:
    """Copies of all weights and buffers."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def state_arrays(state: State, network: nn.Module, optimiser: torch.optim.Optimizer) -> Arrays:
    """Everything that the next epoch depends on."""
    arrays: Arrays = {"progress": np.array([state.epoch, state.best_epoch, state.best_gain], dtype=np.float64)}
    arrays |= {f"now/{name}": value for name, value in weights_of(network).items()}
    arrays |= {f"best/{name}": value for name, value in state.best.items()}
    for i, moments in optimiser.state_dict()["state"].items():
        arrays |= {f"adam/{i}/{name}": value.cpu().numpy() for name, value in moments.items()}
    return arrays


def restore(arrays: Arrays | None, network: nn.Module, optimiser: torch.optim.Optimizer) -> State:
    """Load network and optimiser; the fresh state when there is nothing to load."""
    if arrays is None:
        return State.fresh()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in under(arrays, "now/").items()})
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in under(arrays, "adam/").items():
        index, _, field = name.partition("/")
        moments.setdefault(int(index), {})[field] = torch.from_numpy(value)
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    epoch, best_epoch, best_gain = arrays["progress"].tolist()
    return State(int(epoch), int(best_epoch), best_gain, under(arrays, "best/"))
