"""The kinds of checks beyond the first ones, groups, skips: known answers on small frames and on real data."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from core.contract.checks import MASK, run_checks
from core.contract.requests import NOT_OF_REQUESTS, RequestValidator
from core.contract.schema import Check, CheckResult, Contract
from core.kernel.errors import InputError

NOW = datetime(2013, 6, 1, tzinfo=UTC)
FRAME = pl.DataFrame(
    {
        "id": [1, 2, 3, 4, 4],
        "site": ["a", "a", "b", "b", "b"],
        "name": ["ann", "bob", None, "dora", "eve9"],
        "score": [0.5, None, 2.0, 4.0, -1.0],
        "best": [1.0, 1.0, 2.0, 3.0, None],
        "at": [NOW - timedelta(days=d) for d in (5, 4, 3, 2, 1)],
        "got": [NOW - timedelta(days=d) for d in (4, 4, 1, 2, 0)],
        "day": [date(2013, 5, 1)] * 5,
        "text": ["2013-05-01", "2013-13-01", None, "1.5.2013", "2013-05-31"],
        "empty": pl.Series([None] * 5, dtype=pl.Int64),
    }
)
OTHER = pl.LazyFrame({"no": [1, 2, 3, 4], "place": ["a", "b", "b", "b"]})


def one(frame: pl.DataFrame = FRAME, **settings: Any) -> CheckResult:
    check = Check(**settings)
    both = [
        run_checks(each, [check], table="t", tables={"other": OTHER}, key=["id"], now=NOW).results[0]
        for each in (frame, frame.lazy())
    ]
    assert both[0] == both[1]  # in memory and streamed
    return both[0]


CASES: list[tuple[dict[str, Any], int]] = [
    ({"kind": "absent", "columns": ["lost"]}, 0),
    ({"kind": "absent", "columns": ["lost", "id", "at"]}, 2),
    ({"kind": "columns", "columns": FRAME.columns, "strict": True, "ordered": True}, 0),
    ({"kind": "columns", "columns": FRAME.columns[1:], "strict": True}, 1),
    ({"kind": "columns", "columns": ["site", "id"], "ordered": True}, 1),
    ({"kind": "columns", "columns": ["id", "at"], "ordered": True}, 0),
    ({"kind": "null", "columns": ["empty"]}, 0),
    ({"kind": "null", "columns": ["name"]}, 4),
    ({"kind": "between", "columns": ["score"], "above": 0.5}, 2),
    ({"kind": "between", "columns": ["score"], "min": 0.5, "below": 4}, 2),
    ({"kind": "not_in_set", "columns": ["site"], "values": ["b", "z"]}, 3),
    ({"kind": "not_in_set", "columns": ["id"], "values": [4]}, 2),
    ({"kind": "not_matches", "columns": ["name"], "pattern": "[0-9]"}, 1),
    ({"kind": "length", "columns": ["name"], "min": 4, "max": 4}, 2),
    ({"kind": "length", "columns": ["id"], "max": 4}, 1),
    ({"kind": "date_format", "columns": ["text"], "format": "%Y-%m-%d"}, 2),
    ({"kind": "date_format", "columns": ["text"], "format": "%d.%m.%Y"}, 3),
    ({"kind": "compare", "columns": ["score", "best"], "operator": "<="}, 1),
    ({"kind": "compare", "columns": ["score", "best"], "operator": "=="}, 2),
    ({"kind": "compare", "columns": ["at", "got"], "operator": "<"}, 2),
    ({"kind": "compare", "columns": ["at", "name"], "operator": "<"}, 1),
    ({"kind": "monotonic", "columns": ["id"]}, 0),
    ({"kind": "monotonic", "columns": ["id"], "strict": True}, 1),
    ({"kind": "monotonic", "columns": ["score"]}, 1),
    ({"kind": "monotonic", "columns": ["at"], "direction": "decreasing"}, 4),
    ({"kind": "lag", "columns": ["at", "got"], "max_age": "1d"}, 1),
    ({"kind": "lag", "columns": ["at", "got"], "max_age": "1d", "quantile": 0.5}, 0),
    ({"kind": "lag", "columns": ["at", "got"], "max_age": "1d", "quantile": 0.95}, 1),
    ({"kind": "references", "columns": ["id", "site"], "table": "other", "to": ["no", "place"]}, 1),
    ({"kind": "references", "columns": ["id", "site"], "table": "other", "to": ["no", "lost"]}, 1),
    ({"kind": "duplicates"}, 0),
    ({"kind": "duplicates", "columns": ["site", "empty"]}, 3),
    ({"kind": "statistic", "statistic": "sum", "columns": ["id"], "min": 14, "max": 14}, 0),
    ({"kind": "statistic", "statistic": "mean", "columns": ["score"], "max": 1.375}, 0),
    ({"kind": "statistic", "statistic": "mean", "columns": ["score"], "max": 1.374}, 1),
    ({"kind": "statistic", "statistic": "median", "columns": ["score"], "min": 1.25, "max": 1.25}, 0),
    ({"kind": "statistic", "statistic": "std", "columns": ["id"], "min": 1.303, "max": 1.304}, 0),
    ({"kind": "statistic", "statistic": "quantile", "quantile": 0.75, "columns": ["id"], "max": 4}, 0),
    ({"kind": "statistic", "statistic": "min", "columns": ["score"], "min": 0}, 1),
    ({"kind": "statistic", "statistic": "max", "columns": ["score"], "max": 4, "where": "site = 'b'"}, 0),
    ({"kind": "statistic", "statistic": "distinct", "columns": ["name"], "min": 4, "max": 4}, 0),
    ({"kind": "statistic", "statistic": "distinct_share", "columns": ["id"], "max": 0.8}, 0),
    ({"kind": "statistic", "statistic": "null_share", "columns": ["name"], "max": 0.1}, 1),
    ({"kind": "statistic", "statistic": "mean", "columns": ["name"], "max": 1}, 1),
    ({"kind": "statistic", "statistic": "mean", "columns": ["empty"], "max": 1}, 0),
    ({"kind": "constant", "columns": ["day"]}, 0),
    ({"kind": "constant", "columns": ["site"]}, 1),
    ({"kind": "most_common", "columns": ["site"], "values": ["b"]}, 0),
    ({"kind": "most_common", "columns": ["site"], "values": ["b"], "max": 0.5}, 1),
    ({"kind": "most_common", "columns": ["id"], "values": [4, 5]}, 0),
    ({"kind": "most_common", "columns": ["site"], "values": ["a"]}, 1),
    ({"kind": "expression", "expression": "score <= AVG(score) + 2"}, 1),
    ({"kind": "expression", "expression": "COUNT(*) = 5"}, 0),
]


@pytest.mark.parametrize(("settings", "failed"), CASES, ids=lambda value: str(value)[:90])
def test_each_kind_counts_what_fails(settings: dict[str, Any], failed: int) -> None:
    result = one(**settings)
    assert result.failed == failed, result
    assert result.passed == (failed == 0)
    assert len(result.examples) in (0, min(failed, 100))


def test_groups_must_each_pass_and_the_worst_are_named() -> None:
    result = one(kind="not_null", columns=["name"], by=["site"], mostly=0.8)
    assert not result.passed  # 4 of 5 have one, but only 2 of 3 in b
    assert (result.rows, result.failed) == (5, 1)
    assert [(item.group, item.rows, item.failed) for item in result.groups] == [({"site": "b"}, 3, 1)]
    assert "1 of 2 groups fail; worst site=b: 1 of 3 rows fail" in result.observed
    means = one(kind="statistic", statistic="mean", columns=["id"], max=2, by=["site"])
    assert [(item.group, item.value) for item in means.groups] == [({"site": "b"}, 11 / 3)]
    assert one(kind="fresh", columns=["at"], max_age="3d", by=["site"]).failed == 1
    assert one(kind="row_count", min=3, by=["site"]).groups[0].group == {"site": "a"}
    assert one(kind="monotonic", columns=["score"], by=["site"]).failed == 1
    assert one(kind="not_null", columns=["name"], by=["site"], where="id < 3").passed


def test_groups_of_a_personal_column_are_masked_and_so_are_extremes() -> None:
    checks = [
        Check(kind="not_null", columns=["score"], by=["name"]),
        Check(kind="between", columns=["id"], min=2),
        Check(kind="most_common", columns=["name"], values=["x"]),
    ]
    report = run_checks(FRAME, checks, table="t", personal=["name", "id"])
    assert [item.group for item in report.results[0].groups] == [{"name": MASK}]
    assert "bob" not in report.model_dump_json()
    assert "values" not in report.results[1].observed
    assert report.results[2].observed == MASK


def test_examples_go_beyond_the_first_rows_and_keep_their_order() -> None:
    rows = 250_000
    late = {120_000, 200_000, 249_999}
    frame = pl.select(x=pl.int_range(rows), y=pl.int_range(rows).is_in(list(late))).lazy()
    checks = [
        Check(kind="expression", expression="NOT y"),
        Check(kind="between", columns=["x"], max=99_990),
        Check(kind="unique", columns=["y"]),
    ]
    found = run_checks(frame, checks, table="t").results
    assert [example.row for example in found[0].examples] == sorted(late)
    assert [example.row for example in found[1].examples] == list(range(99_991, 100_091))
    assert [example.row for example in found[2].examples] == list(range(1, 101))
    assert [result.failed for result in found] == [3, rows - 99_991, rows - 2]


def test_what_needs_other_tables_or_the_past_is_skipped_in_words() -> None:
    checks = [
        Check(kind="references", columns=["id"], table="other", column="no"),
        Check(kind="anomaly", statistic="row_count"),
        Check(kind="distribution", columns=["score"]),
    ]
    report = run_checks(FRAME, checks, table="t")
    assert report.passed
    assert all(result.skipped and result.observed.startswith("skipped: ") for result in report.results)


def test_requests_are_told_which_checks_are_about_tables() -> None:
    contract = Contract.read(
        {
            "model": "m",
            "version": "1",
            "fields": [{"name": "id", "type": "int"}],
            "key": ["id"],
            "time_field": "id",
            "features": [],
            "checks": [
                {"kind": "row_count", "min": 10},
                {"kind": "between", "columns": ["id"], "min": 0},
                {"kind": "unique", "columns": ["id"]},
                {"kind": "expression", "expression": "AVG(id) > 100"},
            ],
        }
    )
    for rows in ([{"id": 1}, {"id": 1}], [{"id": -1}]):
        _, report = RequestValidator(contract).validate(rows)
        assert [bool(result.skipped) for result in report.results] == [True, False, True, True]
        assert report.results[0].skipped == NOT_OF_REQUESTS
        assert report.passed == (rows[0]["id"] > 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "compare", "columns": ["id", "score"]},
        {"kind": "compare", "columns": ["id"], "operator": "<"},
        {"kind": "statistic", "columns": ["id"], "min": 1},
        {"kind": "statistic", "columns": ["id"], "statistic": "mean"},
        {"kind": "statistic", "columns": ["id"], "statistic": "quantile", "min": 1},
        {"kind": "length", "columns": ["name"]},
        {"kind": "length", "columns": ["name"], "above": 3},
        {"kind": "lag", "columns": ["at"], "max_age": "1d"},
        {"kind": "date_format", "columns": ["text"]},
        {"kind": "unique", "columns": ["id"], "by": ["site"]},
        {"kind": "most_common", "columns": ["name"], "values": ["x"], "by": ["site"]},
        {"kind": "references", "columns": ["id"], "table": "other", "to": ["a", "b"]},
        {"kind": "anomaly", "columns": ["id"], "statistic": "row_count"},
        {"kind": "not_matches", "columns": ["name"], "pattern": "("},
    ],
    ids=str,
)
def test_a_check_that_says_too_little_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        run_checks(FRAME, [Check(**settings)], table="t")
