"""Owning a workspace: the lock that says who does, and the socket where everybody else asks."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import stat
import struct
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from core.engine import wire
from core.kernel.errors import PlimsollError, Refused, SystemFault

if TYPE_CHECKING:
    import polars as pl

    from core.engine.engine import Engine


class Lock:
    """The file lock of a workspace; the kernel lets go of it when its process ends, however it ends."""

    def __init__(self, root: Path) -> None:
        self._file: IO[str] = (root / "owner.lock").open("a+")

    def take(self) -> bool:
        """Try to become the owner."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def release(self) -> None:
        """Let go."""
        self._file.close()


def socket_path(root: Path) -> Path:
    """Where the owner listens: a private folder with a short name, since socket paths are limited to 107 bytes."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return base / f"plimsoll-{os.getuid()}" / f"{name}.sock"


class SocketServer:
    """Answers other processes of the same user. One thread a connection."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self._engine = engine
        self.path = socket_path(root)
        _private(self.path.parent)
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(self.path))
        self.path.chmod(0o600)
        self._socket.listen(16)
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, name="socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up on everybody."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.path.unlink(missing_ok=True)
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if _peer_uid(connection) != os.getuid():
                connection.close()
                continue
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="socket-peer", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while True:
                request, _ = wire.receive(connection, frames=False)
                header, frame = answer(self._engine, request)
                wire.send(connection, header, frame)
        except (PlimsollError, ValueError):  # gone, or it speaks nonsense: hang up
            return
        finally:
            self._open.discard(connection)
            connection.close()


def answer(engine: Engine, request: dict[str, Any]) -> tuple[dict[str, Any], pl.DataFrame | None]:
    """Answer one request of the socket."""
    try:
        value = _route(engine, request)
    except PlimsollError as error:
        return {"error": error.as_dict()}, None
    except Exception as error:  # noqa: BLE001 - told to the caller; the owner must live on
        return {"error": SystemFault("The engine failed", detail=f"{type(error).__name__}: {error}").as_dict()}, None
    if wire.is_frame(value):
        return {"frame": True}, value
    return {"value": value}, None


def _route(engine: Engine, request: dict[str, Any]) -> Any:
    verb = request["verb"]
    if verb == "login":
        return engine.login(request["name"], request.get("passphrase"))
    if verb == "ask":
        return engine.ask(request["token"], request["name"], request["params"])
    if verb == "change":
        return engine.change(
            request["token"], request["name"], request["request"], request.get("passphrase"), request.get("request_id")
        )
    if verb == "jobs":
        return engine.jobs.views()
    if verb == "cancel":
        return engine.cancel(request["token"], request["job"])
    if verb == "pause":
        return engine.pause(request["token"], request["job"], bool(request["paused"]))
    if verb == "newest":
        return engine.newest()
    raise SystemFault(f"Unknown verb {verb!r}")


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or not stat.S_ISDIR(facts.st_mode):
        raise Refused("The folder of the local socket belongs to somebody else", where=str(folder))
    if facts.st_mode & 0o077:
        folder.chmod(0o700)


def _peer_uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
