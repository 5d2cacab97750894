"""ledger, lineage, users, policy, schedules, monitoring without traffic."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any


def test_the_ledger_verifies_and_travels_whole(run: Any, tmp_path: Path) -> None:
    report = run("--json", "ledger", "verify")
    assert report.code == 0, report.out
    assert report.json["ok"] is True
    file = tmp_path / "ledger.jsonl"
    written = run("--json", "ledger", "export", str(file)).json
    entries = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len(entries) == written["entries"] >= report.json["entries"]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert all(before["hash"] == after["prev"] for before, after in itertools.pairwise(entries))
    assert "project.load" in run("ledger", "show", "--where", "project.load").out


def test_a_changed_file_is_named_by_the_ledger(run: Any, workspace: Path) -> None:
    found = run("--json", "data", "show", "hours").json
    plain = found["digest"].removeprefix("b3:")
    place = workspace / "blobs" / plain[:2] / plain[2:]
    before = place.read_bytes()
    place.chmod(0o644)
    place.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        people, script = run("ledger", "verify"), run("--json", "ledger", "verify")
        assert run("data", "restore", "hours", "out").code == 4
    finally:
        place.write_bytes(before)
        place.chmod(0o444)
    assert (people.code, script.code) == (1, 1)
    assert found["digest"] in people.err
    assert script.json["ok"] is False
    assert found["snapshot"] in script.json["problems"][0]


def test_lineage_near_a_model_and_as_open_lineage(run: Any, tmp_path: Path) -> None:
    up = run("--json", "lineage", "show", "latest", "--up", "--depth", "5").json
    kinds = {node["kind"] for node in up["nodes"]}
    assert {"source", "training_set", "run", "model"} <= kinds
    assert "bikes_features" in run("lineage", "show", "latest").out
    file = tmp_path / "lineage.jsonl"
    assert run("lineage", "export", str(file)).code == 0
    events = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert all(event["eventType"] == "COMPLETE" and event["inputs"] and event["outputs"] for event in events)
    assert run("lineage", "show", "nowhere").code == 2


def test_users_and_roles(run: Any) -> None:
    names = {row["name"]: row["roles"] for row in run("--json", "user", "list").json}
    assert names["grace"] == "reviewer"
    both = run("user", "grant", "grace", "--role", "admin", "--reason", "why not")
    assert both.code == 2
    assert "cannot be held by one user" in both.err
    given = run("--json", "user", "grant", "grace", "--role", "viewer", "--reason", "to look").json
    assert "viewer" in given["roles"]
    taken = run("--json", "user", "revoke", "grace", "--role", "viewer", "--reason", "done").json
    assert taken["roles"] == "reviewer"
    assert run("user", "grant", "nobody", "--role", "viewer", "--reason", "x").code == 2
    refused = run("user", "add", "mallory", "--role", "reviewer", user="grace")
    assert refused.code == 3


def test_policy_compared_and_tried_on_recorded_runs(run: Any, workspace: Path, tmp_path: Path) -> None:
    file = workspace / "project" / "plimsoll.yaml"
    stricter = tmp_path / "plimsoll.yaml"
    stricter.write_text(file.read_text().replace("value: 0.55", "value: 0.95").replace("version: 1", "version: 2"))
    (tmp_path / "hours.csv").write_bytes((workspace / "project" / "hours.csv").read_bytes())
    assert run("--json", "policy", "show").json["approvals"] == 2
    assert run("policy", "diff", "current", str(stricter)).code == 0
    weaker = run("--json", "policy", "diff", str(stricter), "current")
    assert weaker.code == 1
    assert weaker.json["weaker"]
    assert run("policy", "test", str(file)).code == 0
    tried = run("--json", "policy", "test", str(stricter))
    assert tried.code == 1
    assert {row["verdict"] for row in tried.json} == {"blocked"}
    assert run("policy", "diff", "current", "nothing").code == 2


def test_schedules_are_added_run_and_removed(run: Any) -> None:
    add = ("schedule", "add", "weekly", "--cron", "0 6 * * 1", "--operation", "pipeline.run")
    assert run(*add, "--request", '{"last": "ingest:hours"}').code == 0
    assert run(*add).code == 2
    assert [row["name"] for row in run("--json", "schedule", "list").json if row["state"] == "on"] == ["weekly"]
    assert run("--json", "schedule", "run-now", "weekly").json["state"] == "done"
    assert run("schedule", "remove", "weekly").code == 0
    assert run("schedule", "run-now", "weekly").code == 2
    assert run("schedule", "add", "b", "--cron", "whenever", "--operation", "pipeline.run").code == 2
    assert run("schedule", "add", "c", "--cron", "0 6 * * 1", "--operation", "pipeline.run", "--request", "[").code == 2


def test_monitoring_without_traffic_says_so(run: Any, tmp_path: Path) -> None:
    for words in (("monitor", "report"), ("monitor", "drift"), ("monitor", "slo"), ("monitor", "collect", "box")):
        assert run(*words).code == 2
    assert run("monitor", "analyse", "--since", "2011-01-01T00:00:00Z", "--until", "2011-02-01T00:00:00Z").code == 2
    assert run("--json", "alerts", "list").json == []
    assert "none yet" in run("incidents", "list").out
    assert run("incidents", "close", "latest", "--reason", "x").code == 2
    labels = tmp_path / "labels.csv"
    labels.write_text("hour,label,known_at\nh00900,1,2011-03-01T00:00:00Z\n")
    assert run("--json", "labels", "add", str(labels)).json["rows"] == 1
    assert run("labels", "add", str(tmp_path / "none.csv")).code == 2


def test_wrong_words_and_plain_text_where_colour_is_unwanted(run: Any, workspace: Path) -> None:
    import os
    import subprocess
    import sys

    assert run("data", "shwo").code == 2
    assert run("gates").code == 2
    environment = {**os.environ, "NO_COLOR": "1", "PLIMSOLL_WORKSPACE": str(workspace), "FORCE_COLOR": ""}
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", "data", "show", "nothing"],
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "\x1b[" not in done.stdout + done.stderr


def test_facts_are_listed_and_a_models_come_with_their_values(run: Any) -> None:
    every = {row["fact"]: row for row in run("--json", "policy", "facts").json}
    assert every["schema.compatible"]["kind"] == "true or false"
    own = {row["fact"]: row["value"] for row in run("--json", "policy", "facts", "latest").json}
    assert (own["leakage.passed"], own["schema.baseline"]) == ("true", "none")
    assert set(own) < set(every)
    assert "calibration.ece" in run("policy", "facts").out


def test_an_exception_is_for_a_gate_that_stops_something(run: Any) -> None:
    asked = ("policy", "except", "latest", "--reason", "because")
    assert run(*asked, "--rule", "ranks").code == 2
    assert "Gates: data_valid, no_leak, ranks" in run(*asked, "--rule", "rank").err
    assert run("--json", "policy", "exceptions").json == []
    assert run("policy", "grant", "exc-none", "--comment", "x").code == 3  # no reviewer
