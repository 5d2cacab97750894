"""From when until when a row counts: what every window is made of.

A row *enters* a window at the first refresh instant at which it was available, and *leaves* it at the
first one at which it is too old or was corrected. Entity and instant together are one whole number, a
*code* that grows by entity, then time: sorting, counting and looking up need no grouping.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.kernel.durations import parse_duration

Codes = npt.NDArray[np.int64]
Values = npt.NDArray[Any]
NEVER = np.iinfo(np.int64).max
LARGEST = 2**62


@dataclass(frozen=True)
class Clock:
    """Turns (entity number, tick) into codes. A tick is a whole number of refresh intervals since 1970."""

    every_us: int
    first: int
    span: int

    def code(self, group: Codes, tick: Codes) -> Codes:
        """Codes of ticks; one that lies after all others (``NEVER``) gets the entity's last code."""
        return group * self.span + np.minimum(tick - self.first, self.span - 1)

    def group(self, code: Codes) -> Codes:
        """The entity numbers of codes."""
        return code // self.span

    def time_us(self, code: Codes) -> Codes:
        """The instants of codes in microseconds since 1970."""
        return (code % self.span + self.first) * self.every_us


@dataclass(frozen=True)
class Lives:
    """Rows (numbers into the view's rows) in the order in which they enter, with their codes."""

    row: Codes
    enter: Codes
    leave: Codes

    def only(self, keep: npt.NDArray[np.bool_]) -> Lives:
        """Some of them."""
        return Lives(self.row[keep], self.enter[keep], self.leave[keep])


class Probed:
    """Lives, and where the probes (sorted codes) fall among them; looked up once, used by every function."""

    def __init__(self, lives: Lives, probes: Codes) -> None:
        self.lives, self.probes = lives, probes
        self.in_order = bool(np.all(np.diff(lives.leave) >= 0))

    @cached_property
    def came(self) -> Codes:
        """How many rows have entered by each probe."""
        return np.searchsorted(self.lives.enter, self.probes, side="right")

    @cached_property
    def gone(self) -> Codes:
        """How many rows have left by each probe."""
        return np.searchsorted(self.lives.leave[self._left], self.probes, side="right")

    @cached_property
    def _left(self) -> Codes | slice:
        return slice(None) if self.in_order else np.argsort(self.lives.leave, kind="stable")

    def count(self) -> Codes:
        """How many rows count at each probe."""
        return self.came - self.gone

    def total(self, weights: Values) -> Values:
        """The sum of whole ``weights`` (in the order of the lives) over the rows that count; exact."""
        running_in = np.concatenate([[0], np.cumsum(weights)])
        running_out = np.concatenate([[0], np.cumsum(weights[self._left])])
        counted: Values = running_in[self.came] - running_out[self.gone]
        return counted

    def mixed(self, order: Codes, clock: Clock, groups: int) -> npt.NDArray[np.bool_]:
        """For each entity, whether ``order`` ever falls from one of its rows to the next."""
        group = clock.group(self.lives.enter)
        falls = (np.diff(order) < 0) & (np.diff(group) == 0)
        out = np.zeros(groups, dtype=np.bool_)
        out[group[1:][falls]] = True
        return out


def up(time_us: Codes, every_us: int) -> Codes:
    """The first tick that is not before a time; ``NEVER`` stays."""
    ticks: Codes = np.where(time_us == NEVER, NEVER, -(-time_us // every_us))
    return ticks


def clock_of(every_us: int, groups: int, ticks: list[Codes]) -> Clock:
    """A clock that covers all given ticks for that many entities.

    Raises:
        OverflowError: when they do not fit into 62 bits (such as 10 million entities by the microsecond).
    """
    known = [part[part != NEVER] for part in ticks]
    first = min((int(part.min()) for part in known if len(part)), default=0)
    last = max((int(part.max()) for part in known if len(part)), default=0)
    span = last - first + 2
    if (groups + 1) * span >= LARGEST:
        raise OverflowError(f"{groups:,} entities x {span:,} instants")
    return Clock(every_us, first, span)


def distinct_codes(codes: list[Codes]) -> Codes:
    """All codes, each once, sorted. Parts that are sorted already are merged, which is why it is a stable sort."""
    both = np.sort(np.concatenate(codes), kind="stable")
    first: Codes = both[np.concatenate([[True], both[1:] != both[:-1]])] if len(both) else both
    return first


def microseconds(duration: str) -> int:
    """A duration in microseconds."""
    return parse_duration(duration) * 1_000_000


def whole(column: pl.Series, missing: int = NEVER) -> Codes:
    """A time column as microseconds since 1970."""
    physical = column.cast(pl.Datetime("us", "UTC")).to_physical().fill_null(missing)
    return np.asarray(physical.to_numpy(), dtype=np.int64)
