"""Engines on small workspaces, with people of every role."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.identity.roles import Role
from core.kernel.clock import FixedClock

from ..faults.orders import PASSPHRASE

PEOPLE = tuple(role for role in Role if role is not Role.SYSTEM)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one user for each role, named after it."""
    root = tmp_path_factory.mktemp("founded") / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    engine = Engine(root, slots=0)
    token = engine.login("founder", None)
    for role in PEOPLE:
        engine.change(token, "user.add", {"name": f"one-{role}", "roles": [str(role)]}, PASSPHRASE, None)
    engine.close()
    return root


@pytest.fixture
def workspace(founded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it for one test, on a machine of its own: heads that other copies noted would contradict it."""
    shutil.copytree(founded, tmp_path / "workspace")
    shutil.copytree(os.environ["XDG_STATE_HOME"], tmp_path / "state", ignore=shutil.ignore_patterns("heads"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "workspace"


@pytest.fixture
def engine(workspace: Path) -> Iterator[Engine]:
    """An engine without workers."""
    made = Engine(workspace, slots=0)
    yield made
    made.close()


@pytest.fixture
def engine_at(workspace: Path) -> Iterator[Callable[[datetime], tuple[Engine, FixedClock]]]:
    """An engine whose clock the test holds."""
    made: list[Engine] = []

    def open_at(moment: datetime) -> tuple[Engine, FixedClock]:
        clock = FixedClock(moment.astimezone(UTC))
        made.append(Engine(workspace, slots=0, clock=clock))
        return made[-1], clock

    yield open_at
    for one in made:
        one.close()
