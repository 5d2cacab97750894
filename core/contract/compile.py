"""Compiles checks: each kind by its own function, all wrong ones told together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from core.contract import rows, whole
from core.contract.definitions import check_name, definition_problems
from core.contract.expressions import parse_expression, roots
from core.contract.rules import ALL_ROWS, Bound, Rule, absent, not_boolean, type_class
from core.contract.schema import Check
from core.kernel.errors import InputError, Problem


def compile_all(checks: Sequence[Check], on: Bound) -> list[Rule]:
    """Every check bound to the table.

    Raises:
        InputError: with every check that is wrong in itself.
    """
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


def compile_check(check: Check, on: Bound) -> Rule:
    """Bind a check to a table's columns.

    Raises:
        InputError: when the check itself is wrong (no such expression syntax, a missing setting).
    """
    problems = definition_problems(check)
    name = check_name(check)
    if problems:
        raise InputError(f"The check {name} is not complete", problems=problems)
    rule = Rule(check=check, name=name, on=on, shown=list(check.columns))
    if check.kind in _SETTLED:
        return _SETTLED[check.kind](rule)
    scope = parse_expression(check.where, who=f"The condition of check {name}") if check.where else ALL_ROWS
    expr = parse_expression(check.expression or "true", who=f"The check {name}")
    used = list(dict.fromkeys([*check.columns, *check.by, *roots(scope), *roots(expr)]))
    missing = [column for column in used if column not in on.schema]
    if missing:
        return replace(rule, expected="columns " + ", ".join(used), settled=absent(missing))
    if _masked(check, [*roots(scope), *roots(expr)], on):
        return replace(rule, skipped="personal values are masked here")
    shown = [column for column in used if column not in roots(scope)] or used
    rule = replace(rule, scope=scope.fill_null(False), shown=shown)
    if check.where and (odd := not_boolean(on.frame, scope)):
        return replace(rule, expected="a condition that is true or false", settled=(odd, 1))
    return _COMPILERS[check.kind](rule)


def _masked(check: Check, conditions: list[str], on: Bound) -> bool:
    """Whether it reads values that are masked; that there is one can still be asked."""
    reads = [] if check.kind in ("not_null", "null") else check.columns
    return not on.masked.isdisjoint([*reads, *check.by, *conditions])


def _columns(rule: Rule) -> Rule:
    check, there = rule.check, rule.on.schema.names()
    rule = replace(rule, expected="columns " + ", ".join(check.columns))
    missing = [column for column in check.columns if column not in there]
    if missing:
        return replace(rule, settled=absent(missing))
    if check.strict and (extra := [column for column in there if column not in check.columns]):
        return replace(rule, settled=(f"not expected: {', '.join(extra)}", len(extra)))
    found = [column for column in there if column in check.columns]
    if check.ordered and found != check.columns:
        return replace(rule, settled=(f"in the order {', '.join(found)}", 1))
    return replace(rule, settled=absent([]))


def _absent(rule: Rule) -> Rule:
    present = [column for column in rule.check.columns if column in rule.on.schema]
    words = f"present: {', '.join(present)}" if present else "none is there"
    return replace(rule, expected="no columns " + ", ".join(rule.check.columns), settled=(words, len(present)))


def _type(rule: Rule) -> Rule:
    wanted, schema = str(rule.check.type), rule.on.schema
    missing = [column for column in rule.check.columns if column not in schema]
    if missing:
        return replace(rule, expected="columns " + ", ".join(rule.check.columns), settled=absent(missing))
    kinds = {column: type_class(schema[column]) for column in rule.check.columns}
    wrong = [f"{column} is {kind}" for column, kind in kinds.items() if kind != wanted]
    return replace(rule, expected=wanted, settled=("; ".join(wrong) or wanted, len(wrong)))


_SETTLED: dict[str, Callable[[Rule], Rule]] = {"columns": _columns, "absent": _absent, "type": _type}
_COMPILERS: dict[str, Callable[[Rule], Rule]] = {
    "not_null": rows.compile_not_null,
    "null": rows.compile_null,
    "unique": whole.compile_unique,
    "duplicates": whole.compile_duplicates,
    "between": rows.compile_between,
    "in_set": rows.compile_in_set,
    "not_in_set": rows.compile_not_in_set,
    "matches": rows.compile_matches,
    "not_matches": rows.compile_not_matches,
    "length": rows.compile_length,
    "date_format": rows.compile_date_format,
    "compare": rows.compile_compare,
    "monotonic": rows.compile_monotonic,
    "lag": rows.compile_lag,
    "references": whole.compile_references,
    "expression": rows.compile_expression,
    "row_count": whole.compile_row_count,
    "fresh": whole.compile_fresh,
    "statistic": whole.compile_statistic,
    "constant": whole.compile_constant,
    "most_common": whole.compile_most_common,
    "distribution": whole.compile_distribution,
    "anomaly": whole.compile_anomaly,
}
