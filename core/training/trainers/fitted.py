"""What every trainer gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx

from core.training.runtime import Predict


@dataclass(frozen=True)
class Fitted:
    """A fitted model: as a graph, and as the native function that the graph must equal."""

    graph: onnx.ModelProto
    native: Predict
    rounds: int
    settings: dict[str, Any]
    threads: int
    device: str = "cpu"
    resumed_from: int = 0
