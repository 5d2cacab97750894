"""The server on the target: its commands, its start and end, and what it says of itself."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.delivery.agent.files import previous
from core.delivery.agent.ground import AgentError, Params, current, link, run, runtime_env, tail, until, write


def serving(root: Path, params: Params) -> Params:
    """Run a command of the runtime's own command line and pass on its answer."""
    command = [sys.executable, "-P", "-s", "-m", "core.serving", params["verb"], "--root", str(root)]
    done = run(command + list(params["arguments"]), params["limit_s"], runtime_env(current(root)))
    return {"exit_code": done.returncode, "stdout": done.stdout.decode(errors="replace"), "stderr": tail(done)}


def start(root: Path, params: Params) -> Params:
    """Start the server in a session of its own and wait until it answers; a healthy one is left alone."""
    runtime, port = current(root), params["port"]
    there = launched(root)
    if there and there["runtime"] == runtime.name and port in (0, there["port"]) and answers(there["port"], "live"):
        return {"pid": there["pid"], "port": there["port"], "started": False}
    stop(root, {"wait_s": 10})
    port = port or free_port()
    command = [sys.executable, "-P", "-s", "-m", "core.serving", "--root", str(root), "--host", "127.0.0.1"]
    with (root / "logs" / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=runtime_env(runtime),
            cwd=str(root),
            start_new_session=True,
        )
    about = {"pid": process.pid, "port": port, "runtime": runtime.name, "born": born(process.pid)}
    write(root / "state" / "launch.json", json.dumps(about).encode())
    up = until(lambda: answers(port, "live") or process.poll() is not None, params["wait_s"])
    if not up or process.poll() is not None:
        stop(root, {"wait_s": 5})
        raise AgentError("SystemFault", "The server did not start", log_tail(root), "Look at logs/server.log there.")
    return {"pid": process.pid, "port": port, "started": True}


def stop(root: Path, params: Params) -> Params:
    """Ask the server to end, then make it."""
    there = launched(root)
    if there is None:
        return {"stopped": False}
    for sign, wait in ((signal.SIGTERM, params["wait_s"]), (signal.SIGKILL, 5)):
        try:
            os.killpg(there["pid"], sign)
        except ProcessLookupError:
            break
        if until(lambda: launched(root) is None, wait):
            break
    if (root / "state" / "launch.json").exists():
        (root / "state" / "launch.json").unlink()
    return {"stopped": True}


def status(root: Path, _: Params) -> Params:
    """What is installed, what is current, what answers."""
    there = launched(root)
    releases = [p for p in (root / "releases").glob("*") if (p / "manifest.json").is_file() and p.name[0] != "."]
    return {
        "current": link(root / "current"),
        "previous": previous(root),
        "releases": sorted(p.name for p in releases),
        "runtime": link(root / "runtimes" / "current"),
        "running": there is not None,
        "pid": there["pid"] if there else None,
        "port": there["port"] if there else None,
        "ready": bool(there and answers(there["port"], "ready")),
        "free": shutil.disk_usage(str(root)).free,
    }


def token(root: Path, _: Params) -> Params:
    """The server's token, for the console that reached it over SSH."""
    path = root / "state" / "token"
    return {"token": path.read_text().strip() if path.is_file() else ""}


def launched(root: Path) -> Any:
    """The running server: what was started from here, or what a service of the host started."""
    path = root / "state" / "launch.json"
    if path.is_file():
        about = json.loads(path.read_text())
        if born(about["pid"]) == about["born"]:
            return about
    return told_by_server(root)


def told_by_server(root: Path) -> Any:
    """The server by its own pid file, if that process really is a server of this root."""
    try:
        pid = int((root / "state" / "server.pid").read_text())
        port = int((root / "state" / "port").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        settings = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    if b"core.serving" not in words or str(root).encode() not in words or born(pid) is None:
        return None
    paths = [item.decode().partition("=")[2].split(":")[0] for item in settings if item.startswith(b"PYTHONPATH=")]
    return {"pid": pid, "port": port, "runtime": Path(paths[0]).resolve().name if paths else "", "born": born(pid)}


def born(pid: int) -> str | None:
    """When a process began, in clock ticks since boot; null for none and for zombies."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def answers(port: int, what: str) -> bool:
    """Whether the server says of itself that it is live or ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/v2/health/" + what)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        return int(probe_socket.getsockname()[1])


def log_tail(root: Path) -> str:
    """The end of the server's own log."""
    path = root / "logs" / "server.log"
    return path.read_bytes()[-3000:].decode(errors="replace") if path.is_file() else ""
