"""Start-up: the shell is painted first, then pyqtgraph, then core. Never a machine-learning library."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QApplication

from app.bridge import Bridge
from app.shell.memory import Memory
from app.shell.window import Window
from app.theme import style

if TYPE_CHECKING:
    from app.bridge import Client


def connect(workspace: Path | None, actor: str | None) -> Client:
    """Reach the workspace's owner, or become it. Runs on a pool thread: core's imports take a second."""
    from core.engine.client import connect as reach

    return reach(workspace or Path.cwd(), user=actor or "")


class Start(QObject):
    """The steps between the first paint and the first page."""

    def __init__(self, window: Window, workspace: Path | None, actor: str | None) -> None:
        super().__init__(window)
        self._window, self._workspace, self._actor = window, workspace, actor
        window.bridge.connected.connect(self._connected)

    @Slot()
    def painted(self) -> None:
        """The shell is on the screen: icons, then the plot library, then the workspace."""
        self._window.dress()
        self._window.bridge.open(lambda: connect(self._workspace, self._actor))

    @Slot()
    def _connected(self) -> None:
        name = self._workspace.resolve().name if self._workspace else "workspace"
        self._window.begin(f"{name}   {self._workspace or ''}".strip())


def main(argv: list[str] | None = None) -> int:
    """Open the window on a workspace; returns the exit status."""
    parser = argparse.ArgumentParser(prog="plimsoll window", description="Open the Plimsoll window.")
    parser.add_argument("workspace", nargs="?", type=Path, default=None, help="folder of the workspace")
    parser.add_argument("--actor", default=None, help="act as this person")
    parser.add_argument("--theme", choices=("light", "dark", "system"), default=None)
    options = parser.parse_args(argv)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Plimsoll")
    app.setDesktopFileName("plimsoll")
    memory = Memory()
    style.apply(app, options.theme or str(memory.get("theme", "system")))
    window = Window(Bridge(), memory)
    start = Start(window, options.workspace, options.actor)
    window.show()
    QTimer.singleShot(0, start.painted)
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
