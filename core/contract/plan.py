"""One plan for a whole suite: every aggregate that can share a scan does, the others read only their columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl
from polars._typing import EngineType

from core.contract.expressions import first_line, roots
from core.contract.rules import Facts, Rule

Pause = Callable[[], None]


@dataclass(frozen=True)
class Table:
    """A table to read: ``engine`` streams files and keeps what is in memory there; ``pause`` may stop the work."""

    frame: pl.LazyFrame
    engine: EngineType
    pause: Pause

    def one(self, plan: pl.LazyFrame) -> Facts:
        """The single row of a plan."""
        self.pause()
        return plan.collect(engine=self.engine).row(0, named=True)


@dataclass
class Measured:
    """All counts: rows of the table, and the facts of each rule."""

    rows: int
    facts: list[Facts] = field(default_factory=list)


def measure(table: Table, rules: Sequence[Rule]) -> Measured:
    """The facts of every rule; if the engine refuses a plan, rule by rule, to name the culprit."""
    facts: list[Facts] = [{} for _ in rules]
    places = [index for index, rule in enumerate(rules) if rule.asked]
    shared = [index for index in places if _shares(rules[index])]
    rows = _scan(table, rules, shared, facts)
    for index in places:
        if index not in shared and not rules[index].check.by:
            facts[index] = _own(table, rules[index])
    grouped = [index for index in places if rules[index].check.by]
    for by in dict.fromkeys(tuple(rules[index].check.by) for index in grouped):
        _groups(table, rules, [index for index in grouped if tuple(rules[index].check.by) == by], facts)
    return Measured(rows, facts)


def _shares(rule: Rule) -> bool:
    return not rule.check.by and not rule.alone and (rule.bad is not None or rule.value is not None)


def _scan(table: Table, rules: Sequence[Rule], shared: list[int], facts: list[Facts]) -> int:
    expressions = [expr for index in shared for expr in _aggregates(rules[index], index)]
    try:
        row = table.one(table.frame.select(pl.len().alias("all"), *expressions))
    except pl.exceptions.PolarsError:
        for index in shared:
            facts[index] = _broken(table, rules[index], index)
        return int(table.one(table.frame.select(pl.len().alias("all")))["all"])
    for name, value in row.items():
        kind, _, place = name.partition(":")
        if place:
            facts[int(place)][kind] = value
    return int(row["all"])


def _aggregates(rule: Rule, index: int) -> list[pl.Expr]:
    out = [rule.scope.sum().cast(pl.Int64).alias(f"rows:{index}")] if rule.check.where else []
    if rule.value is not None:
        return [*out, rule.value.alias(f"value:{index}")]
    assert rule.bad is not None
    out.append(rule.bad.sum().cast(pl.Int64).alias(f"failed:{index}"))
    if rule.extremes:
        out += [rule.extremes[0].alias(f"low:{index}"), rule.extremes[1].alias(f"high:{index}")]
    return out


def _broken(table: Table, rule: Rule, index: int) -> Facts:
    """One rule by itself, after the shared scan was refused."""
    try:
        row = table.one(table.frame.select(pl.len().alias("all"), *_aggregates(rule, index)))
    except pl.exceptions.PolarsError as error:
        return {"broken": f"cannot be evaluated: {first_line(error)}"}
    return {name.partition(":")[0]: value for name, value in row.items() if ":" in name}


def _own(table: Table, rule: Rule) -> Facts:
    """A rule that needs a plan of its own."""
    plan = rule.count or rule.facts
    try:
        if plan is not None:
            return table.one(plan(table.frame))
        assert rule.bad is not None
        return table.one(table.frame.select(failed=rule.bad.sum().cast(pl.Int64), rows=_size(rule)))
    except pl.exceptions.PolarsError as error:
        return {"broken": f"cannot be evaluated: {first_line(error)}"}


def _size(rule: Rule) -> pl.Expr:
    return rule.scope.sum().cast(pl.Int64) if rule.check.where else pl.len().cast(pl.Int64)


def _groups(table: Table, rules: Sequence[Rule], asked: list[int], facts: list[Facts]) -> None:
    """Rules by the same groups in one pass; if that is refused, each by itself."""
    try:
        found = _grouped(table, [(index, rules[index]) for index in asked])
    except pl.exceptions.PolarsError as error:
        if len(asked) == 1:
            facts[asked[0]] = {"broken": f"cannot be evaluated: {first_line(error)}"}
            return
        for index in asked:
            _groups(table, rules, [index], facts)
        return
    by = rules[asked[0]].check.by
    for index in asked:
        names = {f"{kind}:{index}": kind for kind in ("rows", "failed", "value")}
        own = found.select(*by, *(pl.col(name).alias(kind) for name, kind in names.items() if name in found.columns))
        facts[index] = {"groups": own.filter(pl.col("rows") > 0)}


def _grouped(table: Table, asked: list[tuple[int, Rule]]) -> pl.DataFrame:
    table.pause()
    by = asked[0][1].check.by
    columns = [pl.col(name) for name in by]
    found: list[pl.Expr] = []
    needed: set[str] = set()
    for index, rule in asked:
        if rule.bad is not None:
            columns.append(rule.bad.alias(f"bad:{index}"))
            found.append(pl.col(f"bad:{index}").sum().cast(pl.Int64).alias(f"failed:{index}"))
        elif rule.value is not None:
            needed |= set(roots(rule.value)) - set(by)
            found.append(rule.value.alias(f"value:{index}"))
        if rule.check.where:
            needed |= set(roots(rule.scope)) - set(by)
        found.append(_size(rule).alias(f"rows:{index}"))
    columns += [pl.col(name) for name in sorted(needed)]
    return table.frame.select(columns).group_by(by).agg(found).sort(by).collect(engine=table.engine)
