"""Making a workspace with its first user."""

from __future__ import annotations

from pathlib import Path

from core.engine.engine import Engine
from core.engine.operations.people import found
from core.engine.owner import Lock
from core.identity.vault import check_passphrase
from core.kernel.errors import InputError
from core.workspace.workspace import MARKER, create, read_info


def found_workspace(root: Path, name: str, passphrase: str, *, store_passphrase: str | None = None) -> dict[str, str]:
    """Create the workspace and record its first user; a folder that fails halfway is finished by the next try."""
    check_passphrase(passphrase)
    if not (root / MARKER).is_file():
        create(root, passphrase=store_passphrase)
    elif read_info(root).encrypted != (store_passphrase is not None):
        raise _there_already(root)
    lock = Lock(root)
    try:
        if not lock.take():
            raise _there_already(root)
        engine = Engine(root, store_passphrase=store_passphrase, slots=0)
        try:
            if engine.newest():
                raise _there_already(root)
            return found(engine.workspace, engine.dispatcher, name, passphrase)
        finally:
            engine.close()
    finally:
        lock.release()


def _there_already(root: Path) -> InputError:
    return InputError("There is a workspace here already", where=str(root), remedy="Choose another folder.")
