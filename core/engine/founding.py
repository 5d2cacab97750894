"""Making a workspace with its first user."""

from __future__ import annotations

from pathlib import Path

from core.engine.engine import Engine
from core.engine.operations.people import found
from core.engine.owner import Lock
from core.identity.vault import check_passphrase
from core.kernel.errors import Conflict
from core.workspace.workspace import create


def found_workspace(root: Path, name: str, passphrase: str, *, store_passphrase: str | None = None) -> dict[str, str]:
    """Create the workspace and record its first user; a folder that fails halfway is finished by the next try."""
    check_passphrase(passphrase)
    create(root, passphrase=store_passphrase)
    lock = Lock(root)
    if not lock.take():
        raise Conflict("Somebody else is opening this workspace", where=str(root))
    engine = Engine(root, store_passphrase=store_passphrase, slots=0)
    try:
        return found(engine.workspace, engine.dispatcher, name, passphrase)
    finally:
        engine.close()
        lock.release()
