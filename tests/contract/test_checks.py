"""Every kind of check, on small frames with known answers and on the flights tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contract.checks import MASK, check_name, run_checks
from core.contract.schema import Check, CheckResult
from core.kernel.errors import InputError

NOW = datetime(2013, 6, 1, tzinfo=UTC)
FRAME = pl.DataFrame(
    {
        "id": [1, 2, 3, 4, 4],
        "name": ["ann", "bob", None, "dora", "eve9"],
        "score": [0.5, None, 2.0, float("nan"), -1.0],
        "ok": [True, False, None, True, True],
        "at": [NOW - timedelta(days=d) for d in (5, 4, 3, 2, 1)],
        "day": [date(2013, 5, 1)] * 5,
    }
)


def one(frame: pl.DataFrame = FRAME, tables: dict[str, pl.LazyFrame] | None = None, **settings: Any) -> CheckResult:
    report = run_checks(frame, [Check(**settings)], table="people", tables=tables, key=["id"], now=NOW)
    return report.results[0]


CASES: list[tuple[dict[str, Any], int]] = [
    ({"kind": "columns", "columns": ["id", "name"]}, 0),
    ({"kind": "columns", "columns": ["id", "nope", "nix"]}, 2),
    ({"kind": "type", "columns": ["id"], "type": "int"}, 0),
    ({"kind": "type", "columns": ["id", "at"], "type": "text"}, 2),
    ({"kind": "type", "columns": ["at"], "type": "time"}, 0),
    ({"kind": "type", "columns": ["day"], "type": "date"}, 0),
    ({"kind": "type", "columns": ["ok"], "type": "bool"}, 0),
    ({"kind": "type", "columns": ["score"], "type": "float"}, 0),
    ({"kind": "not_null", "columns": ["name"]}, 1),
    ({"kind": "not_null", "columns": ["name", "score"]}, 2),
    ({"kind": "not_null", "columns": ["name"], "where": "id > 3"}, 0),
    ({"kind": "unique", "columns": ["id"]}, 1),
    ({"kind": "unique", "columns": ["id", "name"]}, 0),
    ({"kind": "unique", "columns": ["id"], "where": "name = 'dora'"}, 0),
    ({"kind": "between", "columns": ["score"], "min": 0, "max": 1}, 3),
    ({"kind": "between", "columns": ["id"], "max": 3}, 2),
    ({"kind": "between", "columns": ["id"], "max": 3, "where": "ok"}, 2),
    ({"kind": "between", "columns": ["name"], "max": 3}, 1),
    ({"kind": "in_set", "columns": ["name"], "values": ["ann", "bob", "dora"]}, 1),
    ({"kind": "in_set", "columns": ["id"], "values": [1, 2, 3]}, 2),
    ({"kind": "in_set", "columns": ["ok"], "values": [True]}, 1),
    ({"kind": "in_set", "columns": ["name"], "values": [1.0]}, 1),
    ({"kind": "matches", "columns": ["name"], "pattern": "[a-z]+"}, 1),
    ({"kind": "matches", "columns": ["name"], "pattern": "a|b"}, 4),
    ({"kind": "matches", "columns": ["id"], "pattern": "a"}, 1),
    ({"kind": "references", "columns": ["id"], "table": "other", "column": "id"}, 2),
    ({"kind": "references", "columns": ["name"], "table": "other", "column": "id"}, 1),
    ({"kind": "references", "columns": ["id"], "table": "lost", "column": "id"}, 1),
    ({"kind": "references", "columns": ["id"], "table": "other", "column": "lost"}, 1),
    ({"kind": "expression", "expression": "score > 0"}, 1),
    ({"kind": "expression", "expression": "id < 4 OR name LIKE 'd%'"}, 1),
    ({"kind": "expression", "expression": "AVG(id) > 100"}, 5),
    ({"kind": "expression", "expression": "id + 1"}, 1),
    ({"kind": "expression", "expression": "lost > 1"}, 1),
    ({"kind": "row_count", "min": 1, "max": 5}, 0),
    ({"kind": "row_count", "max": 4}, 1),
    ({"kind": "row_count", "max": 2, "where": "id < 3"}, 0),
    ({"kind": "fresh", "columns": ["at"], "max_age": "36h"}, 0),
    ({"kind": "fresh", "columns": ["at"], "max_age": "23h"}, 1),
    ({"kind": "fresh", "columns": ["day"], "max_age": "31d"}, 0),
    ({"kind": "fresh", "columns": ["name"], "max_age": "31d"}, 1),
]


@pytest.mark.parametrize(("settings", "failed"), CASES, ids=lambda value: str(value)[:80])
def test_each_kind_counts_what_fails(settings: dict[str, Any], failed: int) -> None:
    result = one(tables={"other": pl.LazyFrame({"id": [1, 2, 3, None]})}, **settings)
    assert result.failed == failed, result
    assert result.passed == (failed == 0)


def test_a_suite_gives_the_same_verdicts_as_its_checks_alone() -> None:
    tables = {"other": pl.LazyFrame({"id": [1, 2, 3]})}
    checks = [Check(**settings) for settings, _ in CASES]
    together = run_checks(FRAME.lazy(), checks, table="people", tables=tables, key=["id"], now=NOW)
    alone = [run_checks(FRAME, [check], table="people", tables=tables, key=["id"], now=NOW) for check in checks]
    assert together.results == [report.results[0] for report in alone]


def test_examples_show_key_and_values_with_personal_ones_masked() -> None:
    check = Check(kind="matches", columns=["name"], pattern="[a-z]+")
    report = run_checks(FRAME, [check], table="people", key=["id"], personal=["name"])
    example = report.results[0].examples[0]
    assert (example.row, example.key, example.values) == (4, {"id": "4"}, {"name": MASK})
    assert "eve9" not in report.model_dump_json()


def test_examples_are_limited_and_in_row_order() -> None:
    frame = pl.DataFrame({"x": list(range(1000))})
    result = run_checks(frame, [Check(kind="between", columns=["x"], min=900)], table="t", examples=3).results[0]
    assert (result.failed, [example.row for example in result.examples]) == (900, [0, 1, 2])


def test_mostly_and_warn() -> None:
    assert one(kind="not_null", columns=["name"], mostly=0.8).passed
    assert not one(kind="not_null", columns=["name"], mostly=0.81).passed
    assert not one(kind="expression", expression="AVG(id) > 100", mostly=0.5).passed
    warned = run_checks(FRAME, [Check(kind="not_null", columns=["name"], severity="warn")], table="people")
    assert warned.passed
    assert not warned.results[0].passed


def test_a_missing_column_or_an_impossible_cast_fails_and_says_so() -> None:
    assert one(kind="between", columns=["lost"], min=0).observed == "missing: lost"
    assert one(kind="not_null", columns=["id"], where="lost > 1").observed == "missing: lost"
    broken = Check(kind="expression", expression="CAST(name AS INT) > 1")
    report = run_checks(FRAME, [broken, Check(kind="unique", columns=["name"])], table="people")
    assert [result.passed for result in report.results] == [False, True]
    assert "cannot be evaluated" in report.results[0].observed


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "expression", "expression": "score >"},
        {"kind": "not_null", "columns": ["id"], "where": "(id"},
        {"kind": "expression", "expression": "at < NOW()"},
        {"kind": "matches", "columns": ["name"], "pattern": "("},
        {"kind": "between", "columns": ["id"]},
        {"kind": "in_set", "columns": ["id"]},
        {"kind": "in_set", "columns": ["id"], "values": [1, "a"]},
        {"kind": "references", "columns": ["id"]},
        {"kind": "fresh", "columns": ["at"], "max_age": "soon"},
        {"kind": "unique"},
    ],
    ids=str,
)
def test_a_wrong_check_is_refused_by_name(settings: dict[str, Any]) -> None:
    check = Check(name="my rule", **settings)
    good = Check(kind="unique", columns=["id"])
    with pytest.raises(InputError) as caught:
        run_checks(FRAME, [good, check], table="people")
    assert "my rule" in str(caught.value) or "soon" in str(caught.value)


def test_all_wrong_checks_are_told_at_once() -> None:
    checks = [Check(kind="between", columns=["id"]), Check(kind="expression", expression="a >")]
    with pytest.raises(InputError) as caught:
        run_checks(FRAME, checks, table="people")
    assert len(caught.value.problems) == 2


def test_names() -> None:
    assert check_name(Check(kind="unique", columns=["a", "b"])) == "unique(a, b)"
    assert check_name(Check(kind="unique", columns=["a"], name="key")) == "key"
    assert check_name(Check(kind="references", columns=["a"], table="t", column="b")) == "references(a -> t.b)"


def test_an_empty_table_passes_row_checks_and_is_not_fresh() -> None:
    empty = FRAME.clear()
    assert one(frame=empty, kind="between", columns=["score"], min=0).passed
    assert one(frame=empty, kind="unique", columns=["id"]).passed
    assert not one(frame=empty, kind="fresh", columns=["at"], max_age="1d").passed


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=30),
    low=st.integers(-5, 5),
    high=st.integers(-5, 5),
    mostly=st.floats(0.01, 1.0),
)
def test_counts_agree_with_plain_python(values: list[int | None], low: int, high: int, mostly: float) -> None:
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Int64})
    checks = [
        Check(kind="between", columns=["x"], min=low, max=high, mostly=mostly),
        Check(kind="unique", columns=["x"]),
        Check(kind="not_null", columns=["x"]),
    ]
    between, unique, full = run_checks(frame, checks, table="t").results
    present = [value for value in values if value is not None]
    outside = sum(not low <= value <= high for value in present)
    assert between.failed == outside
    assert between.passed == (outside <= (1 - mostly) * len(values) + 1e-9)
    assert unique.failed == len(present) - len(set(present))
    assert full.failed == values.count(None)


@pytest.mark.parametrize("statistic", ["min", "max", "median", "quantile"])
def test_a_statistic_that_is_one_rows_value_is_not_told_of_a_personal_column(statistic: Any) -> None:
    frame = pl.DataFrame({"salary": [10, 20, 987_654], "team": ["a", "a", "b"]}).lazy()
    checks = [
        Check(kind="statistic", columns=["salary"], statistic=statistic, quantile=0.5, max=1, by=by)
        for by in ([], ["team"])
    ]
    for check in checks:
        (open_,) = run_checks(frame, [check], table="staff").results
        (closed,) = run_checks(frame, [check], table="staff", personal=["salary"]).results
        assert closed.failed == open_.failed
        seen = closed.plain()
        assert not any(str(value) in str(seen) for value in (20, 987_654)), seen
        assert any(str(value) in str(open_.plain()) for value in (10, 15, 20, 987654))
