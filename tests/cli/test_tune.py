"""tune: a better model within the budget, told in words, and the same search goes on where it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.cli.commands.tuning import show

from .conftest import PASSPHRASE, PROJECT, call

SEARCH = """
  search:
    weight:
      trainer: logistic
      settings: {max_iter: 40}
      space: {c: {low: 0.00001, high: 10, log: true}, tolerance: {choices: [0.0001, 0.01]}}
      goal: validate.log_loss
evaluation:"""


def with_search(own: Path) -> None:
    text = PROJECT.replace("\nevaluation:", SEARCH, 1)
    (own / "project" / "plimsoll.yaml").write_text(text)


def test_a_search_finds_better_settings_and_goes_on(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_search(own)
    first = call("--json", "tune", "weight", "--budget", "2")
    assert first.code == 0, first.err
    again = call("--json", "tune", "weight", "--budget", "6").json
    assert [trial["number"] for trial in again["all"]] == list(range(6))
    assert again["all"][:2] == first.json["all"]  # what had ended is not done again
    goal = [trial["value"] for trial in again["all"]]
    assert again["best"]["value"] == min(goal)
    assert set(again["importance"]) == {"c", "tolerance"}
    runs = call("--json", "runs", "list").json
    poor = max(again["all"], key=lambda trial: trial["value"])
    assert again["best"]["value"] < poor["value"]
    assert {trial["run"] for trial in again["all"]} <= {row["run"] for row in runs}
    show(again)
    shown = capsys.readouterr().out
    assert "weight_tuned:" in shown
    assert "What mattered" in shown


def test_nothing_to_search_is_said_with_what_there_is(own: Path) -> None:
    with_search(own)
    wrong = call("tune", "forest", "--budget", "2")
    assert wrong.code == 2
    assert "Searches: weight" in wrong.err
    text = PROJECT.replace("\nevaluation:", SEARCH.replace("log_loss", "loss"), 1)
    (own / "project" / "plimsoll.yaml").write_text(text)
    wrong = call("tune", "weight", "--budget", "1")
    assert wrong.code == 2
    assert "validate.log_loss" in wrong.err
    (own / "project" / "plimsoll.yaml").write_text(text.replace("low: 0.00001", "low: 11"))
    assert "`low` must be below `high`" in call("check", str(own / "project")).err


def test_a_killed_search_goes_on(own: Path) -> None:
    text = PROJECT.replace("\nevaluation:", SEARCH.replace("weight:", "killed:"), 1)
    (own / "project" / "plimsoll.yaml").write_text(text)
    command = [sys.executable, "-m", "core.cli", "tune", "killed", "--budget", "200"]
    environment = {**os.environ, "PLIMSOLL_PASSPHRASE": PASSPHRASE}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        deadline, before = time.monotonic() + 120, len(list((own / "blobs").glob("??/*")))
        while (
            len(list((own / "blobs").glob("??/*"))) < before + 9 and time.monotonic() < deadline
        ):  # some trials have ended
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
