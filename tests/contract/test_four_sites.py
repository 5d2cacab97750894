"""One contract, four call sites: the same bad rows get the same verdicts, counts and examples at each.

The sites are the validation of a table before training, of a file before it is scored in a batch,
of requests as a server gets them, and of the log that a server wrote.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.contract.requests import NOT_OF_REQUESTS, RequestValidator
from core.contract.schema import CheckResult, Contract
from core.data.sources import ingest
from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.work.data import validate_table
from core.engine.workfolder import JobFolder, write_job
from core.kernel.clock import utc_text
from core.kernel.progress import Silent
from core.monitoring.health import data_health
from core.monitoring.windows import read_log
from core.project.schema import Drift, Source

START = datetime(2025, 1, 6, tzinfo=UTC)
NOW = START + timedelta(days=1)
COLOURS = ["blue", "green", "mauve", None, "blue"]
TYPES = {"order": "text", "amount": "float", "size": "int", "colour": "text", "placed": "time", "paid": "time"}

ROW_CHECKS: list[dict[str, Any]] = [
    {"kind": "columns", "columns": list(TYPES)},
    {"kind": "absent", "columns": ["back"]},
    {"kind": "type", "columns": ["amount"], "type": "float"},
    {"kind": "not_null", "columns": ["colour"]},
    {"kind": "not_null", "columns": ["colour"], "mostly": 0.5},
    {"kind": "null", "columns": ["size"], "where": "amount < 0"},
    {"kind": "between", "columns": ["amount"], "min": 0, "max": 100},
    {"kind": "between", "columns": ["amount"], "above": 3, "severity": "warn"},
    {"kind": "in_set", "columns": ["colour"], "values": ["blue", "green"]},
    {"kind": "not_in_set", "columns": ["size"], "values": [3, 4]},
    {"kind": "matches", "columns": ["order"], "pattern": "o[0-9]{3}"},
    {"kind": "not_matches", "columns": ["colour"], "pattern": "^m"},
    {"kind": "length", "columns": ["order"], "max": 4},
    {"kind": "date_format", "columns": ["order"], "format": "%Y-%m-%d"},
    {"kind": "compare", "columns": ["placed", "paid"], "operator": "<="},
    {"kind": "lag", "columns": ["placed", "paid"], "max_age": "2h"},
    {"kind": "expression", "expression": "amount > 2 * size", "where": "colour = 'blue'"},
    {"kind": "not_null", "columns": ["colour"], "by": ["size"], "mostly": 0.9},
]
TABLE_CHECKS: list[dict[str, Any]] = [
    {"kind": "row_count", "min": 100},
    {"kind": "unique", "columns": ["order"]},
    {"kind": "duplicates", "columns": ["colour", "size"]},
    {"kind": "monotonic", "columns": ["amount"]},
    {"kind": "statistic", "statistic": "mean", "columns": ["amount"], "max": 20},
    {"kind": "constant", "columns": ["size"]},
    {"kind": "most_common", "columns": ["colour"], "values": ["green"]},
    {"kind": "fresh", "columns": ["placed"], "max_age": "1h"},
    {"kind": "expression", "expression": "AVG(amount) > 1000"},
    {"kind": "lag", "columns": ["placed", "paid"], "max_age": "1h", "quantile": 0.9},
]
PAST_CHECKS: list[dict[str, Any]] = [
    {"kind": "anomaly", "statistic": "row_count"},
    {"kind": "distribution", "columns": ["amount"]},
]
CHECKS = [*ROW_CHECKS, *TABLE_CHECKS, *PAST_CHECKS]


def bad_rows() -> list[dict[str, Any]]:
    """60 rows, a few of them wrong in every way that the checks know."""
    rows = []
    for number in range(60):
        placed = START + timedelta(minutes=number)
        rows.append(
            {
                "order": f"o{number:03d}" if number % 9 else f"x{number}-long",
                "amount": -5.5 if number % 11 == 3 else 2.25 * number,
                "size": None if number % 13 == 5 else number % 5,
                "colour": COLOURS[number % 5],
                "placed": utc_text(placed),
                "paid": utc_text(placed + timedelta(minutes=number * 7 - 20)),
            }
        )
    rows[-1]["order"] = rows[-2]["order"]
    return rows


def contract(checks: list[dict[str, Any]], **more: Any) -> Contract:
    fields = [{"name": name, "type": kind, "nullable": True} for name, kind in TYPES.items()]
    plain = {"model": "orders", "version": "1", "fields": fields, "key": ["order"], "time_field": "placed"}
    return Contract.read({**plain, "features": [], "checks": checks, **more})


def at_training(folder: Path, file: Path, checks: list[dict[str, Any]]) -> list[CheckResult]:
    """A snapshot of the file, through the work that the pipeline gives to a worker."""
    source = Source.read({"path": str(file), "types": TYPES, "key": ["order"]})
    ingest("orders", source, folder, folder / "table.parquet", Silent())
    params = {"name": "orders", "suite": {"checks": checks}, "key": ["order"], "personal": []}
    write_job(folder / "job", "core.engine.work.data:validate_table", params, {"self": folder / "table.parquet"})
    job = JobFolder(folder / "job")
    validate_table(job, Silent())
    job.close()
    return results_of(json.loads((folder / "job" / "report.json").read_text()))


def at_batch(folder: Path, file: Path, checks: list[dict[str, Any]]) -> list[CheckResult]:
    """The file held against the suite of its source before it is scored: ``plimsoll data validate --file``."""
    root = folder / "workspace"
    found_workspace(root, "founder", "four sites passphrase")
    (folder / "project").mkdir()
    project = {
        "plimsoll": 1,
        "project": "orders",
        "title": "Orders",
        "sources": {"orders": {"path": str(file), "types": TYPES, "key": ["order"]}},
        "suites": {"orders": {"checks": checks}},
        "events": {
            "table": "orders",
            "key": ["order"],
            "time": "placed",
            "prediction_time": "placed",
            "available": {"colour": "always", "paid": "paid"},
        },
        "label": {"name": "late", "expression": "amount > 5", "known_at": "paid"},
        "features": {"request": {"shade": {"kind": "category", "expression": "colour"}}},
        "split": {
            "train": ["2025-01-01", "2025-02-01"],
            "validate": ["2025-02-01", "2025-02-15"],
            "test": ["2025-02-15", "2025-03-01"],
        },
        "training": {"candidates": {"plain": {"trainer": "logistic"}}},
        "evaluation": {"primary": "roc_auc"},
        "policy": {"name": "p", "version": 1, "gates": []},
    }
    (folder / "project" / "plimsoll.yaml").write_text(json.dumps(project))
    engine = Engine(root, slots=0)
    try:
        token = engine.login("founder", None)
        engine.change(token, "project.load", {"path": str(folder / "project")}, "four sites passphrase", None)
        return results_of(engine.ask(token, "check_file", {"name": "orders", "file": str(file)}))
    finally:
        engine.close()


def at_requests(rows: list[dict[str, Any]], held: Contract) -> list[CheckResult]:
    _, report = RequestValidator(held).validate(rows)
    return report.results


def at_logs(folder: Path, rows: list[dict[str, Any]], held: Contract) -> list[CheckResult]:
    lines = [
        {
            "prediction_id": f"pred-{number:03d}",
            "at": row["placed"],
            "key": {"order": row["order"]},
            "model": "orders",
            "version": "1",
            "release": "r",
            "fields": {name: "(masked)" if name in held.personal else value for name, value in row.items()},
            "view": {},
            "stale_views": [],
            "probability": 0.5,
            "decision": True,
            "latency_ms": 1.0,
            "status": "ok",
            "reason": "",
        }
        for number, row in enumerate(rows)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    log = read_log([folder / "log.jsonl"], held).frame
    return data_health(log, held, None, Drift(), now=NOW).checks.results


def results_of(report: dict[str, Any]) -> list[CheckResult]:
    return [CheckResult.read(item) for item in report["results"]]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[CheckResult]]:
    """The results of all checks at all four sites."""
    folder = tmp_path_factory.mktemp("sites")
    rows = bad_rows()
    with (folder / "orders.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(TYPES))
        writer.writeheader()
        writer.writerows(rows)
    held = contract(CHECKS)
    return {
        "training": at_training(folder, folder / "orders.csv", CHECKS),
        "batch": at_batch(folder, folder / "orders.csv", CHECKS),
        "requests": at_requests(rows, held),
        "logs": at_logs(folder, rows, held),
    }


@pytest.mark.parametrize("place", range(len(ROW_CHECKS)), ids=lambda place: str(ROW_CHECKS[place])[:80])
def test_checks_of_rows_say_the_same_at_all_four(sites: dict[str, list[CheckResult]], place: int) -> None:
    found = {site: results[place] for site, results in sites.items()}
    assert found["training"] == found["batch"] == found["requests"] == found["logs"]
    assert not found["training"].skipped


def test_the_rows_are_bad_enough(sites: dict[str, list[CheckResult]]) -> None:
    failed = [result for result in sites["training"][: len(ROW_CHECKS)] if not result.passed]
    assert len(failed) >= 13
    assert all(result.examples and 0 < result.share <= 1 for result in failed)


@pytest.mark.parametrize("place", range(len(TABLE_CHECKS)), ids=lambda place: str(TABLE_CHECKS[place])[:80])
def test_checks_of_tables_say_the_same_where_there_is_one(sites: dict[str, list[CheckResult]], place: int) -> None:
    found = {site: results[len(ROW_CHECKS) + place] for site, results in sites.items()}
    assert found["requests"].skipped == NOT_OF_REQUESTS
    assert found["requests"].passed
    if found["training"].kind == "fresh":  # the age hangs on the clock of each site
        found = {site: result.model_copy(update={"value": None}) for site, result in found.items()}
    assert found["training"] == found["batch"] == found["logs"]
    assert not found["training"].passed


def test_checks_of_the_past_are_skipped_everywhere_on_a_first_day(sites: dict[str, list[CheckResult]]) -> None:
    for results in sites.values():
        assert all(result.skipped and result.passed for result in results[-len(PAST_CHECKS) :])


def test_a_log_says_that_it_masks_what_is_personal(tmp_path: Path) -> None:
    checks = [
        {"kind": "matches", "columns": ["order"], "pattern": "o[0-9]{3}"},
        {"kind": "between", "columns": ["amount"], "min": 0, "where": "\"order\" <> 'o001'"},
        {"kind": "not_null", "columns": ["order"]},
        {"kind": "between", "columns": ["amount"], "min": 0},
    ]
    found = at_logs(tmp_path, bad_rows(), contract(checks, personal=["order"]))
    assert [bool(result.skipped) for result in found] == [True, True, False, False]
    assert "masked" in found[0].observed
    assert found[2].passed
