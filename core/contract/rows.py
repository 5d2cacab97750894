"""Checks that look at each row by itself, compiled."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from core.contract.expressions import first_line, parse_expression
from core.contract.rules import Rule, any_of, in_scope, not_boolean, range_words, row_by_row, rows_rule, wrong_types
from core.kernel.durations import span
from core.kernel.errors import InputError

_OPERATORS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
}


def compile_not_null(rule: Rule) -> Rule:
    """A value in every column."""
    share = f"at least {rule.check.mostly:.6g} of rows" if rule.check.mostly < 1 else "every row"
    bad = any_of([pl.col(column).is_null() for column in rule.check.columns])
    return rows_rule(replace(rule, expected=f"a value in {share}"), bad)


def compile_null(rule: Rule) -> Rule:
    """No value in any column."""
    return rows_rule(
        replace(rule, expected="no value"), any_of([pl.col(column).is_not_null() for column in rule.check.columns])
    )


def compile_between(rule: Rule) -> Rule:
    """Numbers within bounds; NaN is outside of them."""
    check = rule.check
    expected = range_words(check.min, check.max)
    if check.above is not None or check.below is not None:
        tests = ((">", check.above), ("<", check.below), (">=", check.min), ("<=", check.max))
        expected = " and ".join(f"{sign} {end:.15g}" for sign, end in tests if end is not None)
    rule = replace(rule, expected=expected, settled=wrong_types(rule, ("int", "float")))
    if rule.settled:
        return rule
    parts = []
    for column in check.columns:
        value = pl.col(column)
        parts += [value < check.min] if check.min is not None else []
        parts += [value > check.max] if check.max is not None else []
        parts += [value <= check.above] if check.above is not None else []
        parts += [value >= check.below] if check.below is not None else []
        parts += [value.is_nan()] if rule.on.schema[column].is_float() else []
    if len(check.columns) == 1:
        only = in_scope(rule, pl.col(check.columns[0]))
        rule = replace(rule, extremes=(only.min(), only.max()))
    return rows_rule(rule, any_of(parts))


def compile_in_set(rule: Rule) -> Rule:
    """Values of a list."""
    words = "one of " + ", ".join(str(value) for value in rule.check.values)
    return _membership(replace(rule, expected=words), wanted=True)


def compile_not_in_set(rule: Rule) -> Rule:
    """Values not of a list."""
    words = "none of " + ", ".join(str(value) for value in rule.check.values)
    return _membership(replace(rule, expected=words), wanted=False)


def _membership(rule: Rule, *, wanted: bool) -> Rule:
    wrong, kind = _value_type(rule)
    if wrong:
        return replace(rule, settled=wrong)
    allowed = pl.Series("allowed", rule.check.values, dtype=kind).implode()
    inside = [_as(rule, column, kind).is_in(allowed) for column in rule.check.columns]
    return rows_rule(rule, any_of([~part for part in inside] if wanted else inside))


def _as(rule: Rule, column: str, kind: pl.DataType) -> pl.Expr:
    return pl.col(column) if rule.on.schema[column] == kind else pl.col(column).cast(kind)


def _value_type(rule: Rule) -> tuple[tuple[str, int] | None, pl.DataType]:
    """The type in which the listed values are compared."""
    values = rule.check.values
    if all(isinstance(value, str) for value in values):
        return wrong_types(rule, ("text",)), pl.String()
    if all(isinstance(value, bool) for value in values):
        return wrong_types(rule, ("bool",)), pl.Boolean()
    if any(isinstance(value, str | bool) for value in values):
        raise InputError(f"The check {rule.name} mixes texts, numbers and truths", remedy="Use one kind of value.")
    return wrong_types(rule, ("int", "float")), pl.Float64()


def compile_matches(rule: Rule) -> Rule:
    """Text that a pattern describes from end to end."""
    whole = _pattern(rule, rf"\A(?:{rule.check.pattern})\z")
    rule = replace(rule, expected=f"text like {rule.check.pattern}", settled=wrong_types(rule, ("text",)))
    bad = [~pl.col(column).cast(pl.String).str.contains(whole) for column in rule.check.columns]
    return rule if rule.settled else rows_rule(rule, any_of(bad))


def compile_not_matches(rule: Rule) -> Rule:
    """Text no part of which a pattern describes."""
    part = _pattern(rule, str(rule.check.pattern))
    rule = replace(rule, expected=f"no text like {rule.check.pattern}", settled=wrong_types(rule, ("text",)))
    bad = [pl.col(column).cast(pl.String).str.contains(part) for column in rule.check.columns]
    return rule if rule.settled else rows_rule(rule, any_of(bad))


def _pattern(rule: Rule, pattern: str) -> str:
    try:
        pl.Series(["x"]).str.contains(pattern)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"The pattern of check {rule.name} is not valid", detail=str(error).strip()) from error
    return pattern


def compile_length(rule: Rule) -> Rule:
    """Characters of a text within bounds."""
    low, high = rule.check.min, rule.check.max
    words = f"{range_words(low, high)} characters"
    rule = replace(rule, expected=words, settled=wrong_types(rule, ("text",)))
    if rule.settled:
        return rule
    parts = []
    for column in rule.check.columns:
        size = pl.col(column).cast(pl.String).str.len_chars()
        parts += [size < low] if low is not None else []
        parts += [size > high] if high is not None else []
    return rows_rule(rule, any_of(parts))


def compile_date_format(rule: Rule) -> Rule:
    """Text that reads as a date or a time in one format."""
    form = str(rule.check.format)
    rule = replace(rule, expected=f"a date like {form}", settled=wrong_types(rule, ("text",)))
    if rule.settled:
        return rule
    try:
        _read(pl.Series("x", ["?"], dtype=pl.String).to_frame().select("x"), form)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"The format of check {rule.name} is not valid", detail=first_line(error)) from error
    bad = [pl.col(c).is_not_null() & _time_of(pl.col(c).cast(pl.String), form).is_null() for c in rule.check.columns]
    return rows_rule(rule, any_of(bad))


def _read(frame: pl.DataFrame, form: str) -> pl.DataFrame:
    return frame.select(_time_of(pl.col("x"), form))


def _time_of(text: pl.Expr, form: str) -> pl.Expr:
    """Hours alone, or a day alone, are completed: Polars reads whole times only."""
    has_day, has_hour = any(part in form for part in ("%d", "%j", "%D", "%F", "%x", "%e")), "%H" in form or "%T" in form
    if has_hour and not has_day:
        return pl.format("2000-01-01 {}", text).str.to_datetime(f"%Y-%m-%d {form}", strict=False, time_unit="us")
    if has_hour:
        zone = "UTC" if "%z" in form or "%#z" in form else None
        return text.str.to_datetime(form, strict=False, time_unit="us", time_zone=zone)
    return text.str.to_date(form, strict=False)


def compile_compare(rule: Rule) -> Rule:
    """One column against another of the same row."""
    first, second = rule.check.columns
    operator = str(rule.check.operator)
    holds = _OPERATORS[operator](pl.col(first), pl.col(second))
    rule = replace(rule, expected=f"{first} {operator} {second}")
    if odd := not_boolean(rule.on.frame, holds):
        return replace(rule, settled=(odd, 1))
    return rows_rule(rule, ~holds)


def compile_lag(rule: Rule) -> Rule:
    """Arrival soon enough after the event; with ``quantile`` that quantile of the lags."""
    event, arrival = rule.check.columns
    limit = span(str(rule.check.max_age))
    rule = replace(rule, expected=f"{arrival} at most {limit} after {event}", settled=wrong_types(rule, ("time",)))
    if rule.settled:
        return rule
    late = pl.col(arrival) - pl.col(event)
    if rule.check.quantile is None:
        return rows_rule(rule, late > limit)
    from core.contract.whole import lag_quantile

    return lag_quantile(rule, late, limit)


def compile_expression(rule: Rule) -> Rule:
    """Whatever SQL says. An aggregate is one value: it fails for all rows or for none."""
    text = str(rule.check.expression)
    rule = replace(rule, expected=text)
    expr = parse_expression(text, who=f"The check {rule.name}")
    if odd := not_boolean(rule.on.frame, expr):
        return replace(rule, settled=(odd, 1))
    if row_by_row(expr):
        return rows_rule(rule, ~expr)
    # Spread over the rows, so that `mostly` counts rows and `where` limits them.
    return replace(rows_rule(rule, ~expr & (pl.int_range(pl.len()) >= 0)), alone=True)


def compile_monotonic(rule: Rule) -> Rule:
    """Never below (or above) the last value before it, in its group."""
    column, check = rule.check.columns[0], rule.check
    rule = replace(
        rule,
        expected=f"{check.direction}{' without ties' if check.strict else ''} in the order of the rows",
        settled=wrong_types(rule, ("int", "float", "time", "date", "text")),
    )
    if rule.settled:
        return rule
    value = pl.col(column)
    last = value.forward_fill().shift(1)
    last = last.over(check.by) if check.by else last
    rising = check.direction == "increasing"
    wrong = (value < last) if rising else (value > last)
    return replace(rows_rule(rule, wrong | (value == last) if check.strict else wrong), alone=True)
