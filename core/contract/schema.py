"""The records of a model's contract: what goes in, what is checked, how it becomes a matrix."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.contract.tasks import Task
from core.kernel.records import Record

CheckKind = Literal[
    "columns",  # required columns are present
    "absent",  # columns that must not be there
    "type",  # the column has the stated type
    "not_null",  # share of nulls at most 1 - mostly
    "null",  # no value at all
    "unique",  # the columns together identify a row
    "duplicates",  # no row occurs twice, nulls being equal
    "between",  # min <= value <= max, above < value < below
    "in_set",  # value in values
    "not_in_set",  # value not in values
    "matches",  # regular expression over the whole value
    "not_matches",  # no part of the value is like it
    "length",  # min <= characters <= max
    "date_format",  # text that is a date or time in the stated format
    "compare",  # one column against another
    "monotonic",  # never falls (or never rises) in the order of the rows
    "lag",  # arrival at most max_age after the event
    "references",  # every value occurs in another table's column
    "expression",  # any SQL expression that must be true
    "row_count",  # min <= rows <= max
    "fresh",  # newest time at most max_age old
    "statistic",  # min <= sum, mean, median, ... <= max
    "constant",  # one value only
    "most_common",  # the most frequent value is one of values
    "distribution",  # like the baseline's, in bins
    "anomaly",  # a statistic within what its history lets expect
]
Statistic = Literal[
    "row_count", "null_share", "distinct", "distinct_share", "sum", "mean", "median", "std", "min", "max", "quantile"
]


class Check(Record):
    """One rule on a table. ``mostly`` is the share of rows that must pass; nulls pass all but not_null."""

    kind: CheckKind
    columns: list[str] = Field(default_factory=list)
    name: str = Field(default="", description="Shown in results; made from kind and columns if empty")
    severity: Literal["warn", "fail"] = "fail"
    mostly: float = Field(default=1.0, gt=0.0, le=1.0)
    where: str | None = Field(default=None, description="SQL condition: only these rows are checked")
    by: list[str] = Field(default_factory=list, description="Each group of these columns must pass by itself")
    min: float | None = None
    max: float | None = None
    above: float | None = Field(default=None, description="For between: values must be greater")
    below: float | None = Field(default=None, description="For between: values must be less")
    values: list[str | float | bool] = Field(default_factory=list)
    pattern: str | None = None
    expression: str | None = None
    type: Literal["int", "float", "text", "bool", "time", "date"] | None = None
    table: str | None = Field(default=None, description="For references: the other table")
    column: str | None = Field(default=None, description="For references: the other table's column")
    to: list[str] = Field(default_factory=list, description="For references: the other table's columns, where several")
    max_age: str | None = None
    strict: bool = Field(default=False, description="columns: no others; monotonic: no equal neighbours")
    ordered: bool = Field(default=False, description="For columns: in this order")
    operator: Literal["<", "<=", "==", "!=", ">=", ">"] | None = Field(default=None, description="For compare")
    direction: Literal["increasing", "decreasing"] = Field(default="increasing", description="For monotonic")
    format: str | None = Field(default=None, description="For date_format: such as %Y-%m-%d")
    statistic: Statistic | None = Field(default=None, description="For statistic and anomaly")
    quantile: float | None = Field(default=None, ge=0.0, le=1.0, description="For statistic quantile, and for lag")
    baseline: str = Field(default="previous", description="For distribution: previous, first or a snapshot")
    false_alarm: float = Field(
        default=0.01, gt=0.0, lt=0.5, description="distribution, anomaly: chance of an alarm without cause"
    )


class Failure(Record):
    """An example of a row that failed: its position, its key and the offending values."""

    row: int
    key: dict[str, str] = Field(default_factory=dict)
    values: dict[str, str | None] = Field(default_factory=dict)


class GroupFailure(Record):
    """One group that failed a check ``by`` groups."""

    group: dict[str, str | None]
    rows: int
    failed: int
    value: float | None = None


class CheckResult(Record):
    """The verdict of one check: the same record at all four call sites.

    ``skipped`` says why a check was not asked here; such a one counts neither as passed nor as
    failed and stops nothing. ``value`` is what a check on a statistic saw, ``low`` and ``high``
    what it allowed. ``groups`` are the worst groups of a check ``by`` groups.
    """

    name: str
    kind: CheckKind
    columns: list[str]
    severity: Literal["warn", "fail"]
    passed: bool
    rows: int
    failed: int
    observed: str = ""
    expected: str = ""
    examples: list[Failure] = Field(default_factory=list)
    skipped: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    groups: list[GroupFailure] = Field(default_factory=list)

    @property
    def share(self) -> float:
        """Failures over rows looked at; 0 without rows."""
        return self.failed / self.rows if self.rows else 0.0


class ValidationReport(Record):
    """All verdicts on one table."""

    table: str
    rows: int
    results: list[CheckResult]

    @property
    def passed(self) -> bool:
        """No check of severity ``fail`` failed."""
        return all(result.passed or result.severity == "warn" for result in self.results)


class Field_(Record):
    """One input field of a request."""

    name: str
    type: Literal["int", "float", "text", "bool", "time"]
    nullable: bool = False
    description: str = ""


class Feature(Record):
    """One column of the model's matrix, in order. Text categories become their index in ``levels``.

    An unknown or null category becomes ``len(levels)``; a null number stays NaN.
    """

    name: str
    kind: Literal["number", "category"]
    origin: Literal["request", "view"]
    expression: str | None = Field(default=None, description="Over the request's fields, for origin 'request'")
    view: str | None = None
    levels: list[str] = Field(default_factory=list)


class ViewRef(Record):
    """What serving must know of a feature view: how to look it up and how old a value may be."""

    name: str
    entity: list[str]
    features: list[str]
    max_age_s: float | None = Field(default=None, description="Older online values count as null")


class Contract(Record):
    """Everything that a caller, a server and a monitor must agree on for one model."""

    model: str
    version: str
    fields: list[Field_]
    key: list[str] = Field(description="Fields that identify the predicted event")
    time_field: str = Field(description="Field with the prediction time (UTC)")
    features: list[Feature]
    views: list[ViewRef] = Field(default_factory=list)
    checks: list[Check] = Field(description="On the request's fields, at inference time and on the logs")
    task: Task = "binary"
    classes: list[str] = Field(
        default_factory=list, description="For multiclass: what can be answered, sorted; the order of the output"
    )
    output: str = "probability"
    threshold: float = 0.5
    on_invalid: Literal["reject", "fallback"] = "reject"
    fallback_value: float | str | None = Field(
        default=None, description="The answer to rows that break the contract; for multiclass the name of a class"
    )
    latency_budget_ms: float = 50.0
    personal: list[str] = Field(default_factory=list, description="Fields masked before they are logged")


class GoldenRow(Record):
    """A request with the features and the output that every implementation must reproduce."""

    fields: dict[str, str | float | int | bool | None]
    view_features: dict[str, float | str | None] = Field(default_factory=dict)
    matrix: list[float | None]
    output: float | list[float] = Field(description="For multiclass the probability of each class")
