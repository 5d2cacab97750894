"""Failing rows: the first of each check, from one more look at only the columns that failed.

Most failures show in the first rows of a table, so those are read once for all checks. What is
still missing then is looked for in the rest, check by check, each stopping at its last row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from core.contract.plan import Table
from core.contract.rules import Facts, Rule
from core.contract.schema import CheckResult, Failure
from core.contract.verdicts import MASK, text_of
from core.contract.whole import ROW

FIRST_ROWS = 100_000


def with_examples(
    table: Table,
    rules: Sequence[Rule],
    facts: Sequence[Facts],
    results: list[CheckResult],
    key: list[str],
    personal: frozenset[str],
    limit: int,
) -> list[CheckResult]:
    """The results, those that failed with up to ``limit`` failing rows in the table's order."""
    wanted = [
        i for i, (rule, fact, result) in enumerate(zip(rules, facts, results, strict=True)) if _has(rule, fact, result)
    ]
    if not wanted or limit < 1:
        return results
    columns = {i: list(dict.fromkeys([*key, *rules[i].shown])) for i in wanted}
    found = _find(table, rules, facts, results, columns, limit)
    out = list(results)
    for i, frame in found.items():
        failures = [_failure(row, key, rules[i].shown, personal) for row in frame.iter_rows(named=True)]
        out[i] = results[i].model_copy(update={"examples": failures})
    return out


def _has(rule: Rule, fact: Facts, result: CheckResult) -> bool:
    return not result.passed and rule.asked and rule.failing is not None and "broken" not in fact


def _find(
    table: Table,
    rules: Sequence[Rule],
    facts: Sequence[Facts],
    results: list[CheckResult],
    columns: dict[int, list[str]],
    limit: int,
) -> dict[int, pl.DataFrame]:
    indexed = table.frame.with_row_index(ROW)
    near = [i for i in columns if not rules[i].alone]
    found = _in_first_rows(table, indexed, rules, facts, columns, near, limit) if near else {}
    rest = indexed.slice(FIRST_ROWS)
    for i, names in columns.items():
        failing, enough = rules[i].failing, min(limit, results[i].failed)
        assert failing is not None
        if i in found and found[i].height >= enough:
            continue
        table.pause()
        more = failing(rest if i in found else indexed, facts[i]).select(ROW, *names)
        more_rows = more.head(limit - (found[i].height if i in found else 0)).collect(engine=table.engine)
        found[i] = pl.concat([found[i], more_rows]) if i in found else more_rows
    return found


def _in_first_rows(
    table: Table,
    indexed: pl.LazyFrame,
    rules: Sequence[Rule],
    facts: Sequence[Facts],
    columns: dict[int, list[str]],
    near: list[int],
    limit: int,
) -> dict[int, pl.DataFrame]:
    table.pause()
    needed = {name for i in near for name in _reads(rules[i], columns[i])}
    names = [name for name in rules[near[0]].on.schema.names() if name in needed]
    first = indexed.head(FIRST_ROWS).select(ROW, *names).collect(engine=table.engine).lazy()
    plans = []
    for i in near:
        failing = rules[i].failing
        assert failing is not None
        plans.append(failing(first, facts[i]).select(ROW, *columns[i]).head(limit))
    return dict(zip(near, pl.collect_all(plans), strict=True))


def _reads(rule: Rule, shown: list[str]) -> list[str]:
    roots = rule.bad.meta.root_names() if rule.bad is not None else []
    return [*shown, *rule.check.columns, *rule.scope.meta.root_names(), *roots]


def _failure(row: dict[str, Any], key: list[str], shown: list[str], personal: frozenset[str]) -> Failure:
    def tell(column: str) -> str | None:
        value = text_of(row[column])
        return MASK if value is not None and column in personal else value

    return Failure(
        row=row[ROW],
        key={column: tell(column) or "" for column in key},
        values={column: tell(column) for column in shown},
    )
