"""A target at work: tests, the server, switch and rollback, status, logs, and the way to the server over HTTP."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.delivery.agent_call import call
from core.delivery.records import CommandAnswer, LogBatch, LogPart, ServerAddress, TargetStatus
from core.delivery.ssh import Remote
from core.delivery.target import exclusive
from core.kernel.errors import Conflict, PlimsollError, SystemFault, error_from_dict
from core.kernel.progress import Progress

COMMAND_S = 300.0
MOST_LOG = 64 << 20


def contract_and_golden_test(remote: Remote, release: str) -> list[CommandAnswer]:
    """Verify a release on the target against its trust root, then run its golden rows with its runtime.

    Raises:
        PlimsollError: as the target answered: Refused for signatures and bytes, AnswerIsNo for golden rows.
    """
    return [_serving(remote, verb, "--release", release) for verb in ("verify", "golden")]


def switch(remote: Remote, release: str, *arguments: str) -> CommandAnswer:
    """Make a release current: the target proves it again first, then renames one link."""
    with exclusive(remote):
        return _serving(remote, "switch", "--release", release, *arguments)


def rollback(remote: Remote, *arguments: str) -> CommandAnswer:
    """Go back to the release before (or ``--release ID``); the target proves that one again, too."""
    with exclusive(remote):
        return _serving(remote, "rollback", *arguments)


def start_server(remote: Remote, port: int = 0, wait_s: float = 30.0) -> int:
    """Start the server on the target's loopback and wait until it answers; returns its port.

    A healthy server with the installed runtime is left alone; one with an older runtime is replaced.
    """
    with exclusive(remote):
        return int(call(remote, "start", limit_s=wait_s + 60, port=port, wait_s=wait_s)["port"])


def stop_server(remote: Remote, wait_s: float = 10.0) -> bool:
    """Stop the server on the target; false when none ran."""
    with exclusive(remote):
        return bool(call(remote, "stop", limit_s=wait_s + 30, wait_s=wait_s)["stopped"])


def status(remote: Remote) -> TargetStatus:
    """What is installed, what is current, what answers. Takes no lock and changes nothing."""
    return TargetStatus.read(call(remote, "status"))


@contextmanager
def server_address(remote: Remote) -> Iterator[ServerAddress]:
    """Reach the server over HTTP: directly when the target is this machine, else through the connection.

    Raises:
        Conflict: when no server runs.
    """
    now = status(remote)
    if now.port is None:
        raise Conflict(f"No server runs on {remote.spec.name}", remedy="Start the server first.")
    token = str(call(remote, "token")["token"])
    if is_loopback(remote.spec.host):
        yield ServerAddress(url=f"http://127.0.0.1:{now.port}", token=token, forwarded=False)
        return
    with remote.forward(now.port) as port:
        yield ServerAddress(url=f"http://127.0.0.1:{port}", token=token, forwarded=True)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fetch_logs(remote: Remote, since: dict[str, int], into: Path, progress: Progress, most: int = MOST_LOG) -> LogBatch:
    """Bring the complete lines that are new since the given byte offsets, at most ``most`` bytes.

    Each line comes exactly once if the offsets of the answer are stored together with the rows: a
    batch that was lost on the way is simply fetched again.

    Raises:
        Conflict: a log is shorter than what was read of it. SystemFault: the bytes changed on the way.
    """
    progress.step(0, 1, "fetching prediction logs")
    into.mkdir(parents=True, exist_ok=True)
    raw = into / ".fetch.part"
    try:
        with raw.open("wb") as sink:
            head = call(remote, "logs", limit_s=600, offsets=since, most=most, sink=lambda block: _put(sink, block))
        with raw.open("rb") as stream:
            stream.readline()
            parts = _split(stream, head["parts"], into)
    finally:
        raw.unlink(missing_ok=True)
    progress.step(1, 1, "fetched prediction logs")
    offsets = {**since, **{part.name: part.end for part in parts}}
    return LogBatch(parts=parts, offsets=offsets, more=head["more"])


def _put(stream: BinaryIO, block: bytes) -> None:
    stream.write(block)


def _split(stream: BinaryIO, parts: list[dict[str, object]], into: Path) -> list[LogPart]:
    """Cut the raw answer into files; none appears unless all bytes are right."""
    digest, out, held = hashlib.sha256(), [], []
    for part in parts:
        name, first, last = str(part["name"]), int(str(part["start"])), int(str(part["end"]))
        path = into / f"{Path(name).stem}.{first}-{last}.jsonl"
        body = stream.read(last - first)
        digest.update(body)
        held.append((path, body))
        out.append(LogPart(name=name, start=first, end=last, path=str(path)))
    if stream.read().strip().decode() != digest.hexdigest():
        raise SystemFault("The logs changed on the way", remedy="Fetch them again.")
    for path, body in held:
        part_path = path.with_suffix(".part")
        part_path.write_bytes(body)
        part_path.replace(path)
    return out


def _serving(remote: Remote, verb: str, *arguments: str) -> CommandAnswer:
    """Run a command of the runtime's command line on the target; its error becomes ours."""
    done = call(remote, "serving", verb=verb, arguments=list(arguments), limit_s=COMMAND_S)
    answer = _json(str(done["stdout"]))
    code = int(done["exit_code"])
    if code != 0 or answer.get("ok") is False:
        raise _failure(remote, verb, code, answer, str(done["stderr"]))
    return CommandAnswer(ok=True, exit_code=code, answer=answer, text=str(done["stderr"]))


def _json(text: str) -> dict[str, object]:
    for candidate in (text, text.strip().rpartition("\n")[2]):
        try:
            value = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return {}


def _failure(remote: Remote, verb: str, code: int, answer: dict[str, object], said: str) -> PlimsollError:
    if "headline" not in answer:
        kind = {1: "AnswerIsNo", 2: "InputError", 3: "Refused"}.get(code, "SystemFault")
        answer = {"error": kind, "headline": f"{verb} failed on {remote.spec.name}", "detail": said}
    error = error_from_dict(dict(answer))
    error.where = error.where or remote.spec.name
    return error
