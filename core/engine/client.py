"""The one way in, for the window, the command line and scripts: ask and change.

:func:`connect` makes this process the owner of the workspace when nobody is, and otherwise speaks
to the owner over its socket. When an owner goes away, the client takes over or finds the next one,
and repeats what was not answered; requests carry an id, so nothing happens twice.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from core.engine import wire
from core.engine.owner import Lock, SocketServer, answer, socket_path
from core.kernel.errors import SystemFault, error_from_dict
from core.kernel.ids import new_id

PATIENCE_S = 20.0
MARKER = "workspace.json"  # as core.workspace names it, which a guest need not import


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


class Hold:
    """The channel that all users of one process share. When the owner goes, whoever notices first replaces it."""

    def __init__(self, root: Path, store_passphrase: str | None) -> None:
        self._root = root
        self._store_passphrase = store_passphrase
        self._changing = threading.Lock()
        self._pause = threading.Event()
        if not (root / MARKER).is_file():
            from core.workspace.workspace import read_info

            read_info(root)  # says what is wrong: nothing is written into a folder that is no workspace
        self.channel: OwnChannel | SocketChannel = self._open()

    def after(self, gone: OwnChannel | SocketChannel) -> OwnChannel | SocketChannel:
        """The channel that took the place of ``gone``."""
        with self._changing:
            if self.channel is gone:
                gone.close()
                self.channel = self._open()
            return self.channel

    def _open(self) -> OwnChannel | SocketChannel:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            lock = Lock(self._root)
            try:
                if lock.take():
                    return OwnChannel(self._root, lock, self._store_passphrase)
            except BaseException:
                lock.release()
                raise
            lock.release()
            try:
                return SocketChannel(self._root)
            except wire.Gone:
                if time.monotonic() > deadline:
                    raise
                self._pause.wait(0.1)


class Client:
    """A person's (or a script's) hold on a workspace."""

    def __init__(self, root: Path, name: str, passphrase: str | None, store_passphrase: str | None) -> None:
        self.root = root
        self._login = {"verb": "login", "name": name, "passphrase": passphrase}
        self._pause = threading.Event()
        self._entered: tuple[str, OwnChannel | SocketChannel | None] = ("", None)
        self._hold = Hold(root, store_passphrase)
        try:
            self._enter(self._hold.channel)
            self.actor = name or str(self.ask("whoami")["name"])
        except BaseException:
            self._hold.channel.close()
            raise

    @property
    def owns(self) -> bool:
        """Whether this process is the workspace's owner."""
        return self._hold.channel.owner

    def ask(self, name: str, /, **params: Any) -> Any:
        """A question: returns plain values or a Polars frame."""
        return self._call(lambda token: {"verb": "ask", "token": token, "name": name, "params": params})

    def change(self, name: str, request: dict[str, Any] | None = None, *, passphrase: str | None = None) -> Any:
        """An operation: returns its result."""
        request_id = new_id("rq")
        return self._call(
            lambda token: {
                "verb": "change",
                "token": token,
                "name": name,
                "request": request or {},
                "passphrase": passphrase,
                "request_id": request_id,
            }
        )

    def jobs(self) -> list[dict[str, Any]]:
        """The jobs that the owner knows, with progress; cheap enough to poll."""
        jobs: list[dict[str, Any]] = self._call(lambda _token: {"verb": "jobs"})
        return jobs

    def cancel(self, job: str) -> None:
        """Ask a job to stop."""
        self._call(lambda token: {"verb": "cancel", "token": token, "job": job})

    def changes_since(self, seq: int) -> int:
        """The ledger's newest sequence number (not below ``seq``); refresh when it moved."""
        return max(seq, int(self._call(lambda _token: {"verb": "newest"})))

    def wait(self, job: str, watch: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Wait for a job to end; ``watch`` sees its view about ten times a second.

        Raises:
            PlimsollError: what the job failed with.
        """
        while True:
            view = self.ask("job", id=job)
            if watch is not None:
                watch(view)
            if view["state"] not in ("queued", "running"):
                break
            self.pause(0.1)
        if view["state"] != "done":
            raise error_from_dict(view["error"]) if view.get("error") else SystemFault(f"The job was {view['state']}")
        result: dict[str, Any] = view["result"]
        return result

    def pause(self, seconds: float) -> None:
        """Let time pass between two looks."""
        self._pause.wait(seconds)

    def as_user(self, name: str, passphrase: str) -> Client:
        """A second hold on the same workspace for another user, over the same channel."""
        other = object.__new__(Client)
        other.__dict__.update(self.__dict__)
        other.actor = name
        other._login = {"verb": "login", "name": name, "passphrase": passphrase}
        other._entered = ("", None)
        other._call(lambda _token: {"verb": "newest"})
        return other

    def close(self) -> None:
        """Let go; the owner stops work and closes the store."""
        self._hold.channel.close()

    def _call(self, request: Callable[[str], dict[str, Any]]) -> Any:
        channel = self._hold.channel
        try:
            return channel.call(request(self._enter(channel)))
        except wire.Gone:
            channel = self._hold.after(channel)
            return channel.call(request(self._enter(channel)))

    def _enter(self, channel: OwnChannel | SocketChannel) -> str:
        """The token on this channel: a new owner asks everybody anew who they are."""
        token, known = self._entered
        if known is not channel:
            token = str(channel.call(self._login))
            self._entered = (token, channel)
        return token


def connect(
    root: Path, *, user: str = "", passphrase: str | None = None, store_passphrase: str | None = None
) -> Client:
    """Open a workspace as ``user`` (empty: the workspace's first user, by the operating system's word)."""
    return Client(root, user, passphrase, store_passphrase)


def _unpack(header: dict[str, Any], frame: Any) -> Any:
    if "error" in header:
        raise error_from_dict(header["error"])
    return frame if header.get("frame") else header["value"]
