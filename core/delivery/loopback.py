"""A real target on this machine: OpenSSH's own sshd on a loopback port, without rights, for demo and tests.

As an ordinary user sshd simply runs as that user. As root it runs as an unprivileged user that exists
only in a private mount namespace, and in a private process namespace, so that nothing outlives it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from core.delivery.records import TargetSpec
from core.delivery.ssh import scan_host_key
from core.delivery.ssh_keys import make_client_key
from core.kernel.errors import InputError, SystemFault
from core.kernel.records import Record

ACCOUNT = "plimsoll-target"
UID = 61111
START_S = 15.0

# Private copies of the account files gain one user; then the last right is given up and sshd runs.
# exec at the end keeps the chain: the watchdog's child is unshare, and with --kill-child all below it die.
_NAMESPACE = """
set -e
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
exec setpriv --pdeathsig KILL --reuid "$2" --regid "$2" --clear-groups \
    --no-new-privs --inh-caps=-all --bounding-set=-all "$3" -D -e -f "$1/sshd_config"
"""
# Ends its child when its own standard input ends: that is, when whoever started it is gone.
_WATCHDOG = """
import os, signal, subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
def end(*_):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
def watch():
    while os.read(0, 1):
        pass
    end()
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, signal.SIG_IGN)
threading.Thread(target=watch, daemon=True).start()
sys.exit(child.wait())
"""


class LoopbackTarget(Record):
    """A running target on this machine."""

    spec: TargetSpec
    folder: str
    user: str
    separated: bool = Field(description="An unprivileged user of its own; false: the user of this process")
    said: str


@contextmanager
def loopback_target(
    name: str = "loopback", environment: str = "production", folder: Path | None = None
) -> Iterator[LoopbackTarget]:
    """Run an sshd on a free loopback port until the block ends (or this process does).

    ``folder`` keeps host key, login key and the target's files over restarts; without it all of it is
    temporary. The client key lies in ``folder/client``.

    Raises:
        SystemFault: sshd is not installed or does not start, with what it said.
    """
    base = folder or Path(tempfile.mkdtemp(prefix="plimsoll-target-"))
    separated = _can_separate()
    user = ACCOUNT if separated else _own_name()
    port = _free_port()
    home = _lay_out(base, user, port, separated)
    process = _start(base, separated)
    try:
        text = _wait_for_key(port, process, base)
        spec = TargetSpec.read(
            {
                "name": name,
                "url": f"ssh://{user}@127.0.0.1:{port}{home}/root",
                "host_key": text,
                "client_key": str(base / "client"),
                "environment": environment,
                "python": python_for(separated),
            }
        )
        yield LoopbackTarget(spec=spec, folder=str(base), user=user, separated=separated, said=_say(user, separated))
    finally:
        _stop(process, home / "root")
        if folder is None:
            shutil.rmtree(base, ignore_errors=True)


def sshd_path() -> str:
    """Where OpenSSH's server is; /usr/sbin is often not on the path of users.

    Raises:
        SystemFault: with the command that installs it.
    """
    found = shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if found is None:
        raise SystemFault("OpenSSH's server is not installed", remedy="apt install openssh-server")
    return found


def python_for(separated: bool) -> str:
    """An interpreter that the target's user may run, of the same minor version as ours.

    Raises:
        InputError: there is none, so the wheels of this console would not fit.
    """
    own = os.path.realpath(sys.executable)
    if not separated or _open_to_all(Path(own)):
        return own
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for place in (f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        real = Path(os.path.realpath(place))
        if real.is_file() and _open_to_all(real):
            return place
    raise InputError(
        f"The target's user can run no Python {version}",
        detail=f"{own} lies where only its owner may look, and there is no /usr/bin/python{version}",
        remedy=f"apt install python{version}",
    )


def _open_to_all(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o005) and all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _can_separate() -> bool:
    """Root that may make namespaces, with the tools for it."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return False
    trial = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "true"]
    return subprocess.run(trial, capture_output=True, check=False, timeout=10).returncode == 0


def _own_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _say(user: str, separated: bool) -> str:
    if separated:
        return f"sshd runs as the unprivileged user {user} (uid {UID}) that exists only in its own namespaces"
    if os.geteuid() == 0:
        return f"sshd runs as {user} with all rights: this machine permits no namespaces to give them up in"
    return f"sshd runs as {user}, the user of this process"


def _lay_out(base: Path, user: str, port: int, separated: bool) -> Path:
    """Keys, configuration, account files and the home of the target's user."""
    base.mkdir(parents=True, exist_ok=True)
    base.chmod(0o711)
    if separated and not all(parent.stat().st_mode & 0o001 for parent in base.resolve().parents):
        raise InputError(f"{user} cannot reach this folder", where=str(base), remedy="Use a folder outside /root.")
    home, server = base / "home", base / "sshd"
    for place in (home, server):
        place.mkdir(mode=0o700, exist_ok=True)
    if not (base / "client").exists():
        make_client_key(base / "client")
    if not (server / "host_key").exists():
        make_client_key(server / "host_key")
    shutil.copyfile(base / "client.pub", server / "authorized_keys")
    (server / "authorized_keys").chmod(0o600)
    (server / "sshd_config").write_text(_configuration(server, user, port))
    _accounts(server, home)
    if separated:
        for place in (home, server, *server.iterdir()):
            os.chown(place, UID, UID)
    return home


def _accounts(server: Path, home: Path) -> None:
    line = f"{ACCOUNT}:x:{UID}:{UID}:Plimsoll target:{home}:/bin/sh\n"
    (server / "passwd").write_text(Path("/etc/passwd").read_text() + line)
    (server / "group").write_text(Path("/etc/group").read_text() + f"{ACCOUNT}:x:{UID}:\n")
    for name in ("passwd", "group"):
        (server / name).chmod(0o644)


def _configuration(server: Path, user: str, port: int) -> str:
    """Public keys only, one user, loopback only; forwarding to the loopback is how the server is reached."""
    return f"""AddressFamily inet
ListenAddress 127.0.0.1
Port {port}
HostKey {server}/host_key
AuthorizedKeysFile {server}/authorized_keys
AllowUsers {user}
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PermitUserEnvironment no
AllowAgentForwarding no
X11Forwarding no
AllowTcpForwarding local
PermitOpen 127.0.0.1:*
PidFile none
PrintMotd no
LogLevel VERBOSE
MaxStartups 50
"""


def _start(base: Path, separated: bool) -> subprocess.Popen[bytes]:
    server, sshd = base / "sshd", sshd_path()
    command = [sshd, "-D", "-e", "-f", str(server / "sshd_config")]
    if not separated and os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as root it insists on it; its service unit does the same
    if separated:
        command = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command += ["sh", "-c", _NAMESPACE, "sh", str(server), str(UID), sshd]
    if shutil.which("setpriv"):
        command = ["setpriv", "--pdeathsig", "KILL", *command]  # dies with the watchdog even if that is killed
    with (base / "sshd.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-I", "-c", _WATCHDOG, *command], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd="/"
        )


def _wait_for_key(port: int, process: subprocess.Popen[bytes], base: Path) -> str:
    """The host key, once sshd answers."""
    pause = threading.Event()
    for _ in range(int(START_S * 10)):
        if process.poll() is not None:
            break
        with socket.socket() as trial:
            trial.settimeout(1)
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return scan_host_key("127.0.0.1", port).text
        pause.wait(0.1)
    said = (base / "sshd.log").read_text(errors="replace")[-2000:]
    _stop(process, base / "home" / "root")
    raise SystemFault("sshd did not start", detail=said, where=str(base))


def _stop(process: subprocess.Popen[bytes], root: Path) -> None:
    """End sshd; where no namespace ends the target's server with it, end that by its own record."""
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    _end_server(root)


def _end_server(root: Path) -> None:
    from core.delivery.agent.server import launched

    there = launched(root)
    if there and Path(f"/proc/{there['pid']}").stat().st_uid == os.geteuid():
        os.killpg(there["pid"], signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
