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
    from core.engine.client import connect

    if root is None:
        from core.workspace.workspace import find

        root = find(Path.cwd())
    if user and passphrase is None:
        passphrase = _known(user)
    return connect(root, user=user, passphrase=passphrase, store_passphrase=os.environ.get(STORE), aside=True)


def _known(user: str) -> str | None:
    """The passphrase that the keyring or the environment has."""
    from core.identity.secrets import find_passphrase
    from core.kernel.errors import InputError

    try:
        return find_passphrase(user)
    except InputError:
        return None
