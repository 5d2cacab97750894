"""Corrections for looking at many things at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def holm_adjusted(p_values: Any) -> Floats:
    """Adjusted p-values (m,) that bound the chance of any false alarm (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (p.size - np.arange(p.size))) if p.size else p
    out = np.empty(p.size)
    out[order] = np.minimum(1.0, steps)
    return out
