"""Several processes at one workspace: one owns it, the others work through it, and when it goes the next one owns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.client import Client, connect
from core.engine.owner import Lock
from core.kernel.errors import Refused

PLIMSOLL = str(Path(sys.executable).with_name("plimsoll"))
PASSPHRASE = "a long enough passphrase"
LIMIT_S = 90


def start(root: Path, *words: str) -> subprocess.Popen[str]:
    """Start a command on the workspace."""
    environment = {**os.environ, "PLIMSOLL_PASSPHRASE": PASSPHRASE, "PLIMSOLL_NEW_PASSPHRASE": PASSPHRASE}
    command = [PLIMSOLL, "--workspace", str(root), "--json", *words]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(child: subprocess.Popen[str]) -> str:
    """What a command printed, once it has ended well."""
    out, err = child.communicate(timeout=LIMIT_S)
    assert child.returncode == 0, err
    return out


def own(root: Path) -> subprocess.Popen[str]:
    """An engine that owns the workspace and is ready."""
    engine = start(root, "engine")
    assert engine.stderr is not None
    said = engine.stderr.readline()
    assert "is ready" in said, said + (engine.stderr.read() if engine.poll() is not None else "")
    return engine


def end(engine: subprocess.Popen[str], signal_: signal.Signals) -> int:
    """Send the signal and wait; returns the exit status."""
    engine.send_signal(signal_)
    engine.communicate(timeout=LIMIT_S)
    return engine.returncode


def is_owned(root: Path) -> bool:
    """Whether some process holds the workspace."""
    lock = Lock(root)
    try:
        return not lock.take()
    finally:
        lock.release()


def names(client: Client) -> list[str]:
    """The workspace's users."""
    found: list[str] = client.ask("users")["name"].to_list()
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with its first user."""
    folder = tmp_path_factory.mktemp("shared") / "workspace"
    finish(start(folder, "--as", "first", "init", str(folder)))
    return folder


@pytest.fixture
def engine(root: Path) -> Iterator[subprocess.Popen[str]]:
    """An owner in a process of its own, gone afterwards whatever happened."""
    child = own(root)
    yield child
    if child.poll() is None:
        child.kill()
        child.communicate()


def test_two_commands_and_a_client_work_through_the_owner_at_once(root: Path, engine: subprocess.Popen[str]) -> None:
    client = connect(root)
    try:
        assert not client.owns
        others = [start(root, "user", "add", name, "--role", "viewer") for name in ("command-1", "command-2")]
        for number in range(5):
            request = {"name": f"client-{number}", "full_name": "", "roles": ["viewer"]}
            client.change("user.add", request, passphrase=PASSPHRASE)
        made = [json.loads(finish(child)) for child in others]
        assert {item["name"] for item in made} == {"command-1", "command-2"}
        expected = ["command-1", "command-2", *(f"client-{number}" for number in range(5))]
        assert sorted(names(client)) == sorted(["first", *expected])
        assert client.ask("ledger_verify")["ok"]
        assert not client.owns
        assert engine.poll() is None
    finally:
        client.close()


def test_a_second_engine_is_refused_in_words(root: Path, engine: subprocess.Popen[str]) -> None:
    second = start(root, "engine")
    _, err = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 2
    assert "owns this workspace already" in err
    assert engine.poll() is None


@pytest.mark.parametrize("way", [signal.SIGKILL])
def test_when_the_owner_goes_the_next_takes_over(
    root: Path, engine: subprocess.Popen[str], way: signal.Signals
) -> None:
    """Who was connected goes on in the same client; a command that starts afterwards finds everything."""
    client = connect(root)
    try:
        assert not client.owns
        before = client.changes_since(0)
        status = end(engine, way)
        assert status == (0 if way is signal.SIGTERM else -way)
        request = {"name": f"after-{way.name.lower()}", "full_name": "", "roles": ["viewer"]}
        client.change("user.add", request, passphrase=PASSPHRASE)
        assert client.owns
        assert client.changes_since(0) > before
        listed = json.loads(finish(start(root, "user", "list")))
        assert request["name"] in {item["name"] for item in listed}
    finally:
        client.close()
    assert not is_owned(root)
    report = json.loads(finish(start(root, "ledger", "verify")))
    assert report["ok"], report["problems"]


def test_two_windows(root: Path) -> None:
    """Neither window owns: the first one's engine serves both, and when it closes the second starts one."""
    first = connect(root, user="first", passphrase=PASSPHRASE, aside=True)
    second = connect(root, user="first", passphrase=PASSPHRASE, aside=True)
    try:
        assert not first.owns
        assert not second.owns
        first.change("user.add", {"name": "added-in-one", "roles": ["viewer"]}, passphrase=PASSPHRASE)
        assert "added-in-one" in second.ask("users")["name"].to_list()
        first.close()
        second.change("user.add", {"name": "added-in-two", "roles": ["viewer"]}, passphrase=PASSPHRASE)
        assert {"added-in-one", "added-in-two"} <= set(second.ask("users")["name"].to_list())
    finally:
        second.close()
    assert not is_owned(root)


def test_a_window_says_why_a_workspace_does_not_open(root: Path) -> None:
    with pytest.raises(Refused, match="does not open this key"):
        connect(root, user="first", passphrase="not the passphrase", aside=True)
    assert not is_owned(root)
