"""From facts to verdicts: how many failed, what was seen, which groups are worst."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from core.contract.rules import Facts, Outcome, Rule
from core.contract.schema import CheckResult, GroupFailure
from core.kernel.clock import utc_text

MASK = "(masked)"
WORST = 10  # groups that a result names


def verdict(rule: Rule, fact: Facts, all_rows: int, now: datetime, personal: frozenset[str]) -> CheckResult:
    """The result of one rule, without examples."""
    if rule.skipped:
        return _result(rule, all_rows, Outcome(0, f"skipped: {rule.skipped}", skipped=rule.skipped), passed=True)
    if rule.settled is not None:
        return _result(rule, all_rows, Outcome(rule.settled[1], rule.settled[0]), passed=not rule.settled[1])
    if "broken" in fact:
        return _result(rule, all_rows, Outcome(max(all_rows, 1), str(fact["broken"])), passed=False)
    if "groups" in fact:
        return _by_groups(rule, fact["groups"], now, personal)
    rows = int(all_rows if fact.get("rows") is None else fact["rows"])
    if rule.judge is not None:
        told = rule.judge(fact, rows, now)
        told = _hidden(rule, told) if _tells_one(rule, personal) else told
        return _result(rule, rows, told, passed=not told.failed)
    failed = int(fact["failed"] or 0)
    seen = "" if personal.intersection(rule.check.columns) else _extremes(fact)
    told = Outcome(failed, _counted(failed, rows) + seen)
    return _result(rule, rows, told, passed=failed <= tolerated(rule.check.mostly, rows))


def _tells_one(rule: Rule, personal: frozenset[str]) -> bool:
    """Whether what is seen is one row's own value, of a column that is personal."""
    check = rule.check
    one = check.kind == "most_common" or check.statistic in ("min", "max", "median", "quantile")
    return one and bool(personal.intersection(check.columns))


def _hidden(rule: Rule, told: Outcome) -> Outcome:
    """Without the value; of an anomaly it is kept as a figure, for the next one is judged by it."""
    if rule.check.kind == "anomaly":
        return told._replace(observed=MASK)
    return told._replace(observed=MASK, value=None, low=None, high=None)


def tolerated(mostly: float, rows: int) -> int:
    """Failures that a check lets pass."""
    return int((1.0 - mostly) * rows + 1e-9)


def _result(rule: Rule, rows: int, told: Outcome, *, passed: bool) -> CheckResult:
    return CheckResult(
        name=rule.name,
        kind=rule.check.kind,
        columns=rule.check.columns,
        severity=rule.check.severity,
        passed=passed,
        rows=rows,
        failed=told.failed,
        observed=told.observed,
        expected=rule.expected,
        skipped=told.skipped,
        value=told.value,
        low=told.low,
        high=told.high,
    )


def _counted(failed: int, rows: int) -> str:
    share = f" ({100 * failed / rows:.3g} %)" if failed and rows else ""
    return f"{failed:,} of {rows:,} rows fail{share}"


def _extremes(fact: Facts) -> str:
    return f"; values {text_of(fact['low'])} to {text_of(fact['high'])}" if fact.get("low") is not None else ""


def _by_groups(rule: Rule, groups: pl.DataFrame, now: datetime, personal: frozenset[str]) -> CheckResult:
    """Every group must pass by itself; the worst are named, with their counts."""
    if rule.judge is not None:
        judge = rule.judge
        told = [judge(fact, int(fact["rows"]), now) for fact in groups.iter_rows(named=True)]
        groups = groups.with_columns(
            pl.Series("failed", [item.failed for item in told], dtype=pl.Int64),
            pl.Series("value", [None if _tells_one(rule, personal) else item.value for item in told], dtype=pl.Float64),
        )
        bad = groups.filter(pl.col("failed") > 0)
    else:
        allowed = ((1.0 - rule.check.mostly) * pl.col("rows") + 1e-9).floor()
        bad = groups.filter(pl.col("failed") > allowed)
    shared = pl.col("failed") / pl.col("rows")
    worst = bad.sort(
        [shared, pl.col("failed"), *rule.check.by], descending=[True, True, *(False for _ in rule.check.by)]
    )
    named = [_group(rule.check.by, row, personal) for row in worst.head(WORST).iter_rows(named=True)]
    rows, failed = int(groups["rows"].sum()), int(groups["failed"].sum())
    words = f"{bad.height:,} of {groups.height:,} groups fail"
    if named:
        first = named[0]
        what = f"{first.value:.6g}" if first.value is not None else _counted(first.failed, first.rows)
        words += f"; worst {', '.join(f'{name}={value}' for name, value in first.group.items())}: {what}"
    base = _result(rule, rows, Outcome(failed, words), passed=not bad.height)
    return base.model_copy(update={"groups": named})


def _group(by: list[str], row: dict[str, Any], personal: frozenset[str]) -> GroupFailure:
    told = {name: MASK if name in personal and row[name] is not None else text_of(row[name]) for name in by}
    return GroupFailure(group=told, rows=row["rows"], failed=row["failed"], value=row.get("value"))


def text_of(value: Any) -> str | None:
    """A cell as text; times in UTC."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return utc_text(value) if value.tzinfo else value.isoformat()
    return f"{value:.15g}" if isinstance(value, float) else str(value)
