"""Curves of a job: points gathered at next to no cost, kept in a file that a kill cannot spoil.

A trainer may tell of 100,000 points a second. So a point is two appends to typed arrays and nothing else; a thread of
its own writes what has gathered ten times a second. The file is a sequence of frames: length of the name, count,
the name, the steps (int64), the values (float64). A frame that a kill cut short is left out when it is read.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

FILE = "metrics.points"
SHOWN = 200  # points of a curve that travel at once: a screen shows no more, and the file has them all
_HEAD = struct.Struct("<HI")
_POINT = 16


class Curves:
    """What has gathered of each curve since it was last taken. ``add(name, step, value)`` takes in one point."""

    def __init__(self) -> None:
        self._curves: dict[str, tuple[array[int], array[float]]] = {}
        self.add = self._adder()

    def _adder(self) -> Callable[[str, int, float], None]:
        """The function ``add``, with what it calls at hand: a look-up saved is a tenth of its time."""
        puts: dict[str, tuple[Callable[[int], None], Callable[[float], None]]] = {}

        def add(name: str, step: int, value: float) -> None:
            try:
                put_step, put_value = puts[name]
            except KeyError:
                steps, values = self._curves[name] = array("q"), array("d")
                put_step, put_value = puts[name] = steps.append, values.append
            put_value(value)
            put_step(step)  # last: the length of the steps says how many points are whole

        return add

    def take(self) -> list[tuple[str, array[int], array[float]]]:
        """The points that came since the last call, by curve. Another thread may go on adding meanwhile."""
        taken = []
        for name, (steps, values) in list(self._curves.items()):
            count = len(steps)
            if count:
                taken.append((name, steps[:count], values[:count]))
                del steps[:count], values[:count]
        return taken


def write_frame(file: IO[bytes], name: str, steps: array[int], values: array[float]) -> None:
    """Append a piece of a curve."""
    plain = name.encode()
    file.write(_HEAD.pack(len(plain), len(steps)) + plain + steps.tobytes() + values.tobytes())


def read_curves(path: Path) -> pl.DataFrame:
    """All points: ``name`` text, ``step`` int64, ``value`` float64, in the order of their steps.

    Of points with one name and step the last one counts: a run that went on from its checkpoint tells again of
    what the interrupted one had told already.
    """
    import polars as pl  # here: a worker writes curves and never reads them

    data = path.read_bytes() if path.is_file() else b""
    parts, place = [], 0
    while place + _HEAD.size <= len(data):
        length, count = _HEAD.unpack_from(data, place)
        begin = place + _HEAD.size
        middle = begin + length
        end = middle + _POINT * count
        if end > len(data):
            break
        name = data[begin:middle].decode()
        steps, values = array("q"), array("d")
        steps.frombytes(data[middle : middle + 8 * count])
        values.frombytes(data[middle + 8 * count : end])
        parts.append(pl.DataFrame({"step": steps, "value": values}).select(pl.lit(name).alias("name"), pl.all()))
        place = end
    schema = {"name": pl.String, "step": pl.Int64, "value": pl.Float64}
    if not parts:
        return pl.DataFrame(schema=schema)
    whole = pl.concat(parts).unique(["name", "step"], keep="last", maintain_order=True)
    return whole.sort("name", "step", maintain_order=True)


def thinned(steps: array[int], values: array[float]) -> list[tuple[int, float]]:
    """At most :data:`SHOWN` points for a screen, the newest among them."""
    every = max(1, -(-len(steps) // SHOWN))
    shown = list(zip(steps[::every], values[::every], strict=True))
    if len(steps) and (len(steps) - 1) % every:
        shown.append((steps[-1], values[-1]))
    return shown
