"""The slow and general way through a window: a sorted list of the rows that count, kept instant by instant.

It serves entities whose rows arrive out of order or are corrected, where no slice of rows in a row
holds the window. Rows in order never come here.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from core.features.lives import Codes, Lives, Values


def sweep(lives: Lives, rank: Codes, probes: Codes) -> Iterator[list[int]]:
    """At each probe (sorted codes), the ranks of the rows that count, sorted. The list is reused.

    Args:
        rank: the place of each of ``lives``' rows by its own time, the newest last.
    """
    came = list(zip(lives.enter.tolist(), rank.tolist(), strict=True))
    gone = sorted(zip(lives.leave.tolist(), rank.tolist(), strict=True))
    alive: list[int] = []
    i = j = 0
    for probe in probes.tolist():
        while i < len(came) and came[i][0] <= probe:
            insort(alive, came[i][1])
            i += 1
        while j < len(gone) and gone[j][0] <= probe:
            del alive[bisect_left(alive, gone[j][1])]
            j += 1
        yield alive


def swept_rows(lives: Lives, rank: Codes, probes: Codes, n: int) -> Codes:
    """The ``n``-th newest row that counts at each probe (a number into the view's rows), or -1."""
    row_of = dict(zip(rank.tolist(), lives.row.tolist(), strict=True))
    found = (row_of[alive[-n]] if len(alive) >= n else -1 for alive in sweep(lives, rank, probes))
    return np.fromiter(found, dtype=np.int64, count=len(probes))


def swept_values(lives: Lives, rank: Codes, probes: Codes, values: Values, function: str) -> Values:
    """``sum``, ``min``, ``max`` or ``spread`` of the rows that count; 0 where there is none."""
    value_of = dict(zip(rank.tolist(), values.tolist(), strict=True))
    answer = FUNCTIONS[function]
    found = (answer([value_of[one] for one in alive]) if alive else 0 for alive in sweep(lives, rank, probes))
    return np.fromiter(found, dtype=values.dtype, count=len(probes))


def _spread(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)


FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {"sum": math.fsum, "min": min, "max": max, "spread": _spread}
