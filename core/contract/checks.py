"""Checks on a table: one implementation for ingestion, training, serving and monitoring.

All aggregates of a suite are collected in one go; only checks that fail pay for examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from core.contract.expressions import first_line
from core.contract.rules import Bound, Rule, Tables, check_name, compile_check
from core.contract.schema import Check, CheckResult, Failure, ValidationReport
from core.kernel.clock import SystemClock, utc_text
from core.kernel.durations import span
from core.kernel.errors import InputError, Problem

__all__ = ["MASK", "check_name", "run_checks"]

MASK = "(masked)"
_ROW = "__row__"
Facts = dict[str, Any]


def run_checks(
    frame: pl.LazyFrame | pl.DataFrame,
    checks: Sequence[Check],
    *,
    table: str,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    key: Sequence[str] = (),
    personal: Sequence[str] = (),
    now: datetime | None = None,
    examples: int = 20,
) -> ValidationReport:
    """Run every check on ``frame`` [rows, columns] and report all verdicts, in the order given.

    Nulls pass every kind but ``not_null``; NaN fails ``between``. ``where`` limits the rows that
    count, ``mostly`` is the share of them that must pass. A check whose column is missing, or that
    cannot be evaluated, fails and says so. ``tables`` are the others that ``references`` may name.
    Examples show ``key`` and the checked columns, with the ``personal`` ones masked.

    Raises:
        InputError: when checks themselves are wrong (syntax, missing settings): all at once.
    """
    lazy = frame.lazy()
    rules = _compile_all(lazy, checks, dict(tables or {}))
    rows, facts = _measure(lazy, rules)
    at = now or SystemClock().now()
    results = [_verdict(rule, fact, rows, at) for rule, fact in zip(rules, facts, strict=True)]
    shown = _examples(lazy, rules, results, list(key), frozenset(personal), examples)
    return ValidationReport(table=table, rows=rows, results=shown)


def _compile_all(lazy: pl.LazyFrame, checks: Sequence[Check], tables: Tables) -> list[Rule]:
    on = Bound(lazy, lazy.collect_schema(), tables)
    rules: list[Rule] = []
    problems: list[Problem] = []
    for check in checks:
        try:
            rules.append(compile_check(check, on))
        except InputError as error:
            own = [Problem(what=f"{error.headline}. {error.detail}".strip(), remedy=error.remedy)]
            problems += error.problems or own
    if problems:
        raise InputError("Some checks are not valid: " + problems[0].line(), problems=problems)
    return rules


def _aggregates(rule: Rule, index: int) -> list[pl.Expr]:
    if rule.value is not None:
        return [rule.value.alias(f"value:{index}")]
    if rule.bad is None:
        return []
    out = [rule.bad.sum().cast(pl.Int64).alias(f"failed:{index}")]
    if rule.check.where:
        out.append(rule.scope.sum().cast(pl.Int64).alias(f"rows:{index}"))
    if rule.extremes:
        out += [rule.extremes[0].alias(f"low:{index}"), rule.extremes[1].alias(f"high:{index}")]
    return out


def _measure(lazy: pl.LazyFrame, rules: list[Rule]) -> tuple[int, list[Facts]]:
    """All counts in one collect; if the engine refuses that, check by check, to name the culprit."""
    asked = [rule for rule in rules if rule.settled is None]
    places = [index for index, rule in enumerate(rules) if rule.settled is None]
    try:
        rows, found = _collect(lazy, asked)
        facts: list[Facts] = [{} for _ in rules]
        for index, fact in zip(places, found, strict=True):
            facts[index] = fact
        return rows, facts
    except pl.exceptions.PolarsError:
        return int(lazy.select(pl.len()).collect().item()), [_alone(lazy, rule) for rule in rules]


def _collect(lazy: pl.LazyFrame, rules: list[Rule]) -> tuple[int, list[Facts]]:
    aggregates = [expr for index, rule in enumerate(rules) for expr in _aggregates(rule, index)]
    counted = [(index, rule.count(lazy)) for index, rule in enumerate(rules) if rule.count is not None]
    frames = pl.collect_all([lazy.select(pl.len().alias("all"), *aggregates), *(plan for _, plan in counted)])
    row = frames[0].row(0, named=True)
    facts: list[Facts] = [{} for _ in rules]
    for name, value in row.items():
        kind, _, index = name.partition(":")
        if index:
            facts[int(index)][kind] = value
    for (place, _), frame in zip(counted, frames[1:], strict=True):
        facts[place].update(frame.row(0, named=True))
    return int(row["all"]), facts


def _alone(lazy: pl.LazyFrame, rule: Rule) -> Facts:
    if rule.settled is not None:
        return {}
    try:
        return _collect(lazy, [rule])[1][0]
    except pl.exceptions.PolarsError as error:
        return {"broken": f"cannot be evaluated: {first_line(error)}"}


def _verdict(rule: Rule, fact: Facts, all_rows: int, now: datetime) -> CheckResult:
    rows, failed, observed = _outcome(rule, fact, all_rows, now)
    tolerated = 0
    if rule.bad is not None or rule.count is not None:
        tolerated = int((1.0 - rule.check.mostly) * rows + 1e-9) if "broken" not in fact else 0
    return CheckResult(
        name=rule.name,
        kind=rule.check.kind,
        columns=rule.check.columns,
        severity=rule.check.severity,
        passed=failed <= tolerated,
        rows=rows,
        failed=failed,
        observed=observed,
        expected=rule.expected,
    )


def _outcome(rule: Rule, fact: Facts, all_rows: int, now: datetime) -> tuple[int, int, str]:
    """Rows looked at, failures, and what was seen."""
    if rule.settled is not None:
        return all_rows, rule.settled[1], rule.settled[0]
    if "broken" in fact:
        return all_rows, max(all_rows, 1), str(fact["broken"])
    if rule.check.kind == "row_count":
        return _row_count(rule, int(fact["value"] or 0))
    if rule.check.kind == "fresh":
        return (all_rows, *_age(rule, fact["value"], now))
    rows, failed = int(fact.get("rows", all_rows)), int(fact["failed"])
    share = f" ({100 * failed / rows:.3g} %)" if failed else ""
    seen = f"; values {_text(fact['low'])} to {_text(fact['high'])}" if fact.get("low") is not None else ""
    return rows, failed, f"{failed:,} of {rows:,} rows fail{share}{seen}"


def _row_count(rule: Rule, rows: int) -> tuple[int, int, str]:
    low, high = rule.check.min, rule.check.max
    outside = (low is not None and rows < low) or (high is not None and rows > high)
    return rows, int(outside), f"{rows:,} rows"


def _age(rule: Rule, newest: datetime | date | None, now: datetime) -> tuple[int, str]:
    if newest is None:
        return 1, "no time at all"
    if not isinstance(newest, datetime):
        newest = datetime(newest.year, newest.month, newest.day, tzinfo=UTC)
    newest = newest if newest.tzinfo else newest.replace(tzinfo=UTC)
    limit = span(str(rule.check.max_age))
    return int(now - newest > limit), f"newest {utc_text(newest)}"


def _examples(
    lazy: pl.LazyFrame,
    rules: list[Rule],
    results: list[CheckResult],
    key: list[str],
    personal: frozenset[str],
    limit: int,
) -> list[CheckResult]:
    """The results, those that failed with up to ``limit`` failing rows."""
    schema = lazy.collect_schema()
    key = [column for column in key if column in schema]
    indexed = lazy.with_row_index(_ROW)
    wanted: list[int] = []
    plans: list[pl.LazyFrame] = []
    for index, (rule, result) in enumerate(zip(rules, results, strict=True)):
        if result.passed or rule.failing is None or "cannot be evaluated" in result.observed or limit < 1:
            continue
        columns = list(dict.fromkeys([*key, *rule.shown]))
        wanted.append(index)
        plans.append(rule.failing(indexed).select(_ROW, *columns).head(limit))
    out = list(results)
    for index, found in zip(wanted, pl.collect_all(plans) if plans else [], strict=True):
        failures = [_failure(row, key, rules[index].shown, personal) for row in found.iter_rows(named=True)]
        out[index] = results[index].model_copy(update={"examples": failures})
    return out


def _failure(row: dict[str, Any], key: list[str], shown: list[str], personal: frozenset[str]) -> Failure:
    def tell(column: str) -> str | None:
        value = _text(row[column])
        return MASK if value is not None and column in personal else value

    return Failure(
        row=row[_ROW],
        key={column: tell(column) or "" for column in key},
        values={column: tell(column) for column in shown},
    )


def _text(value: Any) -> str | None:
    """A cell as text; times in UTC."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return utc_text(value) if value.tzinfo else value.isoformat()
    return f"{value:.15g}" if isinstance(value, float) else str(value)
