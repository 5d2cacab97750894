"""What holds for every test: no screen, no telemetry, nothing of the user's, no thread left behind.

This file is read before any test imports Qt or onnxruntime, so the environment is set here, not in
a fixture. ``PLIMSOLL_TEST_HOME`` keeps the folders for a look afterwards.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_HOME = tempfile.TemporaryDirectory(prefix="plimsoll-tests-", ignore_cleanup_errors=True)
_ROOT = Path(os.environ.get("PLIMSOLL_TEST_HOME") or _HOME.name)
_FOLDERS = {
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
    "XDG_CACHE_HOME": "cache",
    "XDG_RUNTIME_DIR": "run",
}
GRACE_S = 5.0


def _own_environment() -> None:
    for variable, name in _FOLDERS.items():
        folder = _ROOT / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.environ[variable] = str(folder)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["PLIMSOLL_SLOTS"] = "1"  # two cores are busy with two files of tests: a second worker only imports
    os.environ["PLIMSOLL_WARM"] = ""  # workers import what their jobs need and no more
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    for variable in ("PLIMSOLL_WORKSPACE", "PLIMSOLL_PASSPHRASE", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK"):
        os.environ.pop(variable, None)
    os.environ.pop("CI", None)  # several libraries keep their telemetry still when it is set


_own_environment()


@pytest.fixture(autouse=True, scope="module")
def _no_thread_left_behind() -> Iterator[None]:
    """Fail the last test of a file that leaves a thread running which would keep a process alive.

    Set up before the file's own fixtures and so torn down after them: what they start, they may use
    between tests. (An exception in a thread is a warning of pytest's, and warnings fail here.)
    """
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + GRACE_S
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
            assert not thread.is_alive(), f"the tests left the thread {thread.name!r} running"


@pytest.fixture(autouse=True, scope="session")
def _cheap_seals() -> Iterator[None]:
    """Keys are sealed at the least cost that is read back: a third of a second less each time a test needs a person.

    That the product's own cost is the standard one, ``tests/identity/test_vault.py`` says.
    """
    from core.identity.vault import LEAST, create_key

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(create_key.__kwdefaults__ or {}, "cost", LEAST)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest first, so that two processes end at about the same time."""
    seconds: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("slow")
        if mark is not None:
            seconds[item.path] = max(seconds.get(item.path, 0.0), *mark.args, 30.0)
    items.sort(key=lambda item: -seconds.get(item.path, 0.0))
