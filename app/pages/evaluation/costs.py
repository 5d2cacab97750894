"""What a threshold means, worked out in the window from the report's own counts: no question to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CELLS = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True)
class Costs:
    """What one row of each cell costs; a gain is negative."""

    tp: float = 0.0
    fp: float = 1.0
    fn: float = 1.0
    tn: float = 0.0


def steps_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The counts at each threshold, with those of the report's own among them, by threshold."""
    own = report.get("confusion")
    steps = [*(report.get("thresholds") or []), *([own] if own else [])]
    return sorted(steps, key=lambda one: float(one["threshold"]))


def mean_cost(step: dict[str, Any], costs: Costs) -> float:
    """Cost of a row at one threshold."""
    rows = sum(step[cell] for cell in CELLS)
    return sum(step[cell] * getattr(costs, cell) for cell in CELLS) / rows if rows else 0.0


def cheapest(steps: Sequence[dict[str, Any]], costs: Costs) -> int:
    """The place of the cheapest threshold; the highest of several."""
    return min(range(len(steps)), key=lambda i: (mean_cost(steps[i], costs), -i))


def nearest(steps: Sequence[dict[str, Any]], threshold: float) -> int:
    """The place of the nearest threshold."""
    return min(range(len(steps)), key=lambda i: abs(float(steps[i]["threshold"]) - threshold))


def figures(step: dict[str, Any], costs: Costs) -> dict[str, float | None]:
    """What people read at one threshold; a share of nothing is null."""
    tp, fp, fn, tn = (step[cell] for cell in CELLS)
    return {
        "called": share(tp + fp, tp + fp + fn + tn),
        "accuracy": share(tp + tn, tp + fp + fn + tn),
        "precision": share(tp, tp + fp),
        "recall": share(tp, tp + fn),
        "false_positive_rate": share(fp, fp + tn),
        "f1": share(2 * tp, 2 * tp + fp + fn),
        "cost": mean_cost(step, costs),
    }


def share(part: float, whole: float) -> float | None:
    """A part of a whole."""
    return part / whole if whole else None
