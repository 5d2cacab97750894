"""The host and its files: what it is, receiving bytes whole or not at all, keeping a number of releases."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import shutil
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from core.delivery.agent.ground import BLOCK, AgentError, Params, inside, link

SILENCE_S = 120  # a sender that says nothing for so long is gone: end, so that its successor may work


def probe(root: Path, _: Params) -> Params:
    """Facts about the host; writes and removes one small file to learn whether the root is writable."""
    place = root
    while not place.exists():
        place = place.parent
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "system": sys.platform,
        "glibc": platform.libc_ver()[1],
        "user": os.environ.get("USER") or str(os.getuid()),
        "uid": os.getuid(),
        "free": shutil.disk_usage(str(place)).free,
        "writable": os.access(str(place), os.W_OK | os.X_OK),
        "root_exists": root.is_dir(),
    }


def layout(root: Path, _: Params) -> Params:
    """Make the target's folders; only their owner may enter."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("runtimes", "releases", "incoming", "state", "logs", "online"):
        (root / name).mkdir(mode=0o700, exist_ok=True)
    return {}


def read_small(root: Path, params: Params) -> Params:
    """One small file of the root, base64; null when it isn't there."""
    path = inside(root, *params["path"].split("/"))
    if not path.is_file():
        return {"content": None}
    if path.stat().st_size > 16 * BLOCK:
        raise AgentError("InputError", "The file is too large to read this way", str(path))
    return {"content": base64.b64encode(path.read_bytes()).decode()}


def receive(root: Path, params: Params) -> Params:
    """Take ``size`` bytes from standard input; they become ``path`` only if they have the right SHA-256."""
    path = inside(root, *params["path"].split("/"))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(root)
    part = root / "incoming" / (path.name + ".part")
    try:
        with part.open("wb") as out:
            part.chmod(params["mode"])
            observed = take(sys.stdin.buffer, out, params["size"])
            out.flush()
            os.fsync(out.fileno())
        if observed != params["sha256"]:
            raise AgentError("SystemFault", "The bytes changed on the way", path.name, "Send them again.")
        part.replace(path)
    finally:
        if part.exists():
            part.unlink()
    return {"path": str(path)}


def take(stream: BinaryIO, out: BinaryIO, size: int) -> str:
    """Copy exactly ``size`` bytes; their SHA-256."""
    digest, left = hashlib.sha256(), size
    while left:
        signal.alarm(SILENCE_S)
        block = stream.read(min(BLOCK, left))
        if not block:
            raise AgentError("SystemFault", "The stream ended early", f"{left} bytes are missing")
        digest.update(block)
        out.write(block)
        left -= len(block)
    signal.alarm(0)
    return digest.hexdigest()


def sweep(root: Path) -> None:
    """Remove what interrupted deployments left; the caller is alone, and uses what it sends at once."""
    for stale in (root / "incoming").iterdir():
        if stale.suffix in (".part", ".tar", ".json"):
            stale.unlink()
        elif stale.suffix == ".folder":
            shutil.rmtree(str(stale))


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream, Path(os.devnull).open("wb") as nowhere:
        return take(stream, nowhere, path.stat().st_size)


def prune(root: Path, params: Params) -> Params:
    """Keep the newest releases; the current and the previous one always stay."""
    held = {link(root / "current"), previous(root)}
    found = [p for p in (root / "releases").iterdir() if p.is_dir() and p.name[0] != "."]
    found.sort(key=lambda p: (p.stat().st_mtime, p.name), reverse=True)
    gone = [p for p in found[params["keep"] :] if p.name not in held]
    for path in gone:
        doomed = path.with_name("." + path.name + ".removed")
        path.rename(doomed)  # never a half-deleted folder under a release's name
        shutil.rmtree(str(doomed))
    return {"removed": sorted(p.name for p in gone)}


def previous(root: Path) -> str | None:
    """The release that served before the present one, from the server's own history."""
    path, now = root / "state" / "switches.jsonl", link(root / "current")
    lines = path.read_text().split("\n")[:-1] if path.is_file() else []
    for switch in map(json.loads, reversed(lines)):
        if switch["release"] == now and switch["previous"] not in (None, now):
            return str(switch["previous"])
    return None
