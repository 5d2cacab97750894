"""labels add, list, show, coverage and weak, on the hours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

Run = Callable[..., Any]
LABELLING = """
labelling:
  balance: 0.4
  functions:
    clear: {expression: "CASE WHEN weather = 'clear' THEN 1 ELSE 0 END"}
    mild: {expression: "CASE WHEN temp > 0.3 THEN 1 END"}
    cold: {expression: "CASE WHEN temp < 0.16 THEN 0 END"}
"""


def deliver(folder: Path, name: str, *rows: tuple[str, Any, str]) -> str:
    file = folder / name
    pl.DataFrame(rows, schema=["hour", "label", "known_at"], orient="row", strict=False).write_csv(file)
    return str(file)


def test_labels_come_in_stay_and_tell_their_history(run: Run, tmp_path: Path) -> None:
    others = [row for row in run("--json", "labels", "list").json if row["kind"] == "labels"]  # of another test file
    first = deliver(
        tmp_path,
        "first.csv",
        ("h00000", 1, "2011-01-01T01:30:00Z"),
        ("h00001", 0, "2011-01-01T03:00:00Z"),
        ("h00002", 0, "2011-01-03T00:00:00Z"),
    )
    made = run("--json", "labels", "add", first, "--source", "hire desk").json
    assert (made["rows"], made["repeated"], made["corrected"]) == (3, 0, 0)
    assert run("--json", "labels", "add", first).json["rows"] == 0  # the same again: nothing new
    second = deliver(
        tmp_path, "second.csv", ("h00000", 0, "2011-02-01T00:00:00Z"), ("h00001", 0, "2011-01-01T03:00:00Z")
    )
    made = run("--json", "labels", "add", second, "--source", "audit").json
    assert (made["rows"], made["repeated"], made["corrected"]) == (1, 1, 1)
    told = run("--json", "labels", "show", "h00000").json
    assert [(one["label"], one["source"]) for one in told["history"]] == [(1, "hire desk"), (0, "audit")]
    assert told["label"] == 0
    assert run("--json", "labels", "show", "hour=h00000", "--as-of", "2011-01-15T00:00:00Z").json["label"] == 1
    assert run("--json", "labels", "show", "h00000", "--as-of", "2010-12-31T00:00:00Z").json["label"] is None
    listed = [row for row in run("--json", "labels", "list").json if row["kind"] == "labels"]
    assert [(row["source"], row["rows"]) for row in listed if row not in others] == [("audit", 1), ("hire desk", 3)]
    view = run("--json", "labels", "coverage").json
    assert (view["labelled"], view["corrected"]) == (3 + sum(row["rows"] for row in others), 1)
    assert view["events"] == 1_337
    assert {one["within"]: one["share"] for one in view["delays"]}["7d"] == 3 / view["labelled"]
    assert view["curve"][0] == {"hours": 0.0, "share": 0.0}
    assert "within" in run("labels", "coverage").out


def test_bad_labels_keep_nothing_and_say_everything(run: Run, tmp_path: Path) -> None:
    before = run("--json", "labels", "list").json
    bad = deliver(
        tmp_path,
        "bad.csv",
        ("h00005", 3, "2011-01-03T00:00:00Z"),
        ("x", 1, "2011-01-03T00:00:00Z"),
        ("h00006", 1, "soon"),
    )
    refused = run("labels", "add", bad)
    assert refused.code == 2
    for words in ("neither 0 nor 1", "belong to no event", "became known", "Nothing was kept"):
        assert words in refused.err
    assert run("--json", "labels", "list").json == before
    unknown = deliver(tmp_path, "unknown.csv", ("later", 1, "2011-01-03T00:00:00Z"))
    assert run("labels", "add", unknown).code == 2
    assert run("--json", "labels", "add", unknown, "--allow-unknown").json["rows"] == 1
    assert run("labels", "show", "nobody").code == 2
    assert run("labels", "add", str(tmp_path / "absent.csv")).code == 2


def test_weak_labels_are_kept_apart_from_true_ones(run: Run, workspace: Path) -> None:
    missing = run("labels", "weak")
    assert missing.code == 2
    assert "labelling functions" in missing.err
    file = workspace / "project" / "plimsoll.yaml"
    text = file.read_text()
    true = [row for row in run("--json", "labels", "list").json if row["kind"] == "labels"]
    file.write_text(text + LABELLING)
    try:
        view = run("--json", "labels", "weak").json
        assert [one["function"] for one in view["functions"]] == ["clear", "mild", "cold"]
        assert view["functions"][0]["coverage"] == 1.0
        assert view["functions"][1]["polarity"] == [1]
        assert view["model"]["auc"] > 0.6
        assert view["model"]["rows"] == view["rows"] == 1_337
        assert "empirical" in run("labels", "weak").out
    finally:
        file.write_text(text)
        assert run("check", str(file.parent)).code == 0
    listed = run("--json", "labels", "list").json
    assert [row for row in listed if row["kind"] == "labels"] == true
    assert sum(row["kind"] == "weak_labels" for row in listed) == 2
    shown = run("--json", "data", "show", view["snapshot"]).json
    assert shown["kind"] == "weak_labels"
    assert "label" not in shown["columns"]
