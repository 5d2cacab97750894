"""train, runs, evaluate, report, gates, models."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_training_again_comes_from_the_cache(run: Any) -> None:
    steps = {step["name"]: step for step in run("--json", "train").json["steps"]}
    assert {"train:plain", "train:strict"} <= set(steps)
    assert all(step["cached"] for step in steps.values())
    assert run("train", "forest").code == 2


def test_runs_are_kept_by_an_expression(run: Any) -> None:
    every = run("--json", "runs", "list").json
    assert {row["name"] for row in every} == {"plain", "strict"}
    best = max(row["metrics.test.roc_auc"] for row in every)
    kept = run("--json", "runs", "list", "--where", f"roc_auc >= {best}").json
    assert [row["metrics.test.roc_auc"] for row in kept] == [best]
    assert [row["params.c"] for row in run("--json", "runs", "list", "--column", "params.c").json]
    wrong = run("runs", "list", "--where", "metrics.test.roc_acu > 1")
    assert wrong.code == 2
    assert "metrics.test.roc_auc" in wrong.err


def test_a_run_by_name_prefix_and_model(run: Any) -> None:
    by_name = run("--json", "runs", "show", "plain").json
    assert run("--json", "runs", "show", by_name["run"][:8]).json["run"] == by_name["run"]
    assert run("--json", "runs", "show", "bikes/1").json["run"] == by_name["run"]
    assert "roc auc" in run("runs", "show", "plain").out
    assert run("runs", "show", "run-zzzz").code == 2


def test_runs_beside_each_other(run: Any) -> None:
    found = run("--json", "runs", "compare", "plain", "strict").json
    assert "test.roc_auc" in found["differ"]["metrics"]
    assert found["parameters"]["c"][1] == 0.001
    assert "test.roc_auc" in run("runs", "compare", "plain", "strict").out
    assert run("runs", "compare", "plain").code == 2


def test_evaluation_page_and_gates(run: Any, tmp_path: Path) -> None:
    found = run("--json", "evaluate", "plain").json
    assert 0.6 < found["metrics"]["roc_auc"]["value"] < 0.9
    assert "roc_auc" in run("evaluate", "plain").out
    page = tmp_path / "report.html"
    assert run("report", found["evaluation"], "--to", str(page)).code == 0
    assert page.read_text("utf-8").lower().startswith("<!doctype html>")
    assert "What did the policy say?" in page.read_text("utf-8")
    assert run("report", "plain", "--to", str(tmp_path / "report.pdf")).code == 0
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert run("report", "plain", "--to", str(tmp_path / "report.txt")).code == 2
    assert run("report", "plain", "--to", str(tmp_path / "none" / "report.html")).code == 2
    assert run("--json", "gates", "latest").json["passed"] is True


def test_models_with_card_and_audit(run: Any) -> None:
    assert [row["version"] for row in run("--json", "models", "list").json] == [1]
    assert run("--json", "models", "show", "bikes/1").json["model"] == "bikes"
    assert "# " in run("models", "card", "latest").out
    audit = run("--json", "models", "audit", "latest")
    assert (audit.code == 0) is audit.json["complete"]
    assert run("models", "show", "champion").code == 2  # none is in production
