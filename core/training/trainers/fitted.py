"""What every trainer is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from core.kernel.progress import Progress
from core.project.candidates import Candidate
from core.training.matrices import TrainingData
from core.training.runtime import Predict


@dataclass(frozen=True)
class Order:
    """One model to fit. ``folder`` is the job's own, for checkpoints; ``project`` holds the user's code."""

    data: TrainingData
    seed: int
    folder: Path
    progress: Progress
    candidate: Candidate
    project: Path | None = None


@dataclass(frozen=True)
class Fitted:
    """A fitted model: as a graph, and as the native function that the graph must equal.

    ``native`` takes a matrix [n, d] and gives probabilities [n], those of the classes [n, k], or numbers [n].
    """

    graph: onnx.ModelProto
    native: Predict
    rounds: int
    settings: dict[str, Any]
    threads: int
    device: str = "cpu"
    resumed_from: int = 0
    hint: str = ""  # what is known to convert wrongly in it, for the case that the proof fails
