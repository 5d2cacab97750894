"""One feature's values from two sides: equal to the bit, floats to 1e-9 of their size, or the rows that differ.

A float that is not a number and a missing value are one: a model reads both as missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import Field

from core.kernel.records import Record

Value = float | int | str | bool | None
RELATIVE = 1e-9  # floats travel as decimal text and back without loss; this leaves room for another order of sums
MOST_EXAMPLES = 10


class ParityExample(Record):
    """A row on which two sides differ: the entity's key, the instant, and both values."""

    key: dict[str, Value]
    at: str
    offline: Value
    online: Value


class FeatureParity(Record):
    """How one feature compares. ``worst`` is the largest relative difference of two numbers."""

    view: str
    feature: str
    compared: int
    mismatched: int
    offline_only: int = Field(default=0, description="Rows with a value offline and none online")
    online_only: int = Field(default=0, description="Rows with a value online and none offline")
    worst: float = 0.0
    examples: list[ParityExample] = Field(default_factory=list)


def same_value(offline: Value, online: Value) -> bool:
    """Whether two values are the same: type by type, never 1 for true nor "1" for 1."""
    first, second = _missing_as_none(offline), _missing_as_none(online)
    if first is None or second is None:
        return first is second
    if isinstance(first, float) and isinstance(second, float | int) and not isinstance(second, bool):
        return first == second or relative(first, float(second)) <= RELATIVE
    return type(first) is type(second) and first == second


def relative(first: float, second: float) -> float:
    """The difference of two numbers in parts of the larger one; 0 for two equal ones, infinities included."""
    if first == second:
        return 0.0
    scale = max(abs(first), abs(second))
    return abs(first - second) / scale if math.isfinite(scale) else 1.0


def compare_feature(
    view: str,
    feature: str,
    offline: Sequence[Value],
    online: Sequence[Value],
    keys: Sequence[Mapping[str, Value]],
    at: Sequence[str],
) -> FeatureParity:
    """Compare one feature on n rows; ``keys`` and ``at`` (RFC 3339) say which entity and instant each row is."""
    wrong = [row for row, pair in enumerate(zip(offline, online, strict=True)) if not same_value(*pair)]
    numbers = [
        relative(float(first), float(second))
        for first, second in ((offline[row], online[row]) for row in wrong)
        if isinstance(first, float | int) and isinstance(second, float | int)
    ]
    return FeatureParity(
        view=view,
        feature=feature,
        compared=len(offline),
        mismatched=len(wrong),
        offline_only=sum(_missing_as_none(online[row]) is None for row in wrong),
        online_only=sum(_missing_as_none(offline[row]) is None for row in wrong),
        worst=max(numbers, default=0.0),
        examples=[
            ParityExample(
                key=dict(keys[row]), at=at[row], offline=_told(offline[row]), online=_told(online[row])
            )
            for row in wrong[:MOST_EXAMPLES]
        ],
    )  # fmt: skip


def _missing_as_none(value: Value) -> Value:
    return None if isinstance(value, float) and math.isnan(value) else value


def _told(value: Value) -> Value:
    """A value that JSON can carry."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
