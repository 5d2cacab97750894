"""Which class to call when mistakes cost differently: the class of least expected cost (Elkan 2001)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.kernel.errors import InputError
from core.measures.classification import Floats
from core.measures.intervals import paired_means
from core.measures.multiclass import class_arrays
from core.measures.task_records import ClassDecision


def cost_matrix(costs: Mapping[str, Mapping[str, float]], classes: list[str]) -> Floats:
    """Costs [k, k] by true (first index) and called class; what is not named costs 1, or 0 where the call is right.

    Raises:
        InputError: when a name is no class.
    """
    names = dict.fromkeys([*costs, *(called for row in costs.values() for called in row)])
    strange = [name for name in names if name not in classes]
    if strange:
        raise InputError(
            f"No class is named {', '.join(repr(name) for name in strange)}",
            where="evaluation.costs",
            detail="Classes: " + ", ".join(classes),
        )
    out: Floats = 1.0 - np.eye(len(classes))
    for true, row in costs.items():
        for called, cost in row.items():
            out[classes.index(true), classes.index(called)] = cost
    return out


def cost_decision(label: Any, probability: Any, classes: list[str], costs: Floats, times: int = 200) -> ClassDecision:
    """What calling the class of least expected cost does to codes (n,) with probabilities (n, k).

    Compared on the same rows with the most probable class, and with always calling the one class that is cheapest.
    """
    y, p, _ = class_arrays(label, probability)
    called, probable = (p @ costs).argmin(axis=1), p.argmax(axis=1)
    counts = np.zeros(costs.shape)
    np.add.at(counts, (y, called), 1.0)
    always = costs[y].mean(axis=0)
    saving = paired_means({"cost": costs[y, probable]}, {"cost": costs[y, called]}, times=times)["cost"]
    return ClassDecision(
        classes=classes,
        costs=costs.tolist(),
        counts=counts.tolist(),
        changed=int((called != probable).sum()),
        cost=float(costs[y, called].mean()),
        cost_most_probable=float(costs[y, probable].mean()),
        saving=saving,
        constant=classes[int(always.argmin())],
        cost_constant=float(always.min()),
    )
