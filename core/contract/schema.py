"""The records of a model's contract: what goes in, what is checked, how it becomes a matrix."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.kernel.records import Record

CheckKind = Literal[
    "columns",  # required columns are present
    "type",  # the column has the stated type
    "not_null",  # share of nulls at most 1 - mostly
    "unique",  # the columns together identify a row
    "between",  # min <= value <= max
    "in_set",  # value in values
    "matches",  # regular expression over the whole value
    "references",  # every value occurs in another table's column
    "expression",  # any SQL expression that must be true
    "row_count",  # min <= rows <= max
    "fresh",  # newest time at most max_age old
]


class Check(Record):
    """One rule on a table. ``mostly`` is the share of rows that must pass; nulls pass all but not_null."""

    kind: CheckKind
    columns: list[str] = Field(default_factory=list)
    name: str = Field(default="", description="Shown in results; made from kind and columns if empty")
    severity: Literal["warn", "fail"] = "fail"
    mostly: float = Field(default=1.0, gt=0.0, le=1.0)
    where: str | None = Field(default=None, description="SQL condition: only these rows are checked")
    min: float | None = None
    max: float | None = None
    values: list[str | float | bool] = Field(default_factory=list)
    pattern: str | None = None
    expression: str | None = None
    type: Literal["int", "float", "text", "bool", "time", "date"] | None = None
    table: str | None = Field(default=None, description="For references: the other table")
    column: str | None = Field(default=None, description="For references: the other table's column")
    max_age: str | None = None


class Failure(Record):
    """An example of a row that failed: its position, its key and the offending values."""

    row: int
    key: dict[str, str] = Field(default_factory=dict)
    values: dict[str, str | None] = Field(default_factory=dict)


class CheckResult(Record):
    """The verdict of one check: the same record at all four call sites."""

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
    output: str = "probability"
    threshold: float = 0.5
    on_invalid: Literal["reject", "fallback"] = "reject"
    fallback_value: float | None = None
    latency_budget_ms: float = 50.0
    personal: list[str] = Field(default_factory=list, description="Fields masked before they are logged")


class GoldenRow(Record):
    """A request with the features and the output that every implementation must reproduce."""

    fields: dict[str, str | float | int | bool | None]
    view_features: dict[str, float | str | None] = Field(default_factory=dict)
    matrix: list[float | None]
    output: float
