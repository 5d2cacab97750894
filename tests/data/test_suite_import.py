"""Suites made by the real tools give the verdicts and counts here that those tools gave on the same file."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.contract.checks import run_checks
from core.data.suite_gx import from_gx
from core.data.suite_import import read_suite
from core.kernel.errors import InputError

HERE = Path(__file__).with_name("imported")
NOT_HERE = {
    "expect_table_column_count_to_equal",
    "expect_column_value_z_scores_to_be_less_than",
    "expect_column_values_to_be_json_parseable",
}


@pytest.fixture(scope="module")
def wage() -> pl.DataFrame:
    found = find_spec("ISLP")
    assert found is not None
    assert found.submodule_search_locations
    return pl.read_csv(Path(found.submodule_search_locations[0]) / "data" / "Wage.csv")


def test_great_expectations_agrees_expectation_by_expectation(wage: pl.DataFrame) -> None:
    told = json.loads((HERE / "gx_wage_verdicts.json").read_text())
    compared = 0
    for item in told:
        suite = from_gx({"name": "one", "expectations": [{"type": item["type"], "kwargs": item["kwargs"]}]})
        if item["type"] in NOT_HERE:
            assert suite.checks == []
            assert len(suite.unmapped) == 1
            continue
        assert suite.unmapped == [], item
        results = run_checks(wage, suite.checks, table="wage").results
        assert all(result.passed for result in results) == item["success"], (item, results)
        if item["unexpected"] is not None and len(results) == 1 and results[0].kind != "unique":
            assert results[0].failed == item["unexpected"], (item, results)
        compared += 1
    assert compared == 35


def test_both_formats_read_alike_and_severity_comes_along() -> None:
    new, old = read_suite(HERE / "gx_wage.json"), read_suite(HERE / "gx018_wage.json")
    assert (new.format, old.format, new.table) == ("Great Expectations 1.x", "Great Expectations 0.18", "wage")
    assert {item.what.split("(")[0] for item in new.unmapped} == NOT_HERE
    assert len(new.checks) == len(old.checks)
    assert sum(check.severity == "warn" for check in new.checks) == 1
    assert [check.model_copy(update={"severity": "fail"}) for check in new.checks] == old.checks


@pytest.mark.parametrize("file", ["pandera_wage.yaml", "pandera_wage.json"])
def test_pandera_agrees_column_by_column(wage: pl.DataFrame, file: str) -> None:
    told = json.loads((HERE / "pandera_wage_verdicts.json").read_text())
    suite = read_suite(HERE / file)
    assert (suite.format, suite.table, suite.unmapped) == ("Pandera", "wage", [])
    results = run_checks(wage, suite.checks, table="wage").results
    failed = {(result.kind, *result.columns): result.failed for result in results if not result.passed}
    rows = {key: count for key, count in told.items() if "unique" not in key}
    assert {key.split("|")[0] for key in rows} == {columns[0] for kind, *columns in failed if kind != "unique"}
    counted = [count for (kind, *_), count in failed.items() if kind != "unique"]
    assert sorted(rows.values()) == sorted(counted)
    assert {columns[0] for kind, *columns in failed if kind == "unique"} == {"maritl", "year"}


def test_what_cannot_be_said_here_is_listed_with_its_reason() -> None:
    cases: list[dict[str, Any]] = [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "at", "min_value": "2024-01-01"}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "a"}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "a", "value_set": []}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"value_set": [1]}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "a", "max_value": {"$PARAMETER": "x"}}},
        {"type": "expect_column_to_exist", "kwargs": {"column": "a", "row_condition": 'col("b") > 1'}},
        {"type": "expect_weather_to_be_fine", "kwargs": {}},
        {"type": "expect_column_to_exist", "kwargs": None},
    ]
    suite = from_gx({"expectation_suite_name": "s", "expectations": [*cases, "junk"]})
    assert suite.checks == []
    assert len(suite.unmapped) == len(cases) + 1
    assert all(item.why for item in suite.unmapped)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "a: [", "a: 1", "\x00\x01", "{" * 5000, '{"expectations": 3}'])
def test_other_files_are_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "suite").write_text(text)
    with pytest.raises(InputError):
        read_suite(tmp_path / "suite")
    with pytest.raises(InputError):
        read_suite(tmp_path / "none")
