"""SIGKILL at seeded moments of an erasure: either nothing was erased, or nothing is left; never something between."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from core.engine.engine import Engine
from core.engine.founding import found_workspace

from ..engine.people_project import customers, name_of, placed, places_of, walk, write_people
from .forks import Forks
from .orders import PASSPHRASE

KILLS = 10
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


@pytest.fixture
def program(state: None) -> Iterator[Forks]:
    """The program that erases and dies, started many times."""
    forks = Forks(Path(__file__).with_name("erase_and_die.py"))
    yield forks
    forks.close()


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


@pytest.mark.slow(100)
def test_a_kill_at_any_moment_loses_nothing_and_leaves_nothing(walked: Path, program: Forks, tmp_path: Path) -> None:
    moments = random.Random(1131)
    root = tmp_path / "workspace"

    def erase(steps: int) -> tuple[int, str]:
        out, errors = tmp_path / f"told-{steps}.txt", tmp_path / "errors.txt"
        code = program.start(str(root), gone, str(steps), out=out, errors=errors).wait(120)
        assert code in (0, -signal.SIGKILL), errors.read_text()
        return code, out.read_text()

    gone = CUSTOMERS[0]
    orders = placed().filter(pl.col("customer") == gone)["order_id"].to_list()
    shutil.copytree(walked, root)
    code, told = erase(MANY)
    assert code == 0
    steps = MANY - int(told.split()[-1])
    outcomes = set()
    for moment in sorted(moments.sample(range(steps), KILLS)):
        shutil.rmtree(root)
        shutil.rmtree(tmp_path / "state" / "plimsoll" / "heads", ignore_errors=True)
        shutil.copytree(walked, root)
        code, told = erase(moment)
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
    erase(steps // 2)  # and after a kill it can be asked for again
    assert erase(MANY)[0] == 0
    assert places_of(root, [gone, *orders]) == []
