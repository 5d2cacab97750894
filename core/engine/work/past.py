"""What earlier snapshots of a table say, for the checks that ask: from plain records, without the store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from core.contract.definitions import check_name
from core.contract.rules import Outcome
from core.contract.schema import Check, CheckResult
from core.kernel.clock import parse_utc
from core.kernel.records import Record
from core.measures.binned import binned_difference
from core.measures.seasonal import FEWEST, Scale, expected_range

LEAST_EFFECT = 0.1  # population stability index below which a difference is told but fails nothing
_SCALES: dict[str, Scale] = {
    "row_count": "count",
    "distinct": "count",
    "null_share": "share",
    "distinct_share": "share",
}


class Cells(Record):
    """Counts of one column of a baseline: between ``edges`` of equal bins, or of ``levels``; others; nulls."""

    edges: list[float] = Field(default_factory=list)
    levels: list[str] = Field(default_factory=list)
    counts: list[int]
    others: int = 0
    nulls: int = 0


class Point(Record):
    """A statistic of an earlier snapshot."""

    at: str
    value: float


class PastRecord(Record):
    """Histories by name of check (oldest first) and baselines by name of check; ``at`` is this snapshot's time."""

    at: str
    history: dict[str, list[Point]] = Field(default_factory=dict)
    baselines: dict[str, Cells] = Field(default_factory=dict)


class Earlier:
    """Judges by a :class:`PastRecord`."""

    def __init__(self, past: PastRecord) -> None:
        self._past = past
        self._at: datetime = parse_utc(past.at)

    @classmethod
    def read(cls, plain: Any) -> Earlier | None:
        """From a job's parameters; none where it has none."""
        return cls(PastRecord.read(plain)) if plain else None

    def cells(self, check: Check) -> tuple[list[float], list[str]] | None:
        """The bins or levels of the baseline's column."""
        found = self._past.baselines.get(check_name(check))
        return (found.edges, found.levels) if found is not None else None

    def distribution(self, check: Check, counts: list[int]) -> Outcome:
        """Fails when the counts differ by more than chance and by at least ``max`` (0.1) of the stability index."""
        found = self._past.baselines[check_name(check)]
        inner = [0, *found.counts, found.others] if found.edges else [*found.counts, found.others]
        limit = LEAST_EFFECT if check.max is None else check.max
        index, p = binned_difference([*inner, found.nulls], counts, false_alarm=check.false_alarm)
        moved = p < check.false_alarm and index >= limit
        return Outcome(int(moved), f"stability index {index:.3g}, p {p:.3g}", index, None, limit)

    def anomaly(self, check: Check, value: float | None, rows: int) -> Outcome:
        """Fails outside of what the history lets expect; skipped while that is too short."""
        points = self._past.history.get(check_name(check), [])
        seen = float(rows) if check.statistic == "row_count" else value
        times = [parse_utc(point.at) for point in points]
        scale = _SCALES.get(str(check.statistic), "value")
        expected = expected_range(
            [point.value for point in points], times, self._at, false_alarm=check.false_alarm, scale=scale
        )
        if expected is None:
            why = f"needs {FEWEST} earlier snapshots with this figure, there are {len(points)}"
            return Outcome(0, f"skipped: {why}", seen, skipped=why)
        if seen is None:
            return Outcome(1, "no value", None, expected.low, expected.high)
        season = f" for the {expected.season}" if expected.season else ""
        words = f"{seen:.6g}, expected {expected.low:.6g} to {expected.high:.6g}{season}"
        outside = not expected.low <= seen <= expected.high
        return Outcome(int(outside), words, seen, expected.low, expected.high)


def figures_of(result: CheckResult) -> dict[str, Any]:
    """The plain figures of one result, as kept in the row of its report for its history."""
    names = {"severity", "passed", "skipped", "failed", "rows", "value", "low", "high"}
    return {**result.model_dump(mode="json", include=names), "share": result.share}
