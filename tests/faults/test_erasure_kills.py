"""SIGKILL at seeded moments of an erasure: either nothing was erased, or nothing is left; never something between."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from core.engine.engine import Engine
from core.engine.founding import found_workspace

from ..engine.people_project import customers, name_of, placed, places_of, walk, write_people
from .orders import PASSPHRASE

KILLS = 12
MANY = 100_000
CUSTOMERS = [name_of(number) for number in (2, 9, 31, 77)]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose pipeline ran as far as checked tables."""
    from core.engine.client import connect

    root = tmp_path_factory.mktemp("kills") / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    project = write_people(root.parent / "project")
    held = connect(root, user="founder", passphrase=PASSPHRASE)
    walk(held, project, "validate:customers")
    walk(held, project, "validate:orders")
    held.close()
    return root


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of its own for the copies of the workspace."""
    home = Path(os.environ["XDG_STATE_HOME"])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(home, tmp_path / "state", ignore=shutil.ignore_patterns("heads"))


def erase(root: Path, customer: str, steps: int) -> tuple[int, str]:
    program = Path(__file__).with_name("erase_and_die.py")
    done = subprocess.run(
        [sys.executable, str(program), str(root), customer, str(steps)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return done.returncode, done.stdout


def opened(root: Path) -> tuple[list[str], list[str], int]:
    """What the next start finds: problems of the ledger, states of erasures, and rows of the customers' table."""
    engine = Engine(root, slots=0)
    token = engine.login("founder", None)
    try:
        problems = engine.ask(token, "ledger_verify", {})["problems"]
        states = engine.ask(token, "erasures", {})["state"].to_list()
        files = engine.ask(token, "snapshot_file", {"id": "customers"})["files"]
        return problems, states, pl.read_parquet([file["path"] for file in files]).height
    finally:
        engine.close()


@pytest.mark.slow
@pytest.mark.usefixtures("state")
def test_a_kill_at_any_moment_loses_nothing_and_leaves_nothing(walked: Path, tmp_path: Path) -> None:
    moments = random.Random(1131)
    root = tmp_path / "workspace"
    gone = CUSTOMERS[0]
    orders = placed().filter(pl.col("customer") == gone)["order_id"].to_list()
    shutil.copytree(walked, root)
    code, told = erase(root, gone, MANY)
    assert code == 0
    steps = MANY - int(told.split()[-1])
    outcomes = set()
    for moment in sorted(moments.sample(range(steps), KILLS)):
        shutil.rmtree(root)
        shutil.rmtree(tmp_path / "state" / "plimsoll" / "heads", ignore_errors=True)
        shutil.copytree(walked, root)
        code, told = erase(root, gone, moment)
        assert code == -signal.SIGKILL, f"step {moment} of {steps} was never reached"
        problems, states, rows = opened(root)
        assert problems == []
        left = places_of(root, [gone, *orders])
        if states:
            assert states == ["complete"]
            assert left == []
            assert rows == customers().height - 1
        else:
            assert "done" not in told
            assert rows == customers().height
            assert not (root / "erasures").exists()
            assert not list((root / "jobs").iterdir())
        outcomes.add(bool(states))
    assert outcomes == {True, False}
    shutil.rmtree(root)
    shutil.copytree(walked, root)
    erase(root, gone, steps // 2)  # and after a kill it can be asked for again
    assert erase(root, gone, MANY)[0] == 0
    assert places_of(root, [gone, *orders]) == []
