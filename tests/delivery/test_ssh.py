"""Connections to a real sshd: pinned keys only, clear refusals, whole transfers, one deployer at a time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.delivery import target
from core.delivery.agent_call import call
from core.delivery.loopback import LoopbackTarget, loopback_target, sshd_path
from core.delivery.records import TargetSpec
from core.delivery.ssh import connect, scan_host_key
from core.delivery.ssh_keys import make_client_key
from core.kernel.errors import AnswerIsNo, Cancelled, Conflict, InputError, Refused, SystemFault
from core.kernel.progress import Silent

from .conftest import Makers


def test_sshd_has_no_rights(host: LoopbackTarget) -> None:
    with connect(host.spec) as remote:
        found = remote.run("id -u; id -un; id -G")
    uid, name, groups = found.stdout.decode().split("\n")[:3]
    assert found.code == 0
    assert name == host.user
    if host.separated:
        assert (uid, groups) == ("61111", "61111")
    else:
        assert "the user of this process" in host.said or "permits no namespaces" in host.said


def test_fingerprint_is_the_one_that_openssh_prints(host: LoopbackTarget) -> None:
    shown = scan_host_key("127.0.0.1", host.spec.port)
    public = Path(host.folder) / "sshd" / "host_key.pub"
    told = subprocess.run(["ssh-keygen", "-lf", str(public)], capture_output=True, text=True, check=True).stdout
    assert shown.sha256 in told
    assert shown.text == host.spec.host_key


def test_changed_host_key_is_refused_with_both_fingerprints(host: LoopbackTarget, tmp_path: Path) -> None:
    other = make_client_key(tmp_path / "other")
    changed = host.spec.model_copy(update={"host_key": " ".join(other.split()[:2])})
    with pytest.raises(Refused) as caught, connect(changed):
        pass
    told = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "other")], capture_output=True, text=True, check=True)
    assert scan_host_key("127.0.0.1", host.spec.port).sha256 in caught.value.detail
    assert told.stdout.split()[1] in caught.value.detail


def test_host_that_lost_the_pinned_kind_of_key_is_refused(host: LoopbackTarget, tmp_path: Path) -> None:
    key = tmp_path / "ec"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(key)], check=True)
    text = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    with (
        pytest.raises(Refused, match="has changed") as caught,
        connect(host.spec.model_copy(update={"host_key": text})),
    ):
        pass
    assert scan_host_key("127.0.0.1", host.spec.port).sha256 in caught.value.detail


def test_there_is_no_way_without_a_pin(host: LoopbackTarget) -> None:
    for text in ("", "  ", "ssh-ed25519 nonsense"):
        with pytest.raises(InputError, match="host key"), connect(host.spec.model_copy(update={"host_key": text})):
            pass


def test_unknown_client_key_is_refused(host: LoopbackTarget, tmp_path: Path) -> None:
    make_client_key(tmp_path / "stranger")
    spec = host.spec.model_copy(update={"client_key": str(tmp_path / "stranger")})
    with pytest.raises(Refused, match="does not accept our key") as caught, connect(spec):
        pass
    assert "authorized_keys" in caught.value.remedy


def test_client_key_that_others_can_read_is_not_used(host: LoopbackTarget, tmp_path: Path) -> None:
    make_client_key(tmp_path / "open")
    (tmp_path / "open").chmod(0o644)
    with (
        pytest.raises(InputError, match="Others can read"),
        connect(host.spec.model_copy(update={"client_key": str(tmp_path / "open")})),
    ):
        pass


def test_unreachable_and_silent_hosts_are_told_apart_from_ours(host: LoopbackTarget) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        free = nobody.getsockname()[1]
    url = host.spec.url.replace(str(host.spec.port), str(free))
    with pytest.raises(SystemFault, match="cannot be reached"), connect(host.spec.model_copy(update={"url": url})):
        pass
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = host.spec.url.replace(str(host.spec.port), str(silent.getsockname()[1]))
        spec = host.spec.model_copy(update={"url": url})
        with pytest.raises(SystemFault, match="cannot be reached"), connect(spec, timeout=1):
            pass


@pytest.mark.parametrize(
    "url",
    [
        "http://u@h/p",
        "ssh://h/p",
        "ssh://u@h",
        "ssh://u:secret@h/p",
        "ssh://u@h/a/../b",
        "ssh://u@h/a b",
        "ssh://u@h/$(x)",
    ],
)
def test_urls_that_mean_something_else_are_refused(host: LoopbackTarget, url: str) -> None:
    with pytest.raises(InputError):
        TargetSpec.read({**host.spec.plain(), "url": url})


def test_missing_python_is_named(host: LoopbackTarget) -> None:
    with (
        connect(host.spec.model_copy(update={"python": "python9"})) as remote,
        pytest.raises(SystemFault, match="no python9"),
    ):
        target.check(remote)


def test_a_folder_without_write_access_is_told(host: LoopbackTarget) -> None:
    if not host.separated:
        pytest.skip("the target's user may write everywhere here")
    url = host.spec.url.split("/home/")[0].rsplit(":", 1)[0] + f":{host.spec.port}/usr/plimsoll"
    with connect(host.spec.model_copy(update={"url": url})) as remote, pytest.raises(AnswerIsNo) as caught:
        target.check(remote)
    assert "may not write" in caught.value.problems[0].what


def test_one_deployer_at_a_time_and_no_stale_lock(host: LoopbackTarget) -> None:
    with connect(host.spec) as first, connect(host.spec) as second:
        with target.exclusive(first, "ada@desk"):
            with pytest.raises(Conflict, match="ada@desk"), target.exclusive(second):
                pass
            with target.exclusive(first):
                pass
        with target.exclusive(second, "bob@desk"):
            pass


def test_a_file_arrives_whole_or_not_at_all(host: LoopbackTarget, tmp_path: Path) -> None:
    source = tmp_path / "big"
    source.write_bytes(os.urandom(3_000_000))
    with connect(host.spec) as remote:
        with pytest.raises(SystemFault, match="changed on the way"):
            target.send_file(remote, source, "online/big", Silent(), sha256="0" * 64)
        assert call(remote, "read_small", path="online/big")["content"] is None
        target.send_file(remote, source, "online/big", Silent())
        assert call(remote, "read_small", path="online/big")["content"] is not None
        for path in ("../x", "a//b", "/etc/x"):
            with pytest.raises(Refused, match="leads out"):
                target.send_file(remote, source, path, Silent())


class CancelAt(Silent):
    """Cancels once some bytes were sent."""

    def step(self, done: float, total: float, message: str = "") -> None:
        if done:
            self.cancel()


def test_a_cancelled_transfer_leaves_nothing(host: LoopbackTarget, tmp_path: Path) -> None:
    source = tmp_path / "huge"
    source.write_bytes(bytes(20_000_000))
    with connect(host.spec) as remote:
        with pytest.raises(Cancelled):
            target.send_file(remote, source, "incoming/huge", CancelAt())
        assert remote.run(f"ls {remote.spec.root}/incoming").stdout == b""


PUSH_AND_DIE = """
import os, signal, sys
from pathlib import Path
from core.delivery import target
from core.delivery.records import TargetSpec
from core.delivery.ssh import connect
from core.kernel.progress import Silent

class Die(Silent):
    def step(self, done, total, message=""):
        if done > 5_000_000:
            os.kill(os.getpid(), signal.SIGKILL)

with connect(TargetSpec.model_validate_json(sys.argv[1])) as remote:
    target.send_file(remote, Path(sys.argv[2]), "incoming/huge", Die())
"""
WAIT_UNTIL_EMPTY = "for i in $(seq 50); do ls | grep -q . || exit 0; sleep 0.1; done; ls"


def test_a_killed_client_leaves_nothing_and_the_push_can_be_repeated(host: LoopbackTarget, tmp_path: Path) -> None:
    source = tmp_path / "huge"
    source.write_bytes(os.urandom(20_000_000))
    command = [sys.executable, "-c", PUSH_AND_DIE, host.spec.model_dump_json(), str(source)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    with connect(host.spec) as remote:
        left = remote.run(
            f"cd {remote.spec.root}/incoming && for i in $(seq 50); do ls | grep -q . || exit 0; sleep 0.1; done; ls"
        )
        assert left.stdout == b""
        target.send_file(remote, source, "incoming/huge", Silent())
        assert remote.run(f"cd {remote.spec.root}/incoming && wc -c < huge && rm huge").stdout.split() == [b"20000000"]


def test_trust_root_is_pinned_and_only_followed_by_its_successor(host: LoopbackTarget, makers: Makers) -> None:
    spec = host.spec.model_copy(update={"url": host.spec.url + "-trust"})
    with connect(spec) as remote:
        target.prepare(remote, makers.trust(2))
        target.prepare(remote, makers.trust(3))
        with pytest.raises(Refused, match="already has version 3"):
            target.prepare(remote, makers.trust(2))
        with pytest.raises(Refused, match="does not verify"):
            target.prepare(remote, makers.trust(4, signer=makers.reviewers[0]))
    with connect(spec.model_copy(update={"environment": "staging"})) as remote, pytest.raises(Refused, match="staging"):
        target.prepare(remote, makers.trust(5))


def test_sshd_ends_with_its_block() -> None:
    with loopback_target() as running:
        port = running.spec.port
        folder = running.folder
    with socket.socket() as trial:
        assert trial.connect_ex(("127.0.0.1", port)) != 0
    assert not Path(folder).exists()


START_AND_TELL = """
import signal
from core.delivery.loopback import loopback_target
with loopback_target() as running:
    print(running.spec.port, running.folder, flush=True)
    signal.pause()
"""


def test_sshd_ends_with_the_process_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", START_AND_TELL], stdout=subprocess.PIPE) as process:
        assert process.stdout
        port, folder = process.stdout.readline().decode().split()
        process.kill()
    try:
        assert any(_closed(int(port)) for _ in range(100))
    finally:
        shutil.rmtree(folder)


def _closed(port: int) -> bool:
    with socket.socket() as trial:
        if trial.connect_ex(("127.0.0.1", port)) != 0:
            return True
    threading.Event().wait(0.1)
    return False


def test_missing_sshd_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.delivery.loopback.shutil.which", lambda *_, **__: None)
    with pytest.raises(SystemFault) as caught:
        sshd_path()
    assert caught.value.remedy == "apt install openssh-server"
