"""The ledger's head, noted outside the workspace, so that a restored older copy is noticed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from core.kernel.digests import strict_json
from core.kernel.errors import InputError
from core.store.ledger import Head

SECTOR = 512  # bytes


def state_folder() -> Path:
    """Where this user's programs keep state between runs (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "plimsoll"


def note(workspace: str, head: Head) -> None:
    """Write the head down; an older one never replaces a newer one.

    A file that is there is written over where it stands, in one write within one sector of a disk, which is whole or
    not at all: a new file for each entry of the ledger would cost as much as the entry.
    """
    known = noted(workspace)
    if known is not None and (known.seq, known.checkpoint) >= (head.seq, head.checkpoint):
        return
    path = state_folder() / "heads" / f"{workspace}.json"
    text = json.dumps(head.plain()).encode().ljust(SECTOR)
    if known is not None and path.stat().st_size == len(text) == SECTOR:
        with path.open("r+b", buffering=0) as file:
            file.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"{workspace}.{os.getpid()}.new")
    temporary.write_bytes(text)
    temporary.replace(path)


def noted(workspace: str) -> Head | None:
    """The newest head that was noted, or none."""
    path = state_folder() / "heads" / f"{workspace}.json"
    try:
        return Head.read(strict_json(path.read_bytes()), where=str(path))
    except (FileNotFoundError, InputError):
        return None
