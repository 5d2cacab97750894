"""A target's life: check, prepare, runtime, releases. Every step may be repeated and may be interrupted."""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from core.contract.release import TRUST_ROOT_TYPE, TrustRoot
from core.contract.signoffs import raw_public_key
from core.delivery.agent_call import agent_command, answer_of, call
from core.delivery.archive import measure
from core.delivery.package import read_package
from core.delivery.records import HostReport, PackageInfo, WheelhouseInfo
from core.delivery.runtime import build_runtime, runtime_name
from core.delivery.ssh import Finished, Remote
from core.kernel.clock import utc_text
from core.kernel.digests import canonical_json, strict_json
from core.kernel.envelope import Envelope, verify_statement
from core.kernel.errors import AnswerIsNo, Problem, Refused
from core.kernel.progress import Progress

BLOCK = 1 << 20
PATIENCE_S = 60
SPACE = 3  # a runtime is there packed, as wheels and installed
INSTALL_S = 900.0


@contextmanager
def exclusive(remote: Remote, owner: str = "") -> Iterator[None]:
    """Be the only deployer on the target. Steps take it themselves; hold it around a whole sequence.

    The lock is held by the connection: it ends with it, and half a minute after the network went away.

    Raises:
        Conflict: somebody else is at work; says who and since when.
    """
    if remote.locks:
        remote.locks += 1
        try:
            yield
        finally:
            remote.locks -= 1
        return
    said = {"owner": owner or f"{getpass.getuser()}@{socket.gethostname()}", "since": utc_text(datetime.now(UTC))}
    params = {"action": "hold_lock", "root": remote.spec.root, "owner": json.dumps(said), "patience_s": PATIENCE_S}
    command, source = agent_command(remote)
    with remote.held(command, source + json.dumps(params).encode() + b"\n", PATIENCE_S / 4) as line:
        answer_of(remote, Finished(0, line, ""), line)
        remote.locks = 1
        try:
            yield
        finally:
            remote.locks = 0


def check(remote: Remote, wheels: WheelhouseInfo | None = None) -> HostReport:
    """Look at a host before anything is written to it. That this answers shows that sshd and the keys are right.

    Raises:
        AnswerIsNo: with everything that stands in the way.
    """
    report = HostReport.read(
        {key: value for key, value in call(remote, "probe").items() if key in HostReport.model_fields}
    )
    problems = list(host_problems(report, wheels))
    if problems:
        raise AnswerIsNo(f"{remote.spec.name} cannot take a deployment", where=remote.spec.url, problems=problems)
    return report


def host_problems(report: HostReport, wheels: WheelhouseInfo | None) -> Iterator[Problem]:
    """Everything about a host that stands in the way of installing these wheels."""
    if not report.writable:
        yield Problem(f"{report.user} may not write to the target's folder", remedy="Give the folder to this user.")
    if wheels is None:
        return
    tag = "cp" + "".join(report.python.split(".")[:2])
    if report.implementation != "CPython" or tag != wheels.python:
        yield Problem(
            f"Python {report.python} ({report.implementation})",
            expected=f"the Python of the wheels, {wheels.python}",
            remedy="Name another interpreter in the target's record, or make a wheelhouse for this one.",
        )
    if wheels.platform not in ("any", f"{report.system}_{report.machine}"):
        yield Problem(f"{report.system} on {report.machine}", expected=wheels.platform)
    if wheels.glibc and report.glibc and tuple(map(int, report.glibc.split(".")[:2])) < wheels.glibc:
        yield Problem(f"C library {report.glibc}", expected=f"at least {wheels.glibc[0]}.{wheels.glibc[1]}")
    need = SPACE * 2 * sum(wheel.size for wheel in wheels.wheels)
    if report.free < need:
        yield Problem(f"{report.free >> 20} MiB free", expected=f"at least {need >> 20} MiB")


def prepare(remote: Remote, trust: Envelope) -> TrustRoot:
    """Make the folders and pin the trust root; a root that is there is only replaced by its own successor.

    Raises:
        Refused: not signed by the console key that counts here, for another environment, or not newer.
    """
    root = read_root(trust)
    if root.environment != remote.spec.environment:
        raise Refused(f"The trust root is for {root.environment}, the target for {remote.spec.environment}")
    with exclusive(remote):
        call(remote, "layout")
        there = call(remote, "read_small", path="trust.json")["content"]
        body = canonical_json(trust.plain())
        if there is not None and base64.b64decode(there) == body:
            return root
        if there is not None:
            check_succession(Envelope.read(strict_json(base64.b64decode(there)), where="trust.json"), trust)
        send_bytes(remote, "trust.json", body, 0o644)
    return root


def read_root(trust: Envelope) -> TrustRoot:
    """A trust root whose signature by the console key that it names verifies."""
    root = TrustRoot.read(trust.statement(), where="trust root")
    _signed_by(trust, root.console_key)
    return root


def check_succession(old: Envelope, new: Envelope) -> None:
    """A trust root may follow another if it is newer, for the same purpose, and signed by the old one's key.

    Raises:
        Refused: naming what is wrong.
    """
    before, after = read_root(old), read_root(new)
    if (before.project, before.environment) != (after.project, after.environment):
        raise Refused(
            "The target trusts another project or environment", detail=f"{before.project} {before.environment}"
        )
    if after.version <= before.version:
        raise Refused(f"The target already has version {before.version} of the trust root", remedy="Issue a newer one.")
    _signed_by(new, before.console_key)


def _signed_by(trust: Envelope, key: str) -> None:
    public = raw_public_key(key)
    verify_statement(trust, TRUST_ROOT_TYPE, {item.key_id: public for item in trust.signatures})


def install_runtime(remote: Remote, wheels: WheelhouseInfo, work: Path, progress: Progress) -> str:
    """Install the serving runtime without a network on the target; returns its name. Skipped when it is there.

    ``work`` is a local folder for the bundle. A running server keeps its old runtime until it is started again.
    """
    name = runtime_name(wheels)
    with exclusive(remote):
        tar = f"runtime-{name}.tar"
        if not call(remote, "runtime_there", name=name)["complete"]:
            check(remote, wheels)
            bundle = build_runtime(wheels, work)
            send_file(remote, bundle.path, f"incoming/{tar}", progress, sha256=bundle.written.sha256)
        progress.step(1, 1, "installing the runtime on the target")
        call(remote, "install", limit_s=INSTALL_S, name=name, tar=tar)
    return name


def push_release(remote: Remote, package: Path, progress: Progress) -> PackageInfo:
    """Bring a package to the target and unpack it under its release's name. It isn't switched on by that.

    Raises:
        Conflict: another content has this release's name there. Refused: the target's reader refused the package.
    """
    info = read_package(package)
    with exclusive(remote):
        tar = f"{info.release}.tar"
        send_file(remote, package, f"incoming/{tar}", progress, sha256=info.sha256)
        call(remote, "unpack_release", limit_s=INSTALL_S, release=info.release, tar=tar)
    return info


def prune_releases(remote: Remote, keep: int = 5) -> list[str]:
    """Remove all but the newest ``keep`` releases; the current and the previous one always stay."""
    with exclusive(remote):
        return list(call(remote, "prune", keep=keep)["removed"])


def send_file(remote: Remote, path: Path, to: str, progress: Progress, *, sha256: str = "", mode: int = 0o600) -> None:
    """Stream a file into the target's root; it appears there when its SHA-256 is right, or not at all."""
    size = path.stat().st_size
    sha256 = sha256 or measure(path).sha256
    feed = _blocks(path, size, progress)
    with exclusive(remote):
        call(remote, "receive", feed, path=to, size=size, sha256=sha256, mode=mode, limit_s=INSTALL_S)


def _blocks(path: Path, size: int, progress: Progress) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            progress.check()
            yield block
            sent += len(block)
            progress.step(sent, size, f"sending {path.name}")


def send_bytes(remote: Remote, to: str, body: bytes, mode: int = 0o600) -> None:
    """Put a small file into the target's root, whole or not at all."""
    sha256 = hashlib.sha256(body).hexdigest()
    with exclusive(remote):
        call(remote, "receive", [body], path=to, size=len(body), sha256=sha256, mode=mode)
