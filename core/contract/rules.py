"""A check compiled against a table's columns: what to count, which rows fail, or why it cannot be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from core.contract.expressions import first_line, parse_expression, roots
from core.contract.schema import Check
from core.kernel.durations import span
from core.kernel.errors import InputError, Problem

Tables = Mapping[str, pl.LazyFrame]
ALL_ROWS = pl.lit(True)

_NEEDS: dict[str, tuple[int, str]] = {
    "columns": (1, "at least one column"),
    "type": (1, "at least one column"),
    "not_null": (1, "at least one column"),
    "unique": (1, "at least one column"),
    "between": (1, "at least one column"),
    "in_set": (1, "at least one column"),
    "matches": (1, "at least one column"),
    "references": (1, "one column"),
    "fresh": (1, "one time column"),
}


@dataclass(frozen=True)
class Bound:
    """What a check is compiled against."""

    frame: pl.LazyFrame
    schema: pl.Schema
    tables: Tables


@dataclass(frozen=True)
class Rule:
    """One compiled check.

    ``settled`` is the verdict that the columns alone give: the observed text and the number of
    failures. Otherwise either ``bad`` (per row, never null) or ``count`` (a plan of one row with
    ``rows`` and ``failed``) says how many rows fail, or ``value`` is one aggregate to compare.
    ``failing`` gives the failing rows of a frame, for examples.
    """

    check: Check
    name: str
    on: Bound
    expected: str = ""
    settled: tuple[str, int] | None = None
    scope: pl.Expr = ALL_ROWS
    bad: pl.Expr | None = None
    count: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None
    failing: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None
    value: pl.Expr | None = None
    extremes: tuple[pl.Expr, pl.Expr] | None = None
    shown: list[str] = field(default_factory=list)


def check_name(check: Check) -> str:
    """The name under which a check is reported: its own, or kind and columns."""
    if check.name:
        return check.name
    inside = ", ".join(check.columns)
    if check.kind == "references":
        inside += f" -> {check.table}.{check.column}"
    elif check.kind == "expression":
        inside = check.expression or ""
    elif check.kind == "type":
        inside += f": {check.type}"
    return f"{check.kind}({inside})" + (f" where {check.where}" if check.where else "")


def definition_problems(check: Check) -> list[Problem]:
    """What is wrong with a check itself, whatever the table."""
    wrong: list[str] = []
    least, words = _NEEDS.get(check.kind, (0, ""))
    if len(check.columns) < least:
        wrong.append(f"needs {words}")
    if check.kind in ("references", "fresh") and len(check.columns) > 1:
        wrong.append("takes one column")
    if check.kind in ("between", "row_count") and check.min is None and check.max is None:
        wrong.append("needs min or max")
    required = {
        "in_set": ("values", bool(check.values)),
        "matches": ("pattern", check.pattern is not None),
        "expression": ("expression", check.expression is not None),
        "type": ("type", check.type is not None),
        "references": ("table and column", bool(check.table and check.column)),
        "fresh": ("max_age", check.max_age is not None),
    }.get(check.kind)
    if required and not required[1]:
        wrong.append(f"needs {required[0]}")
    return [Problem(what=text, where=f"check {check_name(check)}") for text in wrong]


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
    if check.kind == "columns":
        missing = [column for column in check.columns if column not in on.schema]
        return replace(rule, expected="columns " + ", ".join(check.columns), settled=_absent(missing))
    scope = parse_expression(check.where, who=f"The condition of check {name}") if check.where else ALL_ROWS
    expr = parse_expression(check.expression or "true", who=f"The check {name}")
    used = list(dict.fromkeys([*check.columns, *roots(scope), *roots(expr)]))
    missing = [column for column in used if column not in on.schema]
    if missing:
        return replace(rule, expected="columns " + ", ".join(used), settled=_absent(missing))
    rule = replace(rule, scope=scope.fill_null(False), shown=[c for c in used if c not in roots(scope)] or used)
    if check.where and (odd := _not_boolean(on.frame, scope)):
        return replace(rule, expected="a condition that is true or false", settled=(odd, 1))
    return _COMPILERS[check.kind](rule)


def _absent(missing: list[str]) -> tuple[str, int]:
    if not missing:
        return "all present", 0
    return f"missing: {', '.join(missing)}", len(missing)


def _not_boolean(frame: pl.LazyFrame, expr: pl.Expr) -> str:
    try:
        dtype = frame.select(expr.alias("it")).collect_schema()["it"]
    except pl.exceptions.PolarsError as error:
        return f"cannot be evaluated: {first_line(error)}"
    return "" if dtype == pl.Boolean else f"gives {type_class(dtype)}, not true or false"


def _wrong_types(rule: Rule, allowed: tuple[str, ...]) -> tuple[str, int] | None:
    kinds = {column: type_class(rule.on.schema[column]) for column in rule.check.columns}
    wrong = [f"{column} is {kind}" for column, kind in kinds.items() if kind not in (*allowed, "no values")]
    return ("; ".join(wrong), len(wrong)) if wrong else None


def _any(parts: list[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(parts) if len(parts) > 1 else parts[0]


def _rows(rule: Rule, bad: pl.Expr) -> Rule:
    """A rule that looks at each row by itself."""
    scoped = bad.fill_null(False) & rule.scope
    return replace(rule, bad=scoped, failing=lambda frame: frame.filter(scoped))


def _type(rule: Rule) -> Rule:
    wanted = str(rule.check.type)
    wrong = [
        f"{c} is {type_class(rule.on.schema[c])}" for c in rule.check.columns if type_class(rule.on.schema[c]) != wanted
    ]
    return replace(rule, expected=wanted, settled=("; ".join(wrong) or wanted, len(wrong)))


def _not_null(rule: Rule) -> Rule:
    share = f"at least {rule.check.mostly:.6g} of rows" if rule.check.mostly < 1 else "every row"
    bad = _any([pl.col(column).is_null() for column in rule.check.columns])
    return _rows(replace(rule, expected=f"a value in {share}"), bad)


def _unique(rule: Rule) -> Rule:
    columns = rule.check.columns
    looked_at = rule.scope & pl.all_horizontal([pl.col(column).is_not_null() for column in columns])

    def count(lazy: pl.LazyFrame) -> pl.LazyFrame:
        groups = lazy.filter(looked_at).group_by(columns).agg(pl.len().alias("n"))
        return groups.select(rows=pl.col("n").sum(), failed=pl.col("n").sum() - pl.len())

    def failing(lazy: pl.LazyFrame) -> pl.LazyFrame:
        return lazy.filter(looked_at).filter(~pl.struct(columns).is_first_distinct())

    return replace(rule, expected="no repeated " + ", ".join(columns), count=count, failing=failing)


def _between(rule: Rule) -> Rule:
    check = rule.check
    low, high = check.min, check.max
    expected = f"{'-∞' if low is None else f'{low:.15g}'} to {'∞' if high is None else f'{high:.15g}'}"
    rule = replace(rule, expected=expected, settled=_wrong_types(rule, ("int", "float")))
    if rule.settled:
        return rule
    parts = []
    for column in check.columns:
        value = pl.col(column)
        parts += [value < low] if low is not None else []
        parts += [value > high] if high is not None else []
        parts += [value.is_nan()] if rule.on.schema[column].is_float() else []
    if len(check.columns) == 1:
        only = pl.col(check.columns[0]).filter(rule.scope) if check.where else pl.col(check.columns[0])
        rule = replace(rule, extremes=(only.min(), only.max()))
    return _rows(rule, _any(parts))


def _in_set(rule: Rule) -> Rule:
    check = rule.check
    values = list(check.values)
    kind: pl.DataType
    rule = replace(rule, expected="one of " + ", ".join(str(value) for value in values))
    if all(isinstance(value, str) for value in values):
        wrong, kind = _wrong_types(rule, ("text",)), pl.String()
    elif all(isinstance(value, bool) for value in values):
        wrong, kind = _wrong_types(rule, ("bool",)), pl.Boolean()
    elif not any(isinstance(value, str | bool) for value in values):
        wrong, kind = _wrong_types(rule, ("int", "float")), pl.Float64()
    else:
        raise InputError(f"The check {rule.name} mixes texts, numbers and truths", remedy="Use one kind of value.")
    if wrong:
        return replace(rule, settled=wrong)
    allowed = pl.Series("allowed", values, dtype=kind).implode()
    return _rows(rule, _any([~pl.col(column).cast(kind).is_in(allowed) for column in check.columns]))


def _matches(rule: Rule) -> Rule:
    whole = rf"\A(?:{rule.check.pattern})\z"
    try:
        pl.Series(["x"]).str.contains(whole)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"The pattern of check {rule.name} is not valid", detail=str(error).strip()) from error
    wrong = _wrong_types(rule, ("text",))
    rule = replace(rule, expected=f"text like {rule.check.pattern}", settled=wrong)
    bad = [~pl.col(column).cast(pl.String).str.contains(whole) for column in rule.check.columns]
    return rule if wrong else _rows(rule, _any(bad))


def _references(rule: Rule) -> Rule:
    check = rule.check
    name, column, other_name = str(check.table), check.columns[0], str(check.column)
    rule = replace(rule, expected=f"a value of {name}.{other_name}")
    other = rule.on.tables.get(name)
    if other is None:
        return replace(rule, settled=(f"the table {name} is not there", 1))
    other_schema = other.collect_schema()
    if other_name not in other_schema:
        return replace(rule, settled=(f"missing: {name}.{other_name}", 1))
    ours, theirs = type_class(rule.on.schema[column]), type_class(other_schema[other_name])
    if ours != theirs and "no values" not in (ours, theirs):
        return replace(rule, settled=(f"{column} is {ours}, {name}.{other_name} is {theirs}", 1))
    known = other.select(pl.col(other_name).cast(rule.on.schema[column]).alias(column)).drop_nulls().unique()

    def failing(lazy: pl.LazyFrame) -> pl.LazyFrame:
        return lazy.filter(rule.scope & pl.col(column).is_not_null()).join(
            known, on=column, how="anti", maintain_order="left"
        )

    def count(lazy: pl.LazyFrame) -> pl.LazyFrame:
        groups = lazy.filter(rule.scope & pl.col(column).is_not_null()).group_by(column).agg(pl.len().alias("n"))
        seen = groups.join(known.with_columns(found=pl.lit(True)), on=column, how="left")
        return seen.select(rows=pl.col("n").sum(), failed=pl.col("n").filter(pl.col("found").is_null()).sum())

    return replace(rule, count=count, failing=failing)


def _expression(rule: Rule) -> Rule:
    text = str(rule.check.expression)
    rule = replace(rule, expected=text)
    expr = parse_expression(text, who=f"The check {rule.name}")
    if odd := _not_boolean(rule.on.frame, expr):
        return replace(rule, settled=(odd, 1))
    # An aggregate is one value: spread it over the rows, so that `mostly` counts rows.
    return _rows(rule, ~expr & (pl.int_range(pl.len()) >= 0))


def _row_count(rule: Rule) -> Rule:
    low, high = rule.check.min, rule.check.max
    ends = (("at least", low), ("at most", high))
    words = [f"{word} {end:,.0f}" for word, end in ends if end is not None]
    spread = rule.scope & (pl.int_range(pl.len()) >= 0)
    return replace(rule, expected=" and ".join(words) + " rows", value=spread.sum())


def _fresh(rule: Rule) -> Rule:
    age = span(str(rule.check.max_age))
    rule = replace(rule, expected=f"newest at most {age} old", settled=_wrong_types(rule, ("time", "date")))
    return rule if rule.settled else replace(rule, value=pl.col(rule.check.columns[0]).filter(rule.scope).max())


_COMPILERS: dict[str, Callable[[Rule], Rule]] = {
    "type": _type,
    "not_null": _not_null,
    "unique": _unique,
    "between": _between,
    "in_set": _in_set,
    "matches": _matches,
    "references": _references,
    "expression": _expression,
    "row_count": _row_count,
    "fresh": _fresh,
}
