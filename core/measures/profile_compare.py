"""What differs between two profiles, most changed column first: a readable difference, not two dumps.

Every figure says how large a change is whatever the number of rows; whether it can be chance is the business
of the drift report, which has the rows to resample (:mod:`core.measures.drift`).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from core.kernel.records import Record
from core.measures.column_state import ColumnState
from core.measures.drift import psi
from core.measures.drift_reference import Counts
from core.measures.levels import Levels, Sketch, Values, bin_edges
from core.measures.profile import profile_of
from core.measures.profile_state import TableState
from core.measures.records import ColumnProfile

SHOWN = 20  # new and vanished levels that are named
GONE = 100.0  # the score of a column that only one has: first in the list


class LevelChange(Record):
    """A value that only one of the two profiles has, with its count there."""

    value: str
    count: int


class ColumnChange(Record):
    """How one column of ``after`` differs from ``before``.

    ``mean_shift`` and ``median_shift`` are in standard deviations of before, ``std_ratio`` is after over
    before. ``score`` orders the columns: the largest of the shifts, changes of shares and index, each on
    the scale on which 0.1 is small and 1 is large.
    """

    name: str
    kind: str
    state: Literal["added", "removed", "retyped", "changed", "same"]
    score: float
    says: str = Field(description="The change in words, the largest first")
    type_before: str | None = None
    type_after: str | None = None
    null_share_before: float | None = None
    null_share_after: float | None = None
    distinct_before: int | None = None
    distinct_after: int | None = None
    mean_before: float | None = None
    mean_after: float | None = None
    mean_shift: float | None = None
    std_ratio: float | None = None
    quantile_shift: dict[str, float] = Field(default_factory=dict, description="In standard deviations of before")
    psi: float | None = None
    new_levels: list[LevelChange] = Field(default_factory=list)
    vanished_levels: list[LevelChange] = Field(default_factory=list)
    new_share: float | None = Field(default=None, description="Share of after's values that before does not have")


class ProfileComparison(Record):
    """Two profiles of a table side by side, the most changed column first."""

    before: str
    after: str
    rows_before: int
    rows_after: int
    added: list[str]
    removed: list[str]
    retyped: list[str]
    columns: list[ColumnChange]


def compare_profiles(before: TableState, after: TableState) -> ProfileComparison:
    """Compare two states of one table, or of two tables that share columns."""
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    records = [{column.name: column for column in profile_of(state).columns} for state in (before, after)]
    changes = [_gone(records[0][name], "removed") for name in old if name not in new]
    changes += [_gone(records[1][name], "added") for name in new if name not in old]
    for name in old:
        if name in new:
            changes.append(_changed(old[name], new[name], records[0][name], records[1][name]))
    changes.sort(key=lambda change: (-change.score, change.name))
    names = {
        state: [change.name for change in changes if change.state == state] for state in ("added", "removed", "retyped")
    }
    return ProfileComparison(
        before=before.table, after=after.table, rows_before=before.rows, rows_after=after.rows, columns=changes, **names
    )


def _gone(record: ColumnProfile, state: Literal["added", "removed"]) -> ColumnChange:
    side = "after" if state == "added" else "before"
    shown = {f"type_{side}": record.type, f"null_share_{side}": record.null_share, f"distinct_{side}": record.distinct}
    return ColumnChange(
        name=record.name, kind=record.kind, state=state, score=GONE, says=f"{state}: {record.type}", **shown
    )


def _changed(old: ColumnState, new: ColumnState, before: ColumnProfile, after: ColumnProfile) -> ColumnChange:
    figures = {
        "type_before": before.type,
        "type_after": after.type,
        "null_share_before": before.null_share,
        "null_share_after": after.null_share,
        "distinct_before": before.distinct,
        "distinct_after": after.distinct,
        "mean_before": before.mean,
        "mean_after": after.mean,
    }
    alike = old.kind == new.kind
    if alike:
        figures |= _numbers(before, after) | _spread(old, new)
    said = _words(figures, before, after)
    score = max((size for size, _ in said), default=0.0)
    retyped = before.type != after.type
    words = [f"type {before.type} → {after.type}"] if retyped else []
    return ColumnChange(
        name=new.name,
        kind=new.kind,
        state="retyped" if retyped else "changed" if said else "same",
        score=score + (0 if alike else 10.0),
        says="; ".join(words + [text for _, text in sorted(said, key=lambda item: -item[0])]),
        **figures,
    )


def _numbers(before: ColumnProfile, after: ColumnProfile) -> dict[str, object]:
    """Mean, spread and quantiles in standard deviations of before."""
    if not before.quantiles or not after.quantiles:
        return {}
    spread = before.std or _width(before)
    if not spread:
        return {}
    shifts = {name: _round((after.quantiles[name] - value) / spread) for name, value in before.quantiles.items()}
    found: dict[str, object] = {"quantile_shift": shifts}
    if before.mean is not None and after.mean is not None:
        found["mean_shift"] = _round((after.mean - before.mean) / spread)
    if before.std and after.std is not None:
        found["std_ratio"] = _round(after.std / before.std)
    return found


def _width(column: ColumnProfile) -> float:
    """A spread for times, which have no standard deviation here: half the width of the middle nine tenths."""
    return (column.quantiles["p95"] - column.quantiles["p05"]) / 2


def _spread(old: ColumnState, new: ColumnState) -> dict[str, object]:
    """The index over common bins of numbers, or over levels, and the levels that came and went."""
    if old.values is None or new.values is None:
        return {}
    found: dict[str, object] = {}
    if isinstance(old.values, Levels) and isinstance(new.values, Levels):
        if old.kind in ("text", "bool"):
            found["psi"] = _round(_levels_psi(old.values, new.values))
        if old.kind == "text":
            found |= _came(old.values, new.values)
    if old.kind not in ("text", "bool") and old.low is not None and new.low is not None:
        low, high = min(old.low, new.low), max(old.high, new.high)  # type: ignore[type-var]
        counted = [_bins(values, bin_edges(low, high)) for values in (old.values, new.values)]
        if counted[0] is not None and counted[1] is not None:
            found["psi"] = _round(psi(counted[0], counted[1]))
    return found


def _bins(values: Values, edges: list[float]) -> Counts | None:
    """Counts of numbers between edges, none where they cannot be known."""
    if isinstance(values, Sketch):
        return np.asarray(values.ranks.histogram(edges)[0], np.int64) if values.ranks is not None else None
    below = np.concatenate([[0], np.cumsum(values.counts)])
    inner = below[np.searchsorted(values.values, np.asarray(edges[1:-1]), side="left")]
    return np.diff(np.concatenate([[0], inner, [below[-1]]]))


def _levels_psi(old: Levels, new: Levels) -> float:
    values = np.unique(np.concatenate([old.values, new.values]))
    counted = []
    for levels in (old, new):
        counts = np.zeros(len(values), np.int64)
        counts[np.searchsorted(values, levels.values)] = levels.counts
        counted.append(counts)
    return psi(*counted)


def _came(old: Levels, new: Levels) -> dict[str, object]:
    came, went = _only(new, old), _only(old, new)
    return {
        "new_levels": _named(came),
        "vanished_levels": _named(went),
        "new_share": _round(came.count / new.count) if new.count else 0.0,
    }


def _only(levels: Levels, others: Levels) -> Levels:
    known = set(others.values.tolist())
    kept = np.array([value not in known for value in levels.values.tolist()], dtype=bool)
    return Levels(levels.values[kept], levels.counts[kept])


def _named(levels: Levels) -> list[LevelChange]:
    order = np.argsort(-levels.counts, kind="stable")[:SHOWN]
    pairs = zip(levels.values[order].tolist(), levels.counts[order].tolist(), strict=True)
    return [LevelChange(value=str(value), count=count) for value, count in pairs]


def _words(figures: dict[str, object], before: ColumnProfile, after: ColumnProfile) -> list[tuple[float, str]]:
    """What to say, with how much it weighs; nothing of a change below one in a thousand."""
    said: list[tuple[float, str]] = []

    def say(size: object, text: str) -> None:
        if isinstance(size, float) and abs(size) >= 1e-3:
            said.append((abs(size), text))

    say(after.null_share - before.null_share, f"nulls {before.null_share:.2%} → {after.null_share:.2%}")
    say(figures.get("mean_shift"), f"mean {_short(before.mean)} → {_short(after.mean)}")
    if (ratio := figures.get("std_ratio")) is not None and isinstance(ratio, float):
        say(abs(math.log(ratio)) if ratio else 1.0, f"standard deviation × {ratio:.3g}")
    shifts = figures.get("quantile_shift")
    if isinstance(shifts, dict) and shifts:
        name = max(shifts, key=lambda one: abs(shifts[one]))
        say(float(shifts[name]), f"{name} moved by {shifts[name]:+.2f} sd")
    say(figures.get("psi"), f"PSI {figures.get('psi') or 0.0:.3f}")
    say(figures.get("new_share"), _many(figures.get("new_levels"), "new level"))
    if gone := figures.get("vanished_levels"):
        share = sum(level.count for level in gone) / max(before.rows - before.nulls, 1)  # type: ignore[attr-defined]
        say(share, _many(gone, "vanished level"))
    if before.distinct and after.distinct and before.rows and after.rows:
        change = after.distinct / after.rows - before.distinct / before.rows
        say(change, f"distinct {before.distinct:,} → {after.distinct:,}")
    return said


def _many(levels: object, what: str) -> str:
    found = levels if isinstance(levels, list) else []
    named = ", ".join(level.value[:20] for level in found[:3])
    count = f"{len(found)} or more" if len(found) == SHOWN else str(len(found))
    return f"{count} {what}{'' if len(found) == 1 else 's'} ({named}{', …' if len(found) > 3 else ''})"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _round(value: float) -> float:
    return float(f"{value:.6g}")
