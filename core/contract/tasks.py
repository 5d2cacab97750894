"""The three kinds of task, and what a model of each kind gives: names of outputs and columns in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Task = Literal["binary", "multiclass", "regression"]
OUTPUTS: dict[Task, str] = {"binary": "probability", "multiclass": "probabilities", "regression": "prediction"}
PREFIX = "probability."


def output_of(task: Task) -> str:
    """The name of the graph's output: float32 [n], or [n, classes] for several classes."""
    return OUTPUTS[task]


def prediction_columns(task: Task, classes: Sequence[str]) -> list[str]:
    """The columns of a predictions table that hold the model's answer, in order."""
    if task == "multiclass":
        return [PREFIX + name for name in classes]
    return [OUTPUTS[task]]
