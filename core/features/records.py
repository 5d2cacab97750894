"""What this room hands out: training-set summaries and leakage reports."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.kernel.records import Record

SplitName = Literal["train", "validate", "test", "production", "none"]
SPLITS: tuple[SplitName, ...] = ("train", "validate", "test", "production", "none")


class SplitCount(Record):
    """Rows of one split; ``positive_rate`` is over the labelled ones, null unless the label is binary."""

    split: SplitName
    rows: int
    labelled: int
    unlabelled: int
    positive_rate: float | None


class FeatureFill(Record):
    """How often a feature has no value, over all rows."""

    name: str
    nulls: int
    share: float


class TrainingSetResult(Record):
    """A training set as it was written. ``rows`` equals the rows of the events table, always.

    ``purged`` rows fall in the train or validate period, but their label became known only after
    that period had ended; they belong to split ``none``.
    """

    rows: int
    digest: str
    columns: list[str]
    fields: list[str]
    features: list[str]
    splits: list[SplitCount]
    purged: int
    fill: list[FeatureFill]


class LeakTest(Record):
    """One test for one way in which the future gets into a feature: the columns, how many rows, what to do."""

    name: Literal[
        "availability",
        "join_direction",
        "split",
        "key_overlap",
        "target_in_feature",
        "too_good",
        "window_time",
        "time_order",
        "near_duplicates",
        "groups",
        "missingness",
        "target_encoding",
        "fitted_on_all",
    ]
    passed: bool
    headline: str
    rows: int = 0
    columns: list[str] = Field(default_factory=list)
    detail: list[str] = Field(default_factory=list)
    remedy: str = ""


class LeakageReport(Record):
    """All leak tests of one project on one state of its tables."""

    rows: int
    tests: list[LeakTest]

    @property
    def passed(self) -> bool:
        """No test found a leak."""
        return all(test.passed for test in self.tests)
