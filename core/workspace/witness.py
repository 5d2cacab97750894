"""The ledger's head, noted outside the workspace, so that a restored older copy is noticed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from core.kernel.digests import strict_json
from core.kernel.errors import InputError
from core.store.ledger import Head


def state_folder() -> Path:
    """Where this user's programs keep state between runs (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "plimsoll"


def note(workspace: str, head: Head) -> None:
    """Write the head down; an older one never replaces a newer one."""
    known = noted(workspace)
    if known is not None and (known.seq, known.checkpoint) >= (head.seq, head.checkpoint):
        return
    folder = state_folder() / "heads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / f"{workspace}.{os.getpid()}.new"
    temporary.write_text(json.dumps(head.plain()))
    temporary.replace(folder / f"{workspace}.json")


def noted(workspace: str) -> Head | None:
    """The newest head that was noted, or none."""
    path = state_folder() / "heads" / f"{workspace}.json"
    try:
        return Head.read(strict_json(path.read_bytes()), where=str(path))
    except (FileNotFoundError, InputError):
        return None
