"""How rates differ between groups of people or things. Definitions and values are Fairlearn's."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.kernel.errors import InputError
from core.measures.calibration import expected_calibration_error
from core.measures.classification import Bools, Floats, arrays
from core.measures.fair_thresholds import difference_intervals
from core.measures.records import FairnessReport, GroupMetrics


def fairness(
    label: Any, score: Any, group: Any, *, threshold: float, feature: str = "group", min_rows: int = 0
) -> FairnessReport:
    """Group rates at ``threshold`` and their differences.

    ``group`` is text of shape (n,). Groups under ``min_rows`` rows are listed but do not count in
    the differences; a rate that is undefined in a group (no positive, or no negative) is null and
    does not count either. Equalised odds is the worse of the TPR and the FPR difference
    (Hardt, Price and Srebro 2016; Fairlearn's ``worst_case``).
    """
    y, s = arrays(label, score)
    names = np.asarray(group).astype(str)
    if names.shape != y.shape:
        raise InputError("The group column has another length than the labels")
    groups = [_group(name, y[names == name], s[names == name], threshold, min_rows) for name in np.unique(names)]
    counted = [item for item in groups if item.counted]
    tpr, fpr = _difference([g.tpr for g in counted]), _difference([g.fpr for g in counted])
    odds = [d for d in (tpr, fpr) if d is not None]
    selected = [g.selection_rate for g in counted]
    differences = {
        "demographic_parity_difference": _difference(list(selected)),
        "demographic_parity_ratio": _ratio(selected),
        "equalised_odds_difference": max(odds) if odds else None,
        "equal_opportunity_difference": tpr,
        "accuracy_difference": _difference([g.accuracy for g in counted]),
        "calibration_difference": _difference([g.calibration_gap for g in counted]),
    }
    bands = difference_intervals(groups)
    return FairnessReport(
        feature=feature,
        threshold=threshold,
        min_rows=min_rows,
        groups=groups,
        intervals={name: band for name, band in bands.items() if differences[name] is not None},
        **differences,
    )


def _group(name: str, y: Bools, s: Floats, threshold: float, min_rows: int) -> GroupMetrics:
    called = s >= threshold
    positives, negatives = int(y.sum()), int((~y).sum())
    base, mean = float(y.mean()), float(s.mean())
    return GroupMetrics(
        group=str(name),
        rows=y.size,
        counted=y.size >= min_rows,
        base_rate=base,
        selection_rate=float(called.mean()),
        tpr=float((called & y).sum()) / positives if positives else None,
        fpr=float((called & ~y).sum()) / negatives if negatives else None,
        accuracy=float((called == y).mean()),
        mean_score=mean,
        calibration_gap=mean - base,
        ece=expected_calibration_error(y, s),
    )


def _difference(values: list[float | None]) -> float | None:
    """Largest minus smallest of what is defined; null without any."""
    known = [value for value in values if value is not None]
    return max(known) - min(known) if known else None


def _ratio(values: list[float]) -> float | None:
    """Smallest over largest; null without groups or when nobody is selected anywhere."""
    return min(values) / max(values) if values and max(values) > 0 else None
