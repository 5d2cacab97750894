"""How many different values there are, when they are too many to keep: HyperLogLog by Apache DataSketches.

The sketch is 4 KiB, merges with others, and is read by every DataSketches library. It does not depend on
chance: the same values in the same order give the same bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.kernel.errors import InputError

if TYPE_CHECKING:
    import polars as pl

LOG_SIZE = 13  # 8,192 registers
ERROR = 2 * 1.04 / (1 << LOG_SIZE) ** 0.5  # two standard errors of a merged sketch (Flajolet et al. 2007)
_WHOLE = 1 << 53  # up to here whole numbers and floats are the same numbers
_BATCH = 100_000  # values that are Python objects at one time


def sketch_numbers(values: NDArray[Any]) -> bytes:
    """The sketch of numbers. A whole number counts as the same value as the float that equals it."""
    if values.dtype.kind == "i" and len(values) and max(-int(values.min()), int(values.max())) < _WHOLE:
        return _sketch(values[i : i + _BATCH].astype(np.float64).tolist() for i in range(0, len(values), _BATCH))
    return _sketch(values[i : i + _BATCH].tolist() for i in range(0, len(values), _BATCH))


def sketch_texts(values: pl.Series) -> bytes:
    """The sketch of texts without nulls."""
    return _sketch(values[i : i + _BATCH].to_list() for i in range(0, len(values), _BATCH))


def merge_distinct(sketches: list[bytes]) -> bytes:
    """The sketch of all values together.

    Raises:
        InputError: when one is not a sketch.
    """
    from datasketches import HLL_4, hll_sketch, hll_union

    union = hll_union(LOG_SIZE)
    for sketch in sketches:
        try:
            union.update(hll_sketch.deserialize(sketch))
        except (ValueError, IndexError, RuntimeError) as error:
            raise InputError("This is not a sketch of distinct values", detail=str(error)) from error
    return bytes(union.get_result(HLL_4).serialize_compact())


def estimate_distinct(sketch: bytes) -> int:
    """The estimated number of different values; 95 % of estimates are within ``ERROR`` of the truth."""
    from datasketches import hll_sketch

    return round(float(hll_sketch.deserialize(sketch).get_estimate()))


def _sketch(batches: Iterator[list[Any]]) -> bytes:
    from datasketches import HLL_4, HLL_8, hll_sketch, hll_union

    sketch, union = hll_sketch(LOG_SIZE, HLL_8), hll_union(LOG_SIZE)
    for batch in batches:
        deque(map(sketch.update, batch), maxlen=0)
    union.update(sketch)
    return bytes(union.get_result(HLL_4).serialize_compact())
