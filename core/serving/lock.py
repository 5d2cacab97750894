"""One deployer at a time: an advisory lock on the target that says who holds it and since when."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from core.kernel.clock import Clock, utc_text
from core.kernel.digests import canonical_json
from core.kernel.errors import Conflict
from core.serving.layout import Layout


@contextmanager
def deploy_lock(layout: Layout, owner: str, clock: Clock) -> Iterator[None]:
    """Hold ``state/deploy.lock``; the system releases it when the process ends, however it ends.

    Raises:
        Conflict: somebody else holds it; the message says who and since when.
    """
    handle = os.open(layout.state / "deploy.lock", os.O_RDWR | os.O_CREAT, 0o640)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 1000, 0).decode(errors="replace")
            raise Conflict(
                "Another deployment is under way on this target",
                detail=holder,
                remedy="Wait until it is done, then try again",
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, canonical_json({"owner": owner, "pid": os.getpid(), "since": utc_text(clock.now())}), 0)
        yield
    finally:
        os.close(handle)


def hold_server_lock(layout: Layout) -> int:
    """Take the lock that a server holds while it lives; returns the open handle.

    Raises:
        Conflict: another server runs on this root.
    """
    handle = os.open(layout.state / "server.lock", os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise Conflict("A server is already running on this root", where=str(layout.root)) from error
    return handle


def server_running(layout: Layout) -> bool:
    """Whether a server holds its lock; a left-over pid file alone says nothing."""
    try:
        os.close(hold_server_lock(layout))
    except (Conflict, FileNotFoundError) as error:
        return isinstance(error, Conflict)
    return False
