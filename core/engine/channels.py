"""The two ways from a client to an engine: in this process, or over the owner's socket."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any, Protocol

from core.engine import wire
from core.engine.owner import Lock, SocketServer, answer, socket_path
from core.kernel.errors import error_from_dict


class Channel(Protocol):
    """Carries one request to the engine and its answer back."""

    def call(self, request: dict[str, Any]) -> Any:
        """Send and wait."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class OwnChannel:
    """This process owns the workspace: the engine lives here, and others are answered too."""

    owner = True

    def __init__(self, root: Path, lock: Lock, store_passphrase: str | None) -> None:
        # Only an owner needs the engine and the store: a guest is spared two seconds of imports.
        from core.engine.engine import Engine

        self._lock = lock
        self.engine = Engine(root, store_passphrase=store_passphrase)
        try:
            self._server = SocketServer(root, self.engine)
        except BaseException:
            self.engine.close()
            raise

    def call(self, request: dict[str, Any]) -> Any:
        """Answer in this process."""
        header, frame = answer(self.engine, request)
        return _unpack(header, frame)

    def close(self) -> None:
        """Stop serving, close the store, let go of the lock."""
        self._server.close()
        try:
            self.engine.close()
        finally:
            self._lock.release()


class SocketChannel:
    """Another process owns the workspace."""

    owner = False

    def __init__(self, root: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lock = threading.Lock()
        try:
            self._socket.connect(str(socket_path(root)))
        except OSError as error:
            self._socket.close()
            raise wire.Gone("The workspace's owner does not answer") from error

    def call(self, request: dict[str, Any]) -> Any:
        """Ask the owner."""
        with self._lock:
            try:
                wire.send(self._socket, request)
                header, frame = wire.receive(self._socket)
            except BaseException:  # interrupted between question and answer: the next one must not read this answer
                self._socket.close()
                raise
        return _unpack(header, frame)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _unpack(header: dict[str, Any], frame: Any) -> Any:
    if "error" in header:
        raise error_from_dict(header["error"])
    return frame if header.get("frame") else header["value"]
