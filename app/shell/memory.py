"""What the window remembers between starts: one small JSON file under the XDG state folder."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

LOG = logging.getLogger("plimsoll.window")


def state_path() -> Path:
    """``$XDG_STATE_HOME/plimsoll/window.json`` (XDG base directory specification 0.8)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "plimsoll" / "window.json"


class Memory:
    """Values by name; a file that can't be read or written is reported in the log and forgotten."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or state_path()
        self.values: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            LOG.warning("The window's memory is unreadable and starts afresh: %s", error)
            return {}
        return found if isinstance(found, dict) else {}

    def get(self, name: str, otherwise: Any = None) -> Any:
        """The remembered value."""
        return self.values.get(name, otherwise)

    def put(self, name: str, value: Any) -> None:
        """Remember a JSON value; :meth:`save` writes it."""
        self.values[name] = value

    def forget(self, *names: str) -> None:
        """Forget some values."""
        for name in names:
            self.values.pop(name, None)

    def save(self) -> None:
        """Write all values; the old file stays whole until the new one is."""
        draft = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(self.values, indent=1, sort_keys=True), "utf-8")
            draft.replace(self._path)
        except OSError as error:
            LOG.warning("The window's memory was not saved: %s", error)
