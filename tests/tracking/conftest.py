"""One workspace with an open tracking port for the whole folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.tracking.door import Door

PASSPHRASE = "a good long passphrase"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine without workers, with a viewer beside its founder."""
    root = tmp_path_factory.mktemp("tracking") / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    made = Engine(root, slots=0)
    token = made.login("founder", None)
    made.change(token, "user.add", {"name": "watcher", "roles": ["viewer"]}, PASSPHRASE, None)
    yield made
    made.close()


@pytest.fixture(scope="session")
def door(engine: Engine) -> Iterator[Door]:
    """Its tracking port."""
    made = Door(engine, 0)
    yield made
    made.close()


def pytest_configure() -> None:
    """The clients' calls stay on this machine whatever proxies the environment names."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


def here(name: str) -> Path:
    """A script beside this file."""
    return Path(__file__).with_name(name)
