"""The comparison with the model in production. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.kernel.records import Record
from core.measures.direction import lower_is_better
from core.measures.records import PairedTest

Verdict = Literal["better", "same", "worse"]


class ChampionComparison(Record):
    """Candidate minus champion on the rows that both scored, every metric paired.

    The verdict rests on the primary metric alone: ``better`` or ``worse`` when its 95 % interval
    excludes zero, otherwise ``same``; ``not comparable`` when fewer than half of the rows are shared.
    """

    rows: int
    rows_missing: int
    primary: str
    verdict: Literal["better", "same", "worse", "not comparable"]
    reason: str
    tests: dict[str, PairedTest] = Field(default_factory=dict)


def verdict_of(test: PairedTest, metric: str) -> tuple[Verdict, str]:
    """The side of zero on which the whole interval lies, in the metric's good direction, and the words for it."""
    low, high = (-test.high, -test.low) if lower_is_better(metric) else (test.low, test.high)
    reason = (
        f"{metric} {test.first:.4f} against {test.second:.4f}: difference {test.difference:+.4f} "
        f"(95 % {test.low:+.4f} to {test.high:+.4f})."
    )
    return ("better" if low > 0 else "worse" if high < 0 else "same"), reason
