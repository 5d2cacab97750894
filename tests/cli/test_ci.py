"""ci: a project that holds passes; a seeded regression, a broken test and a lost field fail it and are named."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from core.cli.ci_baseline import FILE, Bound, compare, compare_fields
from core.cli.ci_cases import Cases, junit, markdown

from .conftest import PROJECT, call, hours


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hours with one candidate and a test of their own, outside any workspace."""
    folder = tmp_path_factory.mktemp("project")
    lines = [line for line in PROJECT.splitlines() if not line.startswith("    strict:")]
    (folder / "plimsoll.yaml").write_text("\n".join(lines).replace("{max_iter: 40}", "{max_iter: 40, c: 0.0000001}"))
    (folder / "test_hours.py").write_text("def test_sums():\n    assert 1 + 1 == 3\n")
    hours().write_csv(folder / "hours.csv")
    return folder


def test_a_regression_is_named(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The baseline is that of the candidate before its penalty was made a thousand times too strong."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # its own tests need no Qt
    known = {"test.log_loss": {"value": 0.639, "allowed": 0.02}, "test.roc_auc": {"value": 0.693, "allowed": 0.2}}
    before = {"figures": {"plain": known}, "fields": {"hour": "text", "size": "float"}}
    (project / FILE).write_text(json.dumps(before))
    report, summary = tmp_path / "ci.xml", tmp_path / "ci.md"
    found = call("ci", str(project), "--junit", str(report), "--summary", str(summary))
    assert found.code == 1
    assert "plain test.log_loss" in found.out
    tree = ET.parse(report).getroot()
    cases = {(case.get("classname"), case.get("name")): case.find("failure") for case in tree.iter("testcase")}
    assert {group for group, _ in cases} == {
        "code",
        "project",
        "data",
        "leakage",
        "training",
        "gates",
        "benchmark",
        "slices",
        "contract",
    }
    failed = {name for name, failure in cases.items() if failure is not None}
    assert ("benchmark", "plain test.log_loss") in failed
    assert ("benchmark", "plain test.roc_auc") not in failed
    assert ("contract", "requests of before still fit") in failed
    assert any(group == "code" and str(name).endswith("test_sums") for group, name in failed)
    assert "**benchmark · plain test.log_loss**" in summary.read_text()


def test_a_project_that_is_wrong_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "plimsoll.yaml").write_text(PROJECT.replace("project: bikes", "project: bikes\nsurces: {}"))
    found = call("--json", "ci", str(tmp_path))
    assert found.code == 1
    assert {case["group"] for case in found.json["cases"]} == {"code", "project"}
    assert any("surces" in case["words"] for case in found.json["cases"])
    assert call("ci", str(tmp_path / "nowhere")).code == 2


def test_what_is_worse_gone_or_new() -> None:
    cases = Cases("p")
    then = {"test.roc_auc": Bound(value=0.8, allowed=0.01), "test.brier": Bound(value=0.1, allowed=0.01)}
    now = {"test.roc_auc": Bound(value=0.795, allowed=0), "test.brier": Bound(value=0.12, allowed=0)}
    compare(cases, "benchmark", "a", now, then)
    compare(cases, "benchmark", "b", {}, then)
    compare(cases, "benchmark", "c", now, None)
    states = {case.name: case.state for case in cases.all}
    assert states == {
        "a test.roc_auc": "passed",
        "a test.brier": "failed",
        "b test.roc_auc": "failed",
        "b test.brier": "failed",
        "c": "skipped",
    }
    percent = {"test.mape": Bound(value=0.1, allowed=0.01)}
    compare(cases, "benchmark", "d", {"test.mape": Bound(value=0.3, allowed=0)}, percent)
    assert cases.failed[-1].name == "d test.mape"  # an error that grew is worse, whatever its kind
    compare_fields(cases, {"x": "int", "new": "text", "maybe": "text or null"}, {"x": "float", "gone": "int"})
    assert cases.all[-1].words.splitlines() == [
        "gone was int and is no longer there",
        "x was float and is int",
        "new (text) is new and must be sent",
    ]
    cases.note("odd", "control \x01 & <b>", False, "bell \x07 | pipe")
    assert ET.fromstring(junit(cases)).find("testsuite/testcase/failure") is not None
    assert "\\|" in markdown(cases)
