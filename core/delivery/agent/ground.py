"""What every action stands on: errors, paths inside the root, small files, bounded children."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BLOCK = 1 << 20
Params = Any


class AgentError(Exception):
    """An answer that is an error: kind is a name of the console's error tree."""

    def __init__(self, kind: str, headline: str, detail: str = "", remedy: str = "") -> None:
        super().__init__(headline)
        self.answer = {"error": kind, "headline": headline, "detail": detail, "remedy": remedy}


@contextmanager
def alone(root: Path, wait_s: float = 90.0) -> Iterator[None]:
    """Keep out a step of an earlier connection that is still at work here, whoever holds the deployment lock."""
    with (root / "agent.lock").open("a") as file:

        def got() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not until(got, wait_s):
            remedy = "Wait a minute, then run the same step again."
            raise AgentError("Conflict", "A step of an earlier connection is still at work", "", remedy)
        yield


def inside(root: Path, *parts: str) -> Path:
    """A path under the root, from plain names."""
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise AgentError("Refused", "A path leads out of the target's root", "/".join(parts))
    return root.joinpath(*parts)


def write(path: Path, content: bytes) -> None:
    """Replace a small file whole."""
    part = path.with_name("." + path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def point(path: Path, to: str) -> None:
    """Switch a symbolic link in one step."""
    fresh = path.with_name("." + path.name + ".new")
    if fresh.is_symlink():
        fresh.unlink()
    fresh.symlink_to(to)
    fresh.replace(path)


def link(path: Path) -> str | None:
    """The last part of what a link points to."""
    return path.readlink().name if path.is_symlink() else None


def current(root: Path) -> Path:
    """The runtime in use."""
    name = link(root / "runtimes" / "current")
    if name is None or not (root / "runtimes" / name / "complete.json").is_file():
        raise AgentError("SystemFault", "No runtime is installed on the target", remedy="Install the runtime first.")
    return root / "runtimes" / name


def runtime_env(runtime: Path) -> dict[str, str]:
    """The environment of the runtime: nothing of the login's Python settings, no telemetry."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "USER", "LANG", "TZ", "TMPDIR") if name in os.environ}
    paths = os.pathsep.join((str(runtime), str(runtime / "site")))
    return dict(kept, PYTHONPATH=paths, ORT_DISABLE_TELEMETRY="1", PYTHONUTF8="1")


def run(command: list[str], limit_s: float, env: Any = None) -> Any:
    """A bounded child process."""
    if env is None:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    try:
        return subprocess.run(
            command, capture_output=True, timeout=limit_s, env=env, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise AgentError("SystemFault", f"A step took longer than {limit_s:.0f} s", " ".join(command[:6])) from None


def tail(done: Any) -> str:
    """The end of what a child said."""
    return str(done.stderr.decode(errors="replace").strip()[-4000:])


def until(condition: Any, wait_s: float) -> bool:
    """Look about ten times a second until it is so or the time is over."""
    pause = threading.Event()
    for _ in range(max(1, int(wait_s * 10))):
        if condition():
            return True
        pause.wait(0.1)
    return bool(condition())
