"""Two actions that speak more than one line: fetching logs, and holding the deployment lock."""

from __future__ import annotations

import fcntl
import hashlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from core.delivery.agent.files import layout
from core.delivery.agent.ground import BLOCK, AgentError, Params

MOST_PARTS = 200  # keeps the head line short


def logs(root: Path, params: Params) -> Params | None:
    """Send the complete new lines of every prediction log: a head line, then the bytes, then their hash."""
    parts: list[Params] = []
    left, more = params["most"], False
    for path in sorted((root / "logs").glob("predictions-*.jsonl")):
        first, size = params["offsets"].get(path.name, 0), path.stat().st_size
        if size < first:
            raise AgentError("Conflict", "A log is shorter than what was read of it", path.name)
        last = last_line_end(path, first, min(size, first + left))
        if len(parts) == MOST_PARTS:
            more = True
            break
        more = more or last_line_end(path, last, size) > last
        if last > first:
            parts.append({"name": path.name, "start": first, "end": last})
            left -= last - first
    out, digest = sys.stdout.buffer, hashlib.sha256()
    out.write(json.dumps({"ok": True, "parts": parts, "more": more}).encode() + b"\n")
    for part in parts:
        for block in slices(root / "logs" / part["name"], part["start"], part["end"]):
            digest.update(block)
            out.write(block)
    out.write(digest.hexdigest().encode() + b"\n")
    return None


def slices(path: Path, first: int, last: int) -> Iterator[bytes]:
    """Bytes ``[first, last)`` of a file, in blocks."""
    with path.open("rb") as stream:
        stream.seek(first)
        while first < last:
            block = stream.read(min(BLOCK, last - first))
            if not block:
                raise AgentError("SystemFault", "A log shrank while it was read", path.name)
            first += len(block)
            yield block


def last_line_end(path: Path, first: int, last: int) -> int:
    """Where the last complete line within ``[first, last)`` ends; ``first`` when there is none."""
    with path.open("rb") as stream:
        while last > first:
            begin = max(first, last - BLOCK)
            stream.seek(begin)
            found = stream.read(last - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            last = begin
    return first


def hold_lock(root: Path, params: Params) -> Params | None:
    """Hold the deployment lock for as long as the console stays connected and sends a beat."""
    layout(root, {})
    with (root / "deploy.lock").open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode(errors="replace")
            remedy = "Wait for it to end; a console that lost its connection lets go by itself."
            raise AgentError("Conflict", "Another deployment is at work on this target", holder, remedy) from None
        file.truncate(0)
        file.write(params["owner"].encode())
        file.flush()
        sys.stdout.write('{"ok": true}\n')
        sys.stdout.flush()
        signal.alarm(params["patience_s"])
        while sys.stdin.buffer.read(1):
            signal.alarm(params["patience_s"])
    return None
