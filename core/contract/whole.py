"""Checks that look at a whole column or table, compiled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from core.contract.rules import (
    Facts,
    Outcome,
    Rule,
    in_scope,
    range_words,
    type_class,
    wrong_types,
)
from core.kernel.clock import utc_text
from core.kernel.durations import span

ROW = "__row__"
LIMIT = 100  # examples of one check, at most


def compile_unique(rule: Rule) -> Rule:
    """No two rows with the same values; rows with a null among them are left out."""
    columns = rule.check.columns
    looked_at = pl.all_horizontal([pl.col(column).is_not_null() for column in columns])
    looked_at = looked_at & rule.scope if rule.check.where else looked_at
    return _repeats(replace(rule, expected="no repeated " + ", ".join(columns)), looked_at, columns)


def compile_duplicates(rule: Rule) -> Rule:
    """No two rows alike, over all columns if none are named; told by a 64-bit hash of the row."""
    columns = rule.check.columns or rule.on.schema.names()
    rule = replace(rule, expected="no row twice", shown=rule.check.columns)
    return _repeats(rule, rule.scope if rule.check.where else None, columns, hashed=True)


def _repeats(rule: Rule, looked_at: pl.Expr | None, columns: list[str], *, hashed: bool = False) -> Rule:
    identity = [pl.struct(columns).hash().alias("__hash__")] if hashed else [pl.col(column) for column in columns]
    names = ["__hash__"] if hashed else columns

    def rows(lazy: pl.LazyFrame) -> pl.LazyFrame:
        return lazy if looked_at is None else lazy.filter(looked_at)

    def groups(lazy: pl.LazyFrame) -> pl.LazyFrame:
        return rows(lazy).select(identity).group_by(names).agg(pl.len().alias("n"))

    def count(lazy: pl.LazyFrame) -> pl.LazyFrame:
        return groups(lazy).select(rows=pl.col("n").sum(), failed=pl.col("n").sum() - pl.len())

    def failing(lazy: pl.LazyFrame, _: Facts) -> pl.LazyFrame:
        same = pl.struct(columns).hash() if hashed else pl.struct(columns) if len(columns) > 1 else pl.col(columns[0])
        return rows(lazy).filter(~same.is_first_distinct())

    return replace(rule, count=count, failing=failing, alone=True)


def compile_references(rule: Rule) -> Rule:
    """Every combination of values occurs in another table; a null among them passes."""
    check = rule.check
    name, columns = str(check.table), check.columns
    theirs = [check.column] if check.column else check.to
    rule = replace(rule, expected=f"a value of {name}.{', '.join(theirs)}")
    if rule.on.tables is None:
        return replace(rule, skipped="other tables are not at hand here")
    other = rule.on.tables.get(name)
    if other is None:
        return replace(rule, settled=(f"the table {name} is not there", 1))
    schema = other.collect_schema()
    for ours, their in zip(columns, theirs, strict=True):
        if their not in schema:
            return replace(rule, settled=(f"missing: {name}.{their}", 1))
        kinds = type_class(rule.on.schema[ours]), type_class(schema[their])
        if kinds[0] != kinds[1] and "no values" not in kinds:
            return replace(rule, settled=(f"{ours} is {kinds[0]}, {name}.{their} is {kinds[1]}", 1))
    pairs = zip(columns, theirs, strict=True)
    known = other.select(pl.col(their).cast(rule.on.schema[ours]).alias(ours) for ours, their in pairs).unique()
    looked_at = pl.all_horizontal([pl.col(column).is_not_null() for column in columns])
    looked_at = looked_at & rule.scope if check.where else looked_at

    def failing(lazy: pl.LazyFrame, _: Facts) -> pl.LazyFrame:
        return lazy.filter(looked_at).join(known, on=columns, how="anti", maintain_order="left")

    def count(lazy: pl.LazyFrame) -> pl.LazyFrame:
        groups = lazy.filter(looked_at).group_by(columns).agg(pl.len().alias("n"))
        seen = groups.join(known.with_columns(__found__=pl.lit(True)), on=columns, how="left")
        return seen.select(rows=pl.col("n").sum(), failed=pl.col("n").filter(pl.col("__found__").is_null()).sum())

    return replace(rule, count=count, failing=failing)


def _within(value: float | None, low: float | None, high: float | None, text: str) -> Outcome:
    outside = value is not None and ((low is not None and value < low) or (high is not None and value > high))
    outside = outside or value != value  # NaN is outside of every range
    return Outcome(int(outside), text, None if value != value else value, low, high)


def compile_row_count(rule: Rule) -> Rule:
    """As many rows as allowed."""
    low, high = rule.check.min, rule.check.max
    ends = (("at least", low), ("at most", high))
    words = [f"{word} {end:,.0f}" for word, end in ends if end is not None]

    def judge(_: Facts, rows: int, __: datetime) -> Outcome:
        return _within(float(rows), low, high, f"{rows:,} rows")

    return replace(rule, expected=" and ".join(words) + " rows", value=pl.len(), judge=judge)


def compile_fresh(rule: Rule) -> Rule:
    """The newest time is not too old."""
    age = span(str(rule.check.max_age))
    rule = replace(rule, expected=f"newest at most {age} old", settled=wrong_types(rule, ("time", "date")))

    def judge(fact: Facts, _: int, now: datetime) -> Outcome:
        newest = _instant(fact["value"])
        if newest is None:
            return Outcome(1, "no time at all")
        old = (now - newest).total_seconds()
        return Outcome(int(now - newest > age), f"newest {utc_text(newest)}", old, None, age.total_seconds())

    return replace(rule, value=in_scope(rule, pl.col(rule.check.columns[0])).max(), judge=judge)


def _instant(newest: datetime | date | None) -> datetime | None:
    if newest is None:
        return None
    if not isinstance(newest, datetime):
        newest = datetime(newest.year, newest.month, newest.day, tzinfo=UTC)
    return newest if newest.tzinfo else newest.replace(tzinfo=UTC)


def statistic_of(rule: Rule) -> pl.Expr:
    """The aggregate that a check names; NaN counts as no value, the spread is the sample's."""
    check = rule.check
    if check.statistic == "row_count":
        return in_scope(rule, pl.lit(1)).sum() if check.where else pl.len()
    column = check.columns[0]
    value = in_scope(rule, pl.col(column))
    known = (value.fill_nan(None) if rule.on.schema[column].is_float() else value).drop_nulls()
    made: dict[str, pl.Expr] = {
        "null_share": value.null_count() / value.len(),
        "distinct": known.n_unique(),
        "distinct_share": known.n_unique() / known.len(),
    }
    if rule.on.schema[column].is_numeric():
        made |= {
            "sum": known.sum(),
            "mean": known.mean(),
            "median": known.median(),
            "std": known.std(),
            "min": known.min(),
            "max": known.max(),
            "quantile": known.quantile(check.quantile if check.quantile is not None else 0.5, "linear"),
        }
    return made[str(check.statistic)].cast(pl.Float64)


def _statistic_types(rule: Rule) -> tuple[str, int] | None:
    needs_numbers = rule.check.statistic not in ("row_count", "null_share", "distinct", "distinct_share")
    return wrong_types(rule, ("int", "float")) if needs_numbers else None


def compile_statistic(rule: Rule) -> Rule:
    """An aggregate of one column within bounds."""
    low, high, what = rule.check.min, rule.check.max, rule.check.statistic
    rule = replace(rule, expected=f"{what} {range_words(low, high)}", settled=_statistic_types(rule))
    if rule.settled:
        return rule

    def judge(fact: Facts, _: int, __: datetime) -> Outcome:
        value = fact["value"]
        return _within(value, low, high, "no values" if value is None else f"{what} {value:.6g}")

    return replace(rule, value=statistic_of(rule), judge=judge)


def compile_constant(rule: Rule) -> Rule:
    """One value only, whichever it is."""

    def judge(fact: Facts, _: int, __: datetime) -> Outcome:
        return _within(float(fact["value"]), None, 1.0, f"{fact['value']:,} distinct values")

    value = in_scope(rule, pl.col(rule.check.columns[0])).drop_nulls().n_unique()
    return replace(rule, expected="one value", value=value, judge=judge)


def compile_most_common(rule: Rule) -> Rule:
    """The most frequent value is one of a list, perhaps with a share within bounds; the least of ties counts."""
    check, column = rule.check, rule.check.columns[0]
    allowed = {str(value) for value in check.values}
    share = f", a share of {range_words(check.min, check.max)}" if (check.min, check.max) != (None, None) else ""

    def facts(lazy: pl.LazyFrame) -> pl.LazyFrame:
        looked_at = pl.col(column).is_not_null()
        counted = lazy.filter(looked_at & rule.scope if check.where else looked_at).group_by(column).len("n")
        first = pl.struct(pl.col(column).alias("value"), "n").sort_by("n", column, descending=[True, False]).first()
        return counted.select(rows=pl.col("n").sum(), value=first)

    def judge(fact: Facts, rows: int, _: datetime) -> Outcome:
        if fact["value"] is None or not rows:
            return Outcome(0, "no values")
        value, part = fact["value"]["value"], fact["value"]["n"] / rows
        told = _within(part, check.min, check.max, f"{value} in {part:.3g} of the values")
        return told if _plain(value) in allowed else told._replace(failed=1)

    words = f"one of {', '.join(str(value) for value in check.values)}{share}"
    return replace(rule, expected=words, facts=facts, judge=judge)


def _plain(value: Any) -> str:
    """A value as the listed ones are written: 3 and 3.0 are one number."""
    return str(float(value)) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def lag_quantile(rule: Rule, late: pl.Expr, limit: timedelta) -> Rule:
    """A quantile of the lags, in seconds."""
    quantile = float(rule.check.quantile or 0.0)

    def judge(fact: Facts, _: int, __: datetime) -> Outcome:
        value = fact["value"]
        text = "no lags" if value is None else f"quantile {quantile:g}: {timedelta(seconds=round(value))}"
        return _within(value, None, limit.total_seconds(), text)

    seconds = in_scope(rule, late.dt.total_microseconds() / 1e6).quantile(quantile, "linear")
    return replace(rule, expected=f"quantile {quantile:g}: {rule.expected}", value=seconds, judge=judge)


def compile_anomaly(rule: Rule) -> Rule:
    """A statistic within what earlier snapshots of the table let expect."""
    past = rule.on.past
    words = f"{rule.check.statistic} as its history lets expect (false alarm {rule.check.false_alarm:g})"
    rule = replace(rule, expected=words, settled=_statistic_types(rule))
    if rule.settled or past is None:
        return rule if rule.settled else replace(rule, skipped="earlier snapshots are not at hand here")

    def judge(fact: Facts, rows: int, _: datetime) -> Outcome:
        return past.anomaly(rule.check, fact["value"], rows)

    return replace(rule, value=statistic_of(rule), judge=judge)


def compile_distribution(rule: Rule) -> Rule:
    """Counts of a column's cells against the baseline's."""
    check, past = rule.check, rule.on.past
    words = f"like the baseline ({check.baseline}; false alarm {check.false_alarm:g})"
    rule = replace(rule, expected=words, settled=wrong_types(rule, ("int", "float", "text", "bool")))
    if rule.settled or past is None:
        return rule if rule.settled else replace(rule, skipped="the baseline is not at hand here")
    found = past.cells(check)
    if found is None:
        return replace(rule, skipped=f"there is no profile of {check.columns[0]} in the baseline yet")
    cell, cells = _cell(check.columns[0], *found, number=rule.on.schema[check.columns[0]].is_numeric())

    def facts(lazy: pl.LazyFrame) -> pl.LazyFrame:
        rows = lazy.filter(rule.scope) if check.where else lazy
        counted = rows.select(cell.alias("cell")).group_by("cell").len("n")
        return counted.select(rows=pl.col("n").sum(), value=pl.struct("cell", "n").implode())

    def judge(fact: Facts, _: int, __: datetime) -> Outcome:
        counts = [0] * cells
        for item in fact["value"] or []:
            counts[item["cell"]] = int(item["n"])
        return past.distribution(check, counts)

    return replace(rule, facts=facts, judge=judge)


def _cell(column: str, edges: list[float], levels: list[str], *, number: bool) -> tuple[pl.Expr, int]:
    """Where a value falls: below, the bins, above and null; or the levels, others and null."""
    if not number:
        place = pl.col(column).cast(pl.String).replace_strict(levels, range(len(levels)), default=len(levels))
        return pl.when(pl.col(column).is_null()).then(len(levels) + 1).otherwise(place), len(levels) + 2
    low, high, bins = edges[0], edges[-1], len(edges) - 1
    value = pl.col(column).cast(pl.Float64)
    width = (high - low) / bins if high > low else 1.0
    place = ((value - low) / width).floor().clip(0, bins - 1).cast(pl.Int64, strict=False) + 1
    cell = pl.when(value.is_null() | value.is_nan()).then(bins + 2).when(value < low).then(0)
    return cell.when(value > high).then(bins + 1).otherwise(place).cast(pl.Int64), bins + 3
