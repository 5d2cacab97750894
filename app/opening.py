"""Reaching a workspace for the window: who acts, and with whose passphrase."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.bridge import Client

STORE = "PLIMSOLL_STORE_PASSPHRASE"


def leave_out_pandas() -> None:
    """Keep DuckDB from importing pandas, which it does when it binds its first parameter.

    That costs a second and gives nothing here: frames are Polars, and workers are other processes.
    """
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]


def open_workspace(root: Path | None, user: str, passphrase: str | None = None) -> Client:
    """Reach the workspace's owner, or start one beside this process, as ``user`` (empty: the workspace's first user).

    Without a passphrase the keyring and ``PLIMSOLL_PASSPHRASE`` are looked at. Call this on a pool
    thread: core's imports take a second.

    Raises:
        Refused: when the user must prove who they are, or the passphrase does not open their key.
    """
    from core.engine.client import connect, find_workspace, known_passphrase

    root = root or find_workspace(Path.cwd())
    if user and passphrase is None:
        passphrase = known_passphrase(user)
    return connect(root, user=user, passphrase=passphrase, store_passphrase=os.environ.get(STORE), aside=True)
