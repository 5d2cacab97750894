"""The server process: one event loop, one listener, a graceful end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from core.kernel.errors import SystemFault
from core.serving.app import App
from core.serving.layout import Layout, replace_file
from core.serving.lock import hold_server_lock
from core.serving.service import Service
from core.serving.swap import Watcher

DRAIN_S = 15.0


def serve(root: Path, host: str, port: int) -> None:
    """Serve ``current`` of ``root`` until SIGTERM or SIGINT. Port 0 takes a free one and tells it in state/port.

    Raises:
        Conflict: a server runs on this root. SystemFault: the address cannot be bound.
    """
    layout = Layout(root.resolve())
    layout.prepare()
    lock = hold_server_lock(layout)
    try:
        asyncio.run(_serve(layout, host, free_port(host, port)))
    finally:
        layout.pid.unlink(missing_ok=True)
        layout.port.unlink(missing_ok=True)
        os.close(lock)


def free_port(host: str, port: int) -> int:
    """``port`` if nobody listens on it (any free one for 0): the listener shares ports, so it would not notice.

    Raises:
        SystemFault: it is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise SystemFault(f"Cannot listen on {host} port {port}", detail=str(error)) from error
        return int(probe.getsockname()[1])


async def _serve(layout: Layout, host: str, port: int) -> None:
    """Start the parts, wait for the end, stop them in the order that loses nothing."""
    service = Service(layout)
    watcher = Watcher(service)
    await asyncio.to_thread(watcher.check)  # a good release is there before the first request
    server = _listener(App(service), host, port)
    _on_signals(server, service, watcher)
    replace_file(layout.pid, f"{os.getpid()}\n".encode())
    replace_file(layout.port, f"{port}\n".encode())
    watcher.start()
    try:
        await server.serve()
        await _drained(service)
    finally:
        watcher.close()
        service.close()


def _listener(app: App, host: str, port: int) -> Any:
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=1024,
        backpressure=1024,
        log_enabled=False,
    )


def _on_signals(server: Any, service: Service, watcher: Watcher) -> None:
    """SIGTERM and SIGINT end, SIGHUP looks for a new release."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        service.draining = True
        server.stop()

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, end)
    loop.add_signal_handler(signal.SIGHUP, watcher.look)


async def _drained(service: Service) -> None:
    """Wait for requests under way, at most :data:`DRAIN_S`."""
    if service.in_flight:
        try:
            await asyncio.wait_for(service.idle.wait(), DRAIN_S)
        except TimeoutError:
            service.problem = {"headline": f"{service.in_flight} requests were cut off when the server stopped"}
    service.write_status()
