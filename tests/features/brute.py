"""Feature values by plain loops over plain rows: slow, and unable to see the future by its very form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from core.kernel.durations import parse_duration
from core.project.schema import FeatureView, Window

START = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """One row of a table; times are minutes since START, ``known`` may be missing."""

    who: str | None
    key: int | None
    happened: int
    known: int | None
    x: float | None
    whole: int | None
    text: str | None


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def table_of(rows: list[Row]) -> pl.DataFrame:
    time = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "who": [row.who for row in rows],
            "key": [row.key for row in rows],
            "happened": [at(row.happened) for row in rows],
            "known": [None if row.known is None else at(row.known) for row in rows],
            "x": [row.x for row in rows],
            "whole": [row.whole for row in rows],
            "text": [row.text for row in rows],
        },
        schema={
            "who": pl.String,
            "key": pl.Int64,
            "happened": time,
            "known": time,
            "x": pl.Float64,
            "whole": pl.Int64,
            "text": pl.String,
        },
    )


def minutes(duration: str | None) -> float:
    return math.inf if duration is None else parse_duration(duration) / 60


def refreshed(view: FeatureView, minute: float) -> float:
    """The newest instant at which the view was recomputed."""
    every = minutes(view.refresh) if view.refresh else 0
    return minute // every * every if every else minute


def current(view: FeatureView, rows: list[Row], who: str | None, instant: float) -> list[Row]:
    """Rows of an entity that were available and not yet corrected, the newest by its own time last."""
    usable = [(number, row) for number, row in enumerate(rows) if row.known is not None and row.known <= instant]
    newest = {row.key: number for number, row in sorted(usable, key=lambda item: (item[1].known, item[0]))}
    kept = [
        (row.happened, row.known, number, row)
        for number, row in usable
        if not view.key or row.key is None or newest[row.key] == number
    ]
    return [item[3] for item in sorted(kept, key=lambda item: item[:3]) if item[3].who == who and who is not None]


def window_value(view: FeatureView, spec: Window, rows: list[Row], who: str | None, instant: float) -> object:
    """What one window says at a refresh instant."""

    def age(row: Row) -> float:
        return instant - (row.happened if view.clock == "event" else (row.known or 0))

    inside = [row for row in current(view, rows, who, instant) if 0 <= age(row) < minutes(spec.over)]
    values = [(row, of(row, spec.column)) for row in inside]
    values = [(row, value) for row, value in values if value is not None]
    if spec.function == "since" and spec.column == "whole > 0":
        values = [(row, value) for row, value in values if value]
    return answer(spec, [value for _, value in values], [row for row, _ in values], instant)


def of(row: Row, column: str | None) -> object:
    if column is None:
        return True
    if column == "whole > 0":
        return None if row.whole is None else row.whole > 0
    value = getattr(row, column)
    return None if isinstance(value, float) and math.isnan(value) else value


def answer(spec: Window, values: list, rows: list[Row], instant: float) -> object:  # type: ignore[type-arg]
    per = minutes(spec.per) / minutes(spec.over) if spec.per else 1
    match spec.function:
        case "count":
            return len(values)
        case "sum":
            return math.fsum(values)
        case "rate" if spec.per:
            return (len(values) if spec.column is None else math.fsum(values)) * per
        case "mean" | "rate":
            return math.fsum(values) / len(values) if values else None
        case "distinct":
            return len(set(values))
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)
        case "last":
            return values[-1] if values else None
        case "lag":
            return values[-spec.n] if len(values) >= spec.n else None
        case "since":
            return (instant - rows[-1].happened) * 60 if rows else None
        case "std" if len(values) > 1:
            mean = math.fsum(values) / len(values)
            return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return None


def alive(view: FeatureView, rows: list[Row], who: str | None, instant: float) -> bool:
    """Whether the entity has ever had a value."""
    for row in rows:
        if row.who == who and who is not None and row.known is not None:
            begin = max(row.known, row.happened) if view.clock == "event" else row.known
            if begin <= instant:
                return True
    return False


def same(got: object, wanted: object, scale: float) -> bool:
    """Equal for whole numbers and text, to 1e-9 of the scale for floats."""
    if isinstance(wanted, float) and isinstance(got, int | float):
        return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9 * scale)
    return got == wanted and (got is None) == (wanted is None)
