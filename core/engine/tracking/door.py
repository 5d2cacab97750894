"""The tracking port of an engine: a server on loopback in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from core.engine.actors import ENGINE
from core.engine.engine import Engine
from core.engine.tracking.app import App
from core.engine.tracking.shelf import DEFAULT, Shelf
from core.kernel.errors import SystemFault

HOST = "127.0.0.1"


class Door:
    """Open from the moment that it is made until :meth:`close`. Port 0 takes a free one; see :attr:`port`."""

    def __init__(self, engine: Engine, port: int) -> None:
        try:
            from core.serving.server import free_port
        except ImportError as error:
            raise SystemFault(
                "The tracking port needs the packages of serving",
                detail=str(error),
                remedy="Install plimsoll-console[serving].",
            ) from error
        make_default(engine)
        self.port = free_port(HOST, port)
        self.app = App(engine, f"{HOST}:{self.port}")
        self._loop = asyncio.new_event_loop()
        self._server: Any = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracking-door", daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def url(self) -> str:
        """What goes into MLFLOW_TRACKING_URI."""
        return f"http://{HOST}:{self.port}"

    def close(self) -> None:
        """Stop listening; what was acknowledged is durable."""
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(timeout=10)
        self.app.committer.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        from granian.constants import HTTPModes, Interfaces
        from granian.server.embed import Server

        self._server = Server(
            self.app,
            address=HOST,
            port=self.port,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            websockets=False,
            backlog=1024,
            log_enabled=False,
        )
        self._loop.call_later(0.05, self._ready.set)
        await self._server.serve()


def make_default(engine: Engine) -> None:
    """Make the experiment that clients log to where they name none."""
    with engine.workspace.database.reading() as session:
        if Shelf(session).find("experiment", DEFAULT) is not None:
            return
    request = {"name": "Default", "id": DEFAULT}
    engine.dispatcher.change("tracking.create_experiment", request, ENGINE)
