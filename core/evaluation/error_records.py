"""Records of what goes wrong, what it costs to ask, and what other seeds gave. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from core.kernel.records import Record


class ErrorRow(Record):
    """One row on which the model is badly wrong, by its key."""

    key: str
    label: str
    prediction: str
    loss: float
    values: dict[str, str]


class Trait(Record):
    """A level that a cluster's rows have more often than all rows do, beyond chance."""

    feature: str
    value: str
    share: float
    share_overall: float
    p_corrected: float


class ErrorCluster(Record):
    """Rows of one kind of error among the 5 % of largest loss."""

    name: str
    rows: int
    share: float
    loss_share: float = Field(description="Part of the loss of all rows")
    traits: list[Trait]
    worst: list[ErrorRow]


class InferenceCost(Record):
    """The packaged model asked here on one thread: a single request, features included, and a batch."""

    request_p50_us: float
    request_p99_us: float
    model_p50_us: float
    rows_per_s: float
    batch_rows: int
    bytes: int


class SeedSpread(Record):
    """The same candidate trained with several seeds: how far a metric on the judged split lies apart."""

    metric: str
    seeds: list[int]
    values: list[float]

    @property
    def range(self) -> float:
        """Largest minus smallest."""
        return max(self.values) - min(self.values)
