"""Standardising numbers with the train rows' mean and deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.training.matrices import Columns, Matrix

CLIP = 5.0  # standard deviations: a value that training never saw must not pull a linear model anywhere
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each number [k], exactly representable in float32."""

    mean: Floats
    scale: Floats


def scaling_of(x: Matrix, columns: Columns) -> Scaling:
    """Mean and deviation over the known values; 0 and 1 for a column without any or without spread."""
    numbers = x[:, columns.numbers].astype(np.float64)
    known = np.isfinite(numbers)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, numbers, 0.0)
    mean = filled.sum(axis=0) / count
    variance = (np.where(known, numbers - mean, 0.0) ** 2).sum(axis=0) / count
    scale = np.where(variance > 0, np.sqrt(variance), 1.0)
    return Scaling(mean.astype(np.float32).astype(np.float64), scale.astype(np.float32).astype(np.float64))


def standardised(x: Matrix, columns: Columns, scaling: Scaling) -> tuple[Floats, Floats]:
    """Standardised numbers [n, k] clipped to :data:`CLIP`, missing ones 0; and missing indicators [n, k]."""
    numbers = x[:, columns.numbers].astype(np.float64)
    missing = np.isnan(numbers)
    standard = (np.where(missing, scaling.mean, numbers) - scaling.mean) / scaling.scale
    return np.clip(standard, -CLIP, CLIP), missing.astype(np.float64)
