"""Several processes on one workspace: one owner, private sockets, and what happens when the owner goes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.engine import owner, wire
from core.engine.client import connect
from core.engine.owner import socket_path
from core.kernel.errors import NotFound, Refused

from ..faults.orders import PASSPHRASE

OWNER = """
import sys
from pathlib import Path
from core.engine.client import connect
client = connect(Path(sys.argv[1]), user="founder")
print("ready" if client.owns else "guest", flush=True)
sys.stdin.read()
client.close()
"""


@pytest.fixture
def other_owner(workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that owns the workspace."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(workspace)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()


def test_a_second_process_works_through_the_owner(workspace: Path, other_owner: subprocess.Popen[str]) -> None:
    client = connect(workspace, user="founder")
    try:
        assert not client.owns
        client.change("user.add", {"name": "new", "roles": ["viewer"]}, passphrase=PASSPHRASE)
        assert "new" in client.ask("users")["name"].to_list()
        with pytest.raises(NotFound):
            client.ask("no_such")
        viewer = client.as_user("one-viewer", PASSPHRASE)
        with pytest.raises(Refused):
            viewer.change("user.add", {"name": "more", "roles": ["viewer"]}, passphrase=PASSPHRASE)
    finally:
        client.close()


def test_the_owner_is_killed_and_the_guest_takes_over(workspace: Path, other_owner: subprocess.Popen[str]) -> None:
    client = connect(workspace, user="founder")
    reviewer = client.as_user("one-reviewer", PASSPHRASE)
    try:
        other_owner.send_signal(signal.SIGKILL)
        other_owner.wait()
        client.change("user.add", {"name": "new", "roles": ["viewer"]}, passphrase=PASSPHRASE)
        assert client.owns
        assert reviewer.owns
        assert reviewer.ask("whoami")["name"] == "one-reviewer"
        rows = client.ask("ledger", where="Added new")
        assert rows.height == 1
        assert client.ask("ledger_verify")["ok"]
    finally:
        client.close()


def test_a_request_that_was_carried_out_is_not_repeated(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer got lost on its way: the client asks again with the same request id, and nothing happens twice."""
    first = connect(workspace, user="founder")
    guest = connect(workspace, user="founder")
    assert first.owns
    assert not guest.owns
    lost: list[bool] = []
    real = wire.receive

    def lossy(connection: socket.socket, **options: Any) -> Any:
        answer = real(connection, **options)
        if threading.current_thread() is threading.main_thread() and not lost:
            lost.append(True)
            raise wire.Gone("The answer got lost")
        return answer

    monkeypatch.setattr(wire, "receive", lossy)
    try:
        guest.change("user.add", {"name": "new", "roles": ["viewer"]}, passphrase=PASSPHRASE)
        assert lost
        assert first.ask("ledger", where="Added new").height == 1
    finally:
        guest.close()
        first.close()


def test_an_owner_that_closes_hands_over(workspace: Path) -> None:
    first = connect(workspace, user="founder")
    guest = connect(workspace, user="founder")
    first.close()
    try:
        assert guest.ask("users").height == 6
        assert guest.owns
    finally:
        guest.close()
    assert not socket_path(workspace).exists()


def test_a_wrong_passphrase_leaves_nothing_open(workspace: Path) -> None:
    for _ in range(2):
        with pytest.raises(Refused):
            connect(workspace, user="one-viewer", passphrase="a wrong passphrase")
    client = connect(workspace, user="founder")
    assert client.owns
    client.close()


def test_a_folder_without_a_workspace_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        connect(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_socket_is_private(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = socket_path(workspace).parent
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    client = connect(workspace, user="founder")
    try:
        path = socket_path(workspace)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert len(str(path)) < 107
        monkeypatch.setattr(owner, "_peer_uid", lambda _connection: os.getuid() + 1)
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(path))
            with contextlib.suppress(wire.Gone):
                wire.send(stranger, {"verb": "jobs"})
            with pytest.raises(wire.Gone):
                wire.receive(stranger)
    finally:
        client.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff" * 40,
        wire.HEAD.pack(4, 0) + b"\xff\xfe\xfd\xfc",
        wire.HEAD.pack(2, 0) + b"[]",
        wire.HEAD.pack(2, 5) + b"{}",
    ],
    ids=["huge", "no text", "no request", "a table"],
)
def test_nonsense_on_the_socket(workspace: Path, nonsense: bytes) -> None:
    """The owner hangs up or says what is wrong, and lives on."""
    client = connect(workspace, user="founder")
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(10)
            peer.connect(str(socket_path(workspace)))
            peer.sendall(nonsense)
            with contextlib.suppress(ConnectionResetError):
                answer = peer.recv(1 << 16)
                assert not answer or "error" in json.loads(answer[wire.HEAD.size :])
        assert client.ask("users").height == 6
    finally:
        client.close()
