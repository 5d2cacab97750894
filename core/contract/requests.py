"""Requests: rows of JSON values held to the contract's fields and checks, every problem at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import polars as pl

from core.contract.checks import MASK, run_checks
from core.contract.compile import compile_check
from core.contract.definitions import WHOLE, definition_problems
from core.contract.matrix import FIELD_TYPES
from core.contract.rules import Bound as Table
from core.contract.rules import Rule
from core.contract.schema import Check, CheckKind, CheckResult, Contract, Failure, Field_, ValidationReport
from core.kernel.clock import parse_utc

Row = Mapping[str, Any]
_INT64 = 2**63
NOT_OF_REQUESTS = "it is about a whole table; a request is a few rows of one"


class Undecodable(ValueError):
    """A value that its field's type does not hold; the message says why."""


def _int(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number: 3.0 is the integer 3
    if isinstance(value, bool) or not isinstance(value, int):
        raise Undecodable("not a whole number")
    if not -_INT64 <= value < _INT64:
        raise Undecodable("too large for 64 bits")
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Undecodable("not a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise Undecodable("too large") from error
    if not math.isfinite(number):
        raise Undecodable("not finite")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Undecodable("not text")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Undecodable("not true or false")
    return value


def _time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(at, datetime):
            raise Undecodable("not an ISO 8601 time")
        if at.tzinfo is None:
            raise Undecodable("a time without offset; write Z for UTC")
        return parse_utc(at.isoformat())
    except Undecodable:
        raise
    except (ValueError, OverflowError) as error:
        raise Undecodable("not an ISO 8601 time") from error


_DECODERS: dict[str, Callable[[Any], Any]] = {"int": _int, "float": _float, "text": _text, "bool": _bool, "time": _time}


class _Faults:
    """Problems of rows, gathered by kind and field."""

    def __init__(self, personal: frozenset[str]) -> None:
        self._personal = personal
        self._found: dict[tuple[CheckKind, str, str], list[Failure]] = {}
        self._count: dict[tuple[CheckKind, str, str], int] = {}

    def add(self, kind: CheckKind, field: str, why: str, row: int, value: Any) -> None:
        at = (kind, field, why)
        self._count[at] = self._count.get(at, 0) + 1
        shown = None if value is None else MASK if field in self._personal else str(value)[:200]
        examples = self._found.setdefault(at, [])
        if len(examples) < 20:
            examples.append(Failure(row=row, values={field: shown}))

    def results(self, rows: int, expected: Mapping[str, str]) -> list[CheckResult]:
        return [
            CheckResult(
                name=f"{kind}({field})",
                kind=kind,
                columns=[field],
                severity="fail",
                passed=False,
                rows=rows,
                failed=self._count[kind, field, why],
                observed=why,
                expected=expected.get(field, "a field of the contract"),
                examples=found,
            )
            for (kind, field, why), found in self._found.items()
        ]


class RequestValidator:
    """A contract's fields and checks, compiled once for many requests.

    Raises:
        InputError: when the contract's checks themselves are wrong.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._schema = pl.Schema({field.name: FIELD_TYPES[field.type] for field in contract.fields})
        self._names = frozenset(self._schema)
        self._personal = frozenset(contract.personal)
        self._decoders = [(field, _DECODERS[field.type]) for field in contract.fields]
        self._expected = {f.name: f.type + (" or null" if f.nullable else "") for f in contract.fields}
        empty = pl.LazyFrame(schema=self._schema)
        bound = [compile_check(check, Table(empty, self._schema, None)) for check in contract.checks]
        self._skipped = {place: _skipped(rule) for place, rule in enumerate(bound) if _of_tables(rule)}
        rules = [rule for place, rule in enumerate(bound) if place not in self._skipped]
        self._checks = [rule.check for rule in rules]
        self._names_of = [rule.name for rule in rules]
        self._expectations = [rule.expected for rule in rules]
        self._observed = [rule.settled[0] if rule.settled else "all rows pass" for rule in rules]
        open_rules = [rule for rule in rules if rule.settled is None or rule.settled[1]]  # else the fields settled them
        quick = [(rule, _quick(rule.check, contract.fields)) for rule in open_rules]
        self._quick = [test for _, test in quick if test is not None]
        self._probe = _all_pass([rule for rule, test in quick if test is None])

    def validate(self, rows: Sequence[Row]) -> tuple[pl.DataFrame, ValidationReport]:
        """Decode ``rows`` and check them: the frame [n, fields] and every problem by field name.

        A value that cannot be decoded is null in the frame and a failure in the report. The
        contract's checks run on what could be decoded; those about whole tables are skipped and say so.
        """
        faults = _Faults(self._personal)
        columns = self._decode(rows, faults)
        # By rows: a column of aware datetimes takes the constructor four times as long by columns.
        frame = pl.DataFrame(list(zip(*columns.values(), strict=True)), schema=self._schema, orient="row")
        found = faults.results(len(rows), self._expected)
        results = found + self._check(frame, columns)
        return frame, ValidationReport(table=self.contract.model, rows=len(rows), results=results)

    def _decode(self, rows: Sequence[Row], faults: _Faults) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {name: [] for name in self._schema}
        for index, row in enumerate(rows):
            for field, decode in self._decoders:
                columns[field.name].append(self._cell(field, decode, row, index, faults))
            if len(row) > len(self._names) or not self._names.issuperset(row):
                for name in sorted(set(row) - self._names):
                    faults.add("columns", name, "unknown field", index, row[name])
        return columns

    def _cell(self, field: Field_, decode: Callable[[Any], Any], row: Row, index: int, faults: _Faults) -> Any:
        value = row.get(field.name)
        if value is None:
            if not field.nullable:
                why = "null" if field.name in row else "missing field"
                faults.add("not_null" if why == "null" else "columns", field.name, why, index, None)
            return None
        try:
            return decode(value)
        except Undecodable as error:
            faults.add("type", field.name, str(error), index, value)
            return None

    def _check(self, frame: pl.DataFrame, columns: Mapping[str, list[Any]]) -> list[CheckResult]:
        asked = iter(self._asked(frame, columns))
        return [
            self._skipped[place].model_copy(update={"rows": frame.height}) if place in self._skipped else next(asked)
            for place in range(len(self.contract.checks))
        ]

    def _asked(self, frame: pl.DataFrame, columns: Mapping[str, list[Any]]) -> list[CheckResult]:
        if self._checks and not self._passes(frame, columns):
            report = run_checks(frame, self._checks, table="", key=self.contract.key, personal=self.contract.personal)
            return report.results
        return [
            CheckResult.model_construct(
                name=name,
                kind=check.kind,
                columns=check.columns,
                severity=check.severity,
                passed=True,
                rows=frame.height,
                failed=0,
                observed=observed,
                expected=expected,
                examples=[],
                skipped="",
                value=None,
                low=None,
                high=None,
                groups=[],
            )
            for check, name, observed, expected in zip(
                self._checks, self._names_of, self._observed, self._expectations, strict=True
            )
        ]

    def _passes(self, frame: pl.DataFrame, columns: Mapping[str, list[Any]]) -> bool:
        """Whether no row fails any check: the short way when all is well, which is nearly always."""
        if any(quick.fails(value) for quick in self._quick for value in columns[quick.column]):
            return False
        return _holds(frame, self._probe)


@dataclass(frozen=True)
class _QuickTest:
    """A one-column test in plain Python: true when the decoded value fails."""

    column: str
    fails: Callable[[Any], bool]


def _quick(check: Check, fields: Sequence[Field_]) -> _QuickTest | None:
    """The plain-Python form of simple checks on decoded values; none where Polars must judge."""
    types = {field.name: field.type for field in fields}
    if (
        check.where
        or check.by
        or len(check.columns) != 1
        or check.columns[0] not in types
        or definition_problems(check)
    ):
        return None
    column = check.columns[0]
    if check.kind == "not_null":
        return _QuickTest(column, lambda value: value is None)
    if check.kind == "between" and types[column] in ("int", "float") and (check.above, check.below) == (None, None):
        low = -math.inf if check.min is None else check.min
        high = math.inf if check.max is None else check.max
        return _QuickTest(column, lambda value: value is not None and not low <= value <= high)
    if check.kind == "in_set" and types[column] == "text" and all(isinstance(v, str) for v in check.values):
        allowed = frozenset(check.values)
        return _QuickTest(column, lambda value: value is not None and value not in allowed)
    return None


def _of_tables(rule: Rule) -> bool:
    return rule.check.kind in WHOLE or rule.alone or (rule.check.kind == "lag" and rule.value is not None)


def _skipped(rule: Rule) -> CheckResult:
    return CheckResult(
        name=rule.name,
        kind=rule.check.kind,
        columns=rule.check.columns,
        severity=rule.check.severity,
        passed=True,
        rows=0,
        failed=0,
        observed=f"skipped: {NOT_OF_REQUESTS}",
        expected=rule.expected,
        skipped=NOT_OF_REQUESTS,
    )


def _holds(frame: pl.DataFrame, probe: pl.Expr | None) -> bool:
    """Whether a probe says so; without one, or where it can't be evaluated, the checks themselves must judge."""
    if probe is None:
        return False
    try:
        return bool(frame.select_seq(probe).item())
    except pl.exceptions.PolarsError:
        return False


def _all_pass(rules: Sequence[Rule]) -> pl.Expr | None:
    """One expression that is true when no row fails; none when some check is not row by row."""
    bad = [rule.bad for rule in rules if rule.settled is None and rule.bad is not None]
    if len(bad) != len(rules):
        return None
    return ~pl.any_horizontal([expr.any() for expr in bad]) if bad else pl.lit(value=True)


@lru_cache(maxsize=16)
def _by_text(text: str) -> RequestValidator:
    return RequestValidator(Contract.model_validate_json(text))


def validate_rows(contract: Contract, rows: Sequence[Row]) -> tuple[pl.DataFrame, ValidationReport]:
    """See :meth:`RequestValidator.validate`; build that once where requests are many."""
    return _by_text(contract.model_dump_json()).validate(rows)
