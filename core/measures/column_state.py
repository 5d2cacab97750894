"""What is known of one column, in the form that merges: its record is made from this, and so is a larger one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from core.kernel.errors import InputError, Problem
from core.measures.levels import Levels, Seen, Sketch, Values, distinct_of, distinct_sketch, merge_values, shape
from core.measures.records import Moments

Kind = Literal["number", "text", "bool", "time", "duration", "clock", "list", "other"]


@dataclass(frozen=True)
class TextTally:
    """Sums over the texts of a column; lengths in characters."""

    min_length: int
    max_length: int
    length: int
    empty: int
    blank: int
    numbers: int
    dates: int
    emails: int


@dataclass(frozen=True)
class ColumnState:
    """Counts, sums and values of a column. Times and durations are whole microseconds, clocks too.

    Of a list the numbers are its lengths and ``elements`` describes what stands inside.
    """

    name: str
    type: str
    kind: Kind
    rows: int
    nulls: int
    nan: int = 0
    infinite: int = 0
    low: int | float | str | None = None
    high: int | float | str | None = None
    total: int | float | None = None
    moments: Moments | None = None
    values: Values | None = None
    text: TextTally | None = None
    elements: ColumnState | None = None
    personal: bool = False

    @property
    def known(self) -> int:
        """Values that everything but the counts is about: neither null nor without a finite value."""
        return self.rows - self.nulls - self.nan


def moments_of(levels: Levels) -> tuple[int | float, Moments]:
    """Sum (exact for whole numbers), mean and squared deviations of at least one value, in ascending order."""
    count = levels.count
    total = _total(levels)
    mean = total / count
    apart = levels.values.astype(np.float64) - mean
    return total, Moments(count=count, mean=mean, m2=float((apart * apart * levels.counts).sum()))


def _total(levels: Levels) -> int | float:
    if levels.values.dtype.kind == "f":
        return float((levels.values * levels.counts).sum())
    high, low = levels.values >> 32, levels.values & 0xFFFFFFFF  # so that no product leaves 64 bits
    return (int((high * levels.counts).sum()) << 32) + int((low * levels.counts).sum())


def merge_moments(first: Moments, second: Moments) -> Moments:
    """Moments of both parts together, exactly (Chan, Golub and LeVeque 1983)."""
    count = first.count + second.count
    if not count:
        return first
    delta = second.mean - first.mean
    mean = first.mean + delta * second.count / count
    m2 = first.m2 + second.m2 + delta * delta * first.count * second.count / count
    return Moments(count=count, mean=mean, m2=m2)


def withheld(state: ColumnState) -> ColumnState:
    """The state of a personal column: counts, sums and shape, but no value that stands in a row of text."""
    if state.values is None:
        return replace(state, personal=True)
    low, high = (None, None) if state.kind == "text" else (state.low, state.high)
    return replace(state, personal=True, values=_without_values(state.values), low=low, high=high)


def _without_values(values: Values) -> Sketch:
    nothing = Levels(values.frequent.values[:0] if isinstance(values, Sketch) else values.values[:0], np.empty(0, int))
    if isinstance(values, Sketch):
        most = int(values.frequent.counts.max(initial=0)) + values.slack
        seen = replace(values.seen, top=None) if values.seen else None
        return Sketch(None, values.distinct, nothing, most, seen)
    numbers = values.values.dtype != object and len(values.values) > 0
    seen = Seen(len(values.values), *(shape(values) if numbers else ([], [])), None)
    return Sketch(None, distinct_sketch(values), nothing, int(values.counts.max(initial=0)), seen)


def merge_columns(parts: list[ColumnState]) -> ColumnState:
    """The state of all rows together. A part in which all is null fits every kind.

    Raises:
        InputError: when the parts are of different kinds.
    """
    said = [part for part in parts if part.nulls < part.rows] or parts[:1]
    if len({part.kind for part in said}) > 1:
        found = [Problem(f"{part.name} is of kind {part.kind}", where=part.type) for part in said]
        raise InputError(f"The column {said[0].name!r} is not of one kind", problems=found)
    merged = said[0] if len(said) == 1 else _merged(said)
    return replace(merged, rows=sum(part.rows for part in parts), nulls=sum(part.nulls for part in parts))


def _merged(parts: list[ColumnState]) -> ColumnState:
    values = [part.values for part in parts if part.values is not None]
    texts = [part.text for part in parts if part.text is not None]
    elements = [part.elements for part in parts if part.elements is not None]
    state = replace(
        parts[0],
        type=" | ".join(dict.fromkeys(part.type for part in parts)),
        nan=sum(part.nan for part in parts),
        infinite=sum(part.infinite for part in parts),
        low=min((part.low for part in parts if part.low is not None), default=None),
        high=max((part.high for part in parts if part.high is not None), default=None),
        total=_sum([part.total for part in parts]),
        moments=_moments([part.moments for part in parts if part.moments is not None]),
        values=merge_values(values) if values else None,
        text=_texts(texts) if texts else None,
        elements=merge_columns(elements) if elements else None,
    )
    return withheld(state) if any(part.personal for part in parts) else state


def _sum(totals: list[Any]) -> Any:
    known = [total for total in totals if total is not None]
    return sum(known) if known else None


def _moments(parts: list[Moments]) -> Moments | None:
    if not parts:
        return None
    merged = parts[0]
    for part in parts[1:]:
        merged = merge_moments(merged, part)
    return merged


def _texts(parts: list[TextTally]) -> TextTally:
    sums = ("length", "empty", "blank", "numbers", "dates", "emails")
    return TextTally(
        min_length=min(part.min_length for part in parts),
        max_length=max(part.max_length for part in parts),
        **{name: sum(getattr(part, name) for part in parts) for name in sums},
    )


def distinct_values(state: ColumnState) -> tuple[int | None, float]:
    """How many different values the column has and the relative error; none for lists and what is not understood."""
    if state.values is None or state.kind in ("list", "other"):
        return None, 0.0
    return distinct_of(state.values)
