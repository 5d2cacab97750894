"""Real servers for tests: PostgreSQL, Redis and HTTP(S) on loopback, gone when the block ends."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "s3cret-of-the-reader"


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    """Wait until something listens on the port."""
    deadline = threading.Event()
    timer = threading.Timer(seconds, deadline.set)
    timer.daemon = True
    timer.start()
    while not deadline.wait(0.05):
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            timer.cancel()
            return
    pytest.fail(f"nothing listens on port {port}")


def _postgres_bin() -> Path:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(places[-1]) if places else shutil.which("initdb")
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    return Path(found).resolve().parent


@contextmanager
def postgres() -> Iterator[int]:
    """A new PostgreSQL cluster on loopback with passwords; user ``owner``, database ``shop``; its port."""
    programs, user = _postgres_bin(), None
    if os.getuid() == 0:  # the server refuses to run as root
        user = next((name for name in ("postgres", "nobody") if name in {one.pw_name for one in pwd.getpwall()}), None)
        if user is None:
            pytest.skip("PostgreSQL does not run as root, and there is no other user here")
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        secret = Path(folder) / "password"
        secret.write_text(PASSWORD)
        if user is not None:
            for path in (Path(folder), secret):
                shutil.chown(path, user)
        data, port = f"{folder}/data", free_port()
        init = ["-D", data, "-U", "owner", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-sync"]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": folder}
        run = {"user": user, "env": environment, "cwd": folder}
        subprocess.run([programs / "initdb", *init], check=True, capture_output=True, timeout=120, **run)  # type: ignore[call-overload]
        options = ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"]
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen([programs / "postgres", *options], stdout=log, stderr=log, **run)  # type: ignore[call-overload]
        try:
            answers(port, server)
            _make_database(port)
            yield port
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)


def _make_database(port: int) -> None:
    import psycopg

    while True:  # it listens a moment before it answers
        try:
            with psycopg.connect(
                host="127.0.0.1", port=port, user="owner", password=PASSWORD, dbname="postgres", autocommit=True
            ) as held:
                held.execute("CREATE DATABASE shop")
                return
        except psycopg.OperationalError as error:
            if "starting up" not in str(error):
                raise


@contextmanager
def redis_server() -> Iterator[int]:
    """A new Redis on loopback that asks for the password and writes nothing to disk; its port."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed (Debian: redis-server)")
    port = free_port()
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--requirepass",
        PASSWORD,
    ]
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = subprocess.Popen([program, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            answers(port, server)
            yield port
        finally:
            server.terminate()
            server.wait(timeout=30)
