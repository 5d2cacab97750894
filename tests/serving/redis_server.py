"""A real redis-server for the length of a test."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from core.kernel.errors import SystemFault
from core.serving.online_redis import RedisStore


@contextmanager
def redis_server(folder: Path, password: str = "") -> Iterator[str]:
    """Its address, once it answers; it keeps nothing on disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    locked = ["--requirepass", password] if password else []
    server = subprocess.Popen([*words, *locked], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _await(url, password)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _await(url: str, password: str) -> None:
    for _ in range(400):
        try:
            RedisStore(url, "probe", password or None).close()
        except SystemFault:
            Event().wait(0.05)
        else:
            return
    raise AssertionError("redis-server did not start")
