"""How much each train row counts: the project's own weights, and classes made equal where asked."""

from __future__ import annotations

from typing import Literal

import numpy as np

from core.kernel.errors import InputError
from core.training.matrices import Floats, TrainingData

ClassWeight = Literal["none", "balanced"]
CLASS_WEIGHT_WORDS = "balanced: each class counts as much as the others, however rare it is"


def row_weights(data: TrainingData, class_weight: ClassWeight) -> Floats | None:
    """Weights [n] with mean 1, so that no other setting changes its meaning; none when all rows count alike.

    Raises:
        InputError: when classes are to be balanced and the label is a number.
    """
    if class_weight == "balanced" and data.task == "regression":
        raise InputError(
            "class_weight: balanced is for classes; this label is a number", remedy="Remove it, or use training.weight"
        )
    if data.weight is None and class_weight == "none":
        return None
    weight: Floats = np.ones(len(data.y)) if data.weight is None else data.weight
    if class_weight == "balanced":
        totals = np.bincount(data.y, weights=weight)
        weight = weight / np.where(totals > 0, totals, 1.0)[data.y]
    scaled: Floats = weight / weight.mean()
    return scaled
