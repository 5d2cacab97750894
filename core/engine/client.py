"""The one way in, for the window, the command line and scripts: ask and change.

:func:`connect` makes this process the owner of the workspace when nobody is, and otherwise speaks
to the owner over its socket. When an owner goes away, the client takes over or finds the next one,
and repeats what was not answered; requests carry an id, so nothing happens twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.engine import wire
from core.engine.aside import Aside
from core.engine.channels import OwnChannel, SocketChannel
from core.engine.owner import Lock
from core.kernel.errors import InputError, SystemFault, error_from_dict
from core.kernel.ids import new_id

if TYPE_CHECKING:
    from core.engine.tracking.door import Door

PATIENCE_S = 20.0
MARKER = "workspace.json"  # as core.workspace names it, which a guest need not import


class Hold:
    """The channel that all users of one process share. When the owner goes, whoever notices first replaces it."""

    def __init__(self, root: Path, store_passphrase: str | None, aside: bool) -> None:
        self._root = root
        self._store_passphrase = store_passphrase
        self._wants_aside = aside
        self._aside: Aside | None = None
        self._changing = threading.Lock()
        self._pause = threading.Event()
        if not (root / MARKER).is_file():
            from core.workspace.workspace import read_info

            read_info(root)  # says what is wrong: nothing is written into a folder that is no workspace
        self.channel: OwnChannel | SocketChannel = self._open()

    def close(self) -> None:
        """Hang up, and let an owner that was started for this process end."""
        self.channel.close()
        if self._aside is not None:
            self._aside.close()

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
            owned = None if self._wants_aside else self._own()
            if owned is not None:
                return owned
            try:
                return SocketChannel(self._root)
            except wire.Gone:
                if time.monotonic() > deadline:
                    raise
            if self._wants_aside:
                self._see_to_aside()
            self._pause.wait(0.05)

    def _own(self) -> OwnChannel | None:
        lock = Lock(self._root)
        try:
            if lock.take():
                return OwnChannel(self._root, lock, self._store_passphrase)
        except BaseException:
            lock.release()
            raise
        lock.release()
        return None

    def _see_to_aside(self) -> None:
        """Start an owner beside this process if none is starting; say why if it cannot open the workspace."""
        if self._aside is not None:
            if not self._aside.ended:
                return
            failure = self._aside.failure()
            self._aside.close()
            if failure is not None:
                raise failure
        self._aside = Aside(self._root, self._store_passphrase)


class Client:
    """A person's (or a script's) hold on a workspace."""

    def __init__(
        self, root: Path, name: str, passphrase: str | None, store_passphrase: str | None, aside: bool = False
    ) -> None:
        self.root = root
        self._login = {"verb": "login", "name": name, "passphrase": passphrase}
        self._pause = threading.Event()
        self._entered: tuple[str, OwnChannel | SocketChannel | None] = ("", None)
        self._hold = Hold(root, store_passphrase, aside)
        try:
            self._enter(self._hold.channel)
            self.actor = name or str(self.ask("whoami")["name"])
        except BaseException:
            self._hold.close()
            raise

    @property
    def owns(self) -> bool:
        """Whether this process is the workspace's owner."""
        return self._hold.channel.owner

    def open_tracking(self, port: int) -> Door:
        """Answer tracking clients on a port of loopback (0: any free one) until the door is closed.

        Raises:
            InputError: when another process owns the workspace.
        """
        from core.engine.tracking.door import Door

        channel = self._hold.channel
        if not isinstance(channel, OwnChannel):
            raise InputError("Another process owns this workspace already", where=str(self.root))
        return Door(channel.engine, port)

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

    def pause_job(self, job: str, *, paused: bool) -> None:
        """Stop a running job where it stands, or let it go on."""
        self._call(lambda token: {"verb": "pause", "token": token, "job": job, "paused": paused})

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
        self._hold.close()

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
    root: Path,
    *,
    user: str = "",
    passphrase: str | None = None,
    store_passphrase: str | None = None,
    aside: bool = False,
) -> Client:
    """Open a workspace as ``user`` (empty: the workspace's first user, by the operating system's word).

    With ``aside`` this process never owns it: where nobody does, an owner is started beside it.
    """
    return Client(root, user, passphrase, store_passphrase, aside)


def find_workspace(start: Path) -> Path:
    """The nearest folder at or above ``start`` that holds a workspace."""
    from core.workspace.workspace import find  # only for who did not name one: it brings the store's imports

    return find(start)


def known_passphrase(user: str) -> str | None:
    """The passphrase that the keyring or the environment has for a user, or none."""
    from core.identity.secrets import find_passphrase

    try:
        return find_passphrase(user)
    except InputError:
        return None
