"""Reaching a workspace for the window: who acts, and with whose passphrase."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.bridge import Client

STORE = "PLIMSOLL_STORE_PASSPHRASE"


def open_workspace(root: Path | None, user: str, passphrase: str | None = None) -> Client:
    """Reach the workspace's owner, or become it, as ``user`` (empty: the workspace's first user).

    Without a passphrase the keyring and ``PLIMSOLL_PASSPHRASE`` are looked at. Call this on a pool
    thread: core's imports take a second.

    Raises:
        Refused: when the user must prove who they are, or the passphrase does not open their key.
    """
    from core.engine.client import connect
    from core.identity.secrets import find_passphrase
    from core.kernel.errors import InputError
    from core.workspace.workspace import find

    if user and passphrase is None:
        try:
            passphrase = find_passphrase(user)
        except InputError:
            passphrase = None
    return connect(root or find(Path.cwd()), user=user, passphrase=passphrase, store_passphrase=os.environ.get(STORE))
