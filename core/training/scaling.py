"""Standardising numbers with the train rows' mean and deviation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.training.matrices import Columns, Matrix

BLOCK = 4_096
CLIP = 5.0  # standard deviations: a value that training never saw must not pull a linear model anywhere
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each number [k], exactly representable in float32."""

    mean: Floats
    scale: Floats


def scaling_of(x: Matrix, columns: Columns) -> Scaling:
    """Mean and deviation over the known values; 0 and 1 for a column without any or without spread."""
    count, total, squares = (np.zeros(len(columns.numbers)) for _ in range(3))
    for numbers, known in _blocks(x, columns):
        count += known.sum(axis=0)
        total += numbers.sum(axis=0)
    count = np.maximum(count, 1)
    mean = total / count
    for numbers, known in _blocks(x, columns):
        numbers -= mean
        squares += np.square(numbers, out=numbers).sum(axis=0, where=known)
    variance = squares / count
    scale = np.where(variance > 0, np.sqrt(variance), 1.0)
    return Scaling(mean.astype(np.float32).astype(np.float64), scale.astype(np.float32).astype(np.float64))


def _blocks(x: Matrix, columns: Columns) -> Iterator[tuple[Floats, npt.NDArray[np.bool_]]]:
    """Numbers of some rows after the others, as many as a processor's cache holds; unknown ones are 0."""
    for start in range(0, len(x), BLOCK):
        numbers = x[start : start + BLOCK, columns.numbers].astype(np.float64)
        known = np.isfinite(numbers)
        if not known.all():
            numbers[~known] = 0.0
        yield numbers, known


def standardised(x: Matrix, columns: Columns, scaling: Scaling) -> tuple[Floats, Floats]:
    """Standardised numbers [n, k] clipped to :data:`CLIP`, missing ones 0; and missing indicators [n, k]."""
    numbers = x[:, columns.numbers].astype(np.float64)
    missing = np.isnan(numbers)
    standard = (np.where(missing, scaling.mean, numbers) - scaling.mean) / scaling.scale
    return np.clip(standard, -CLIP, CLIP), missing.astype(np.float64)
