"""A target at work: tests, the server, switch and rollback, status, logs, and the way to the server over HTTP."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from core.delivery.agent_call import call
from core.delivery.records import CommandAnswer, LogBatch, LogPart, ServerAddress, TargetStatus
from core.delivery.ssh import Remote
from core.delivery.target import exclusive, send_bytes
from core.kernel.digests import canonical_json
from core.kernel.envelope import Envelope
from core.kernel.errors import Conflict, InputError, PlimsollError, Problem, Refused, SystemFault, error_from_dict
from core.kernel.progress import Progress

COMMAND_S = 300.0
ORDER = "incoming/rollback-order.json"
FORGET = "incoming/forget-order.json"
MOST_LOG = 64 << 20


def contract_and_golden_test(remote: Remote, release: str) -> list[CommandAnswer]:
    """Verify a release on the target against its trust root, then run its golden rows with its runtime.

    Raises:
        PlimsollError: as the target answered: Refused for signatures and bytes, AnswerIsNo for golden rows.
    """
    return [_serving(remote, verb, "--release", release) for verb in ("verify", "golden")]


def switch(remote: Remote, release: str, by: str) -> CommandAnswer:
    """Make a release current: the target proves it again first, then renames one link. ``by`` goes into its history."""
    with exclusive(remote):
        return _serving(remote, "switch", "--release", release, "--by", by)


def rollback(remote: Remote, by: str, to: str | None = None, order: Envelope | None = None) -> CommandAnswer:
    """Go back to the release before (or ``to``); the target proves that one again, too.

    A release that never served on this target needs ``order``, a command that the console signed.
    """
    named = ["--to", to] if to else []
    with exclusive(remote):
        if order is not None:
            send_bytes(remote, ORDER, canonical_json(order.plain()))
            named += ["--order", f"{remote.spec.root}/{ORDER}"]
        return _serving(remote, "rollback", "--by", by, *named)


def kill(remote: Remote, by: str, reason: str) -> CommandAnswer:
    """Pull the kill switch: inference answers 503 from the next request on. Takes no lock: it must always work."""
    return _serving(remote, "kill", "--by", by, "--reason", reason)


def revive(remote: Remote, by: str) -> CommandAnswer:
    """Release the kill switch."""
    return _serving(remote, "revive", "--by", by)


def forget(remote: Remote, order: dict[str, Any]) -> CommandAnswer:
    """Forget a person in the target's online store and logs; the order's file is gone when this returns.

    Raises:
        InputError: the runtime there is too old to know the order. SystemFault: the store could not be written.
    """
    with exclusive(remote):
        send_bytes(remote, FORGET, canonical_json(order))
        return _serving(remote, "forget", "--order", f"{remote.spec.root}/{FORGET}")


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


def push_features(remote: Remote, views: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Bring feature values to the online store of a running server; returns rows written for each view.

    ``views`` maps a view to ``{"entity": [names], "features": [names], "rows": [[valid_from, key…, value…]]}``;
    ``valid_from`` is ISO 8601 text or seconds since 1970. The same rows twice change nothing.

    Raises:
        InputError: the target refused the rows; nothing was written. Conflict: no server runs.
    """
    import httpx

    with server_address(remote) as server:
        try:
            with httpx.Client(trust_env=False, timeout=120) as client:
                headers = {"Authorization": f"Bearer {server.token}"}
                answer = client.post(f"{server.url}/v2/plimsoll/features", json=views, headers=headers)
        except httpx.HTTPError as error:
            raise SystemFault(f"The server on {remote.spec.name} did not answer", detail=str(error)) from error
    if answer.status_code != 200:
        detail = str(_json(answer.text).get("error", answer.text))[:2000]
        raise InputError(f"{remote.spec.name} refused the feature values", detail=detail)
    counts = _json(answer.text)["upserted"]
    return {str(name): int(rows) for name, rows in dict(counts).items()}  # type: ignore[call-overload]


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
    if isinstance(answer.get("problems"), list) and "headline" not in answer:
        problems = [Problem(str(line)) for line in list(answer["problems"])]  # type: ignore[call-overload]
        release = answer.get("release", "")
        return Refused(f"{remote.spec.name} refuses the release {release}", where=remote.spec.name, problems=problems)
    if "headline" not in answer:
        kind = {1: "AnswerIsNo", 2: "InputError", 3: "Refused"}.get(code, "SystemFault")
        answer = {"error": kind, "headline": f"{verb} failed on {remote.spec.name}", "detail": said}
    error = error_from_dict(dict(answer))
    error.where = error.where or remote.spec.name
    return error
