"""A check bound to a table's columns: what to count, which rows fail, or why it cannot be asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import polars as pl

from core.contract.definitions import check_name, definition_problems
from core.contract.expressions import first_line
from core.contract.schema import Check

__all__ = ["Bound", "Facts", "Outcome", "Past", "Rule", "check_name", "definition_problems", "type_class"]

Tables = Mapping[str, pl.LazyFrame]
Facts = dict[str, Any]
ALL_ROWS = pl.lit(True)
_ACROSS = re.compile(
    r"\b(mean|sum|min|max|count|len|n_unique|std|var|median|quantile|first|last|over|shift|diff|rank|all|any|"
    r"product|mode|implode|forward_fill|backward_fill|is_first_distinct|is_unique|cum_\w+|rolling_\w+)\("
)


class Outcome(NamedTuple):
    """What a check on a whole column came to: ``failed`` is 0 or the failures, ``value`` what was seen."""

    failed: int
    observed: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    skipped: str = ""


class Past(Protocol):
    """What earlier snapshots of a table say; the worker has it, a server has not."""

    def distribution(self, check: Check, counts: list[int]) -> Outcome:
        """Judge the counts of the cells that :meth:`cells` gave."""

    def cells(self, check: Check) -> tuple[list[float], list[str]] | None:
        """Edges of bins, or levels, of the baseline's column; none when it is not known."""

    def anomaly(self, check: Check, value: float | None, rows: int) -> Outcome:
        """Judge a statistic against its history."""


Judge = Callable[[Facts, int, datetime], Outcome]
Plan = Callable[[pl.LazyFrame], pl.LazyFrame]


@dataclass(frozen=True)
class Bound:
    """What a check is compiled against. ``tables`` is none where other tables are not at hand.

    ``masked`` are columns that hold a mask instead of their values.
    """

    frame: pl.LazyFrame
    schema: pl.Schema
    tables: Tables | None
    past: Past | None = None
    masked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rule:
    """One compiled check.

    ``settled`` is the verdict that the columns alone give: the observed text and the number of
    failures; ``skipped`` says why there is none. Otherwise ``bad`` (per row, never null) or
    ``count`` (a plan of one row with ``rows`` and ``failed``, perhaps ``keys``) says how many rows
    fail, or ``value`` (one aggregate, or ``facts``, a plan of one row) is what ``judge`` judges.
    ``failing`` gives the failing rows of a frame, for examples; an ``alone`` rule looks at more than
    its own row, so it is never fed with a part of the table.
    """

    check: Check
    name: str
    on: Bound
    expected: str = ""
    settled: tuple[str, int] | None = None
    skipped: str = ""
    scope: pl.Expr = ALL_ROWS
    bad: pl.Expr | None = None
    alone: bool = False
    count: Plan | None = None
    failing: Callable[[pl.LazyFrame, Facts], pl.LazyFrame] | None = None
    value: pl.Expr | None = None
    facts: Plan | None = None
    judge: Judge | None = None
    extremes: tuple[pl.Expr, pl.Expr] | None = None
    shown: list[str] = field(default_factory=list)

    @property
    def asked(self) -> bool:
        """Whether the table must be read for it."""
        return self.settled is None and not self.skipped


def type_class(dtype: pl.DataType) -> str:
    """The contract's word for a Polars type."""
    if dtype.is_integer():
        return "int"
    if dtype.is_float() or isinstance(dtype, pl.Decimal):
        return "float"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    simple = {pl.Boolean: "bool", pl.Datetime: "time", pl.Date: "date", pl.Null: "no values"}
    return next((word for kind, word in simple.items() if isinstance(dtype, kind)), str(dtype))


def wrong_types(rule: Rule, allowed: tuple[str, ...]) -> tuple[str, int] | None:
    """The verdict on columns whose type a check cannot look at; none when all can be."""
    kinds = {column: type_class(rule.on.schema[column]) for column in rule.check.columns}
    wrong = [f"{column} is {kind}" for column, kind in kinds.items() if kind not in (*allowed, "no values")]
    return ("; ".join(wrong), len(wrong)) if wrong else None


def absent(missing: list[str]) -> tuple[str, int]:
    """The verdict on required columns."""
    if not missing:
        return "all present", 0
    return f"missing: {', '.join(missing)}", len(missing)


def not_boolean(frame: pl.LazyFrame, expr: pl.Expr) -> str:
    """What is wrong with a condition, in words; empty when nothing is."""
    try:
        dtype = frame.select(expr.alias("it")).collect_schema()["it"]
    except pl.exceptions.PolarsError as error:
        return f"cannot be evaluated: {first_line(error)}"
    return "" if dtype == pl.Boolean else f"gives {type_class(dtype)}, not true or false"


def row_by_row(expr: pl.Expr) -> bool:
    """Whether an expression surely looks at no other row than its own; told from how it prints."""
    return not _ACROSS.search(str(expr))


def any_of(parts: list[pl.Expr]) -> pl.Expr:
    """True where one of them is."""
    return pl.any_horizontal(parts) if len(parts) > 1 else parts[0]


def rows_rule(rule: Rule, bad: pl.Expr) -> Rule:
    """A rule that looks at each row by itself."""
    scoped = bad.fill_null(False)
    if rule.check.where:
        scoped = scoped & rule.scope
    return replace(rule, bad=scoped, failing=lambda frame, _: frame.filter(scoped))


def in_scope(rule: Rule, expr: pl.Expr) -> pl.Expr:
    """A column of the rows that the condition picks."""
    return expr.filter(rule.scope) if rule.check.where else expr


def range_words(low: float | None, high: float | None) -> str:
    """``0 to ∞``."""
    return f"{'-∞' if low is None else f'{low:.15g}'} to {'∞' if high is None else f'{high:.15g}'}"
