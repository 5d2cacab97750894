"""tune, jobs and runs reproduce on hours of bicycle hire: one open workspace, in order.

A better model within the budget, told in words, and the same search goes on where it stopped or was killed; a run
made again to the byte from its record alone, and the first input that changed since, by name.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import polars as pl
import psutil
import pytest

from core.cli.commands.tuning import show

from .conftest import PASSPHRASE, PROJECT, Own, call, hours

LONG = "    long: {trainer: boosting, settings: {iterations: 100000, min_leaf: 20, report_every: 10}}\n"
SEARCH = """
  search:
    weight:
      trainer: logistic
      settings: {max_iter: 40}
      space: {c: {low: 0.00001, high: 10, log: true}, tolerance: {choices: [0.0001, 0.01]}}
      goal: validate.log_loss
evaluation:"""


def with_search(own: Own, **changes: str) -> None:
    search = SEARCH
    for old, new in changes.items():
        search = search.replace(old, new, 1)
    own.file.write_text(PROJECT.replace("\nevaluation:", search, 1))


def test_a_run_is_made_again_to_the_byte(own: Own) -> None:
    found = call("--json", "runs", "reproduce", "strict")
    assert found.code == 0
    assert found.json["verdict"] == "identical"
    assert found.json["model_then"] == found.json["model_now"]
    assert found.json["changed"] == found.json["environment"] == []


def test_a_run_recorded_all_that_its_outcome_depends_on(own: Own) -> None:
    """Nobody wrote a line for it: data, features, label, split, code, packages, machine, seed, settings, cost."""
    shown = call("--json", "runs", "show", "strict").json
    assert all(shown["inputs"][name] for name in ("data", "contract", "training_set", "features", "label", "split"))
    assert (shown["parameters"], shown["seed"]) == ({"c": 0.001, "max_iter": 40}, 7)
    assert shown["inputs"]["code"].startswith("b3:")
    environment = shown["environment"]
    assert environment["packages"]["scikit-learn"]
    assert environment["python"] == platform.python_version()
    spent = shown["resources"]["cpu_seconds"]
    assert spent > 0
    assert shown["metrics"]["train.cost"] == pytest.approx(spent / 3600 * 0.05)
    assert shown["resources"]["determinism"]["seed"] == 7
    assert {"model", "predictions"} <= set(shown["artefacts"])


def test_a_search_finds_better_settings_and_goes_on(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    with_search(own)
    first = call("--json", "tune", "weight", "--budget", "2")
    assert first.code == 0, first.err
    again = call("--json", "tune", "weight", "--budget", "6").json
    assert [trial["number"] for trial in again["all"]] == list(range(6))
    assert again["all"][:2] == first.json["all"]  # what had ended is not done again
    assert again["best"]["value"] == min(trial["value"] for trial in again["all"])
    before = call("--json", "runs", "show", "strict").json["metrics"]["validate.log_loss"]
    assert again["best"]["value"] < before, "within six trials it is better than what the project had"
    assert set(again["importance"]) == {"c", "tolerance"}
    assert {trial["run"] for trial in again["all"]} <= {row["run"] for row in call("--json", "runs", "list").json}
    page = own.root / "search.html"
    assert call("report", "weight", "--to", str(page)).code == 0
    text = page.read_text()
    assert text.count("<figure>") == 3  # trial by trial, and the trials along each of two settings
    assert text.count('r="3"') + text.count('r="5"') == 3 * 6
    for words in ("What mattered", "Trials along each setting", again["best"]["run"]):
        assert words in text
    show(again)
    shown = capsys.readouterr().out
    assert "weight_tuned:" in shown
    assert "What mattered" in shown
    assert f"plimsoll report {again['report']} --to" in shown


def test_the_jobs_of_a_search_are_listed_shown_and_logged(own: Own) -> None:
    jobs = call("--json", "jobs", "list").json
    trials = [job for job in jobs if job["title"].startswith("Trial ")]
    assert len(trials) == 6
    assert {job["state"] for job in trials} == {"done"}
    shown = call("--json", "jobs", "show", trials[0]["job"]).json
    assert shown["state"] == "done"
    assert call("jobs", "log", trials[0]["job"]).code == 0
    assert "done" in call("jobs", "cancel", trials[0]["job"]).out  # it has ended, and nothing is lost
    assert call("jobs", "pause", trials[0]["job"]).code == 3


def test_a_training_is_paused_killed_and_cancelled(own: Own) -> None:
    """A long one, on real rows: it stands still, goes on from its checkpoint in another process, and hears."""
    own.file.write_text(PROJECT.replace("    plain:", LONG + "    plain:", 1))
    held = own.held
    assert held is not None
    held.change("project.load", {"path": str(own.root / "project")})
    held.change("pipeline.run", {"last": "train:long"})

    def view() -> dict[str, Any]:
        return next((one for one in held.jobs() if one["title"] == "Train long"), {"metrics": {}})

    def reached() -> int:
        return max((points[-1][0] for points in view()["metrics"].values() if points), default=0)

    until(lambda: reached() > 0)
    job = view()["job"]
    assert call("jobs", "pause", job).code == 0
    assert view()["paused"]
    assert call("jobs", "resume", job).code == 0
    stood = reached()
    until(lambda: reached() > stood)
    for worker in psutil.Process().children():
        if "core.engine.worker" in worker.cmdline():
            worker.send_signal(signal.SIGKILL)
    until(lambda: any("trying again" in line for line in view()["log"]))
    until(lambda: "Going on after" in call("jobs", "log", job).out)
    assert call("jobs", "cancel", job).code == 0
    until(lambda: view()["state"] == "cancelled")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_to_search_is_said_with_what_there_is(own: Own) -> None:
    with_search(own)
    wrong = call("tune", "forest", "--budget", "2")
    assert wrong.code == 2
    assert "Searches: weight" in wrong.err
    with_search(own, log_loss="loss")
    wrong = call("tune", "weight", "--budget", "1")
    assert wrong.code == 2
    assert "validate.log_loss" in wrong.err
    with_search(own, **{"low: 0.00001": "low: 11"})
    assert "`low` must be below `high`" in call("check", str(own.root / "project")).err


def test_what_changed_since_is_named_first_cause_first(own: Own) -> None:
    text = PROJECT.replace(
        "strict: {trainer: logistic, settings: {c: 0.001, max_iter: 40}}", "strict: {trainer: logistic}"
    )
    own.file.write_text(text.replace("temp: {expression: temp}", "temp: {expression: temp + 1}"))
    hours().with_columns(pl.col("temp") + 0.1).write_csv(own.root / "project" / "hours.csv")
    assert call("data", "ingest", "hours").code == 0
    found = call("--json", "runs", "reproduce", "strict").json
    assert found["verdict"] == "identical"  # it is made from the record, not from what is there now
    assert [item["what"] for item in found["changed"]] == ["source hours", "features", "setting c", "setting max_iter"]
    assert (found["changed"][-1]["then"], found["changed"][-1]["now"]) == ("40", "default")
    told = call("runs", "reproduce", "strict").out
    assert told.index("source hours") < told.index("features")


def test_a_run_whose_data_are_gone_says_what_is_missing(own: Own) -> None:
    digest = call("--json", "runs", "show", "strict").json["inputs"]["data"]
    blob = own.root / "blobs" / digest[3:5] / digest[5:]
    kept = blob.read_bytes()
    blob.unlink()
    found = call("runs", "reproduce", "strict")
    blob.write_bytes(kept)
    assert found.code == 2
    assert "training set" in found.err


def test_a_killed_search_goes_on(own: Own) -> None:
    own.close()
    hours().write_csv(own.root / "project" / "hours.csv")  # as it was: everything before the trials is there
    with_search(own, **{"weight:": "killed:"})
    command = [sys.executable, "-m", "core.cli", "tune", "killed", "--budget", "200"]
    environment = {**os.environ, "PLIMSOLL_PASSPHRASE": PASSPHRASE}
    blobs = own.root / "blobs"
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        deadline, before = time.monotonic() + 120, len(list(blobs.glob("??/*")))
        while len(list(blobs.glob("??/*"))) < before + 9 and time.monotonic() < deadline:  # some trials have ended
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    ended = call("--json", "tune", "killed", "--budget", "1").json
    assert 1 < ended["trials"] < 200
    assert {trial["state"] for trial in ended["all"]} == {"done"}
    assert len({trial["number"] for trial in ended["all"]}) == ended["trials"]
    runs = [row["run"] for row in call("--json", "runs", "list").json if row["name"] == "killed"]
    assert len(runs) == len(set(runs))
    assert call("ledger", "verify").code == 0
