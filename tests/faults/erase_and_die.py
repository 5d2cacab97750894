"""Erases one customer of the people project and is killed at the N-th write, rename or removal of a file.

Run as ``erase_and_die.py WORKSPACE CUSTOMER N``, a process of its own (see ``forks.py``). The kill is SIGKILL by
itself, so that it falls between two changes of the disk, wherever they are. Without a kill it says ``done``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orders import PASSPHRASE

from core.engine.client import connect
from core.store.database import Database

_LEFT = [0]
_LOCK = threading.Lock()


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, before which one more step is counted; the last one is not taken."""

    def step(*args: Any, **kwargs: Any) -> Any:
        with _LOCK:
            _LEFT[0] -= 1
            if _LEFT[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return step


def arm(steps: int) -> None:
    """From here on each change of the disk counts."""
    _LEFT[0] = steps
    for owner, name in (
        (Path, "unlink"),
        (Path, "replace"),
        (Path, "write_bytes"),
        (Path, "hardlink_to"),
        (shutil, "rmtree"),
        (shutil, "copyfile"),
        (Database, "writing"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))


def tell(what: str) -> None:
    """One acknowledged result, and how many steps were left."""
    sys.stdout.write(f"{what} {_LEFT[0]}\n")
    sys.stdout.flush()


def main() -> None:
    client = connect(Path(sys.argv[1]), user="founder", passphrase=PASSPHRASE)
    request = {"table": "customers", "column": "customer", "value": sys.argv[2]}
    arm(int(sys.argv[3]))
    plan = client.wait(client.change("privacy.search", request)["job"])
    tell("searched")
    client.change("privacy.erase", {"plan": plan["plan"], "reason": "asked"}, passphrase=PASSPHRASE)
    tell("done")
    client.close()
