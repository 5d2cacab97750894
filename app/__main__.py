"""Start-up: the shell is painted first, then pyqtgraph, then core. Never a machine-learning library."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QApplication

from app.bridge import Bridge
from app.opening import leave_out_pandas, open_workspace
from app.shell.memory import Memory
from app.shell.window import Window
from app.theme import style
from app.widgets.login import LoginDialog
from core.kernel.errors import PlimsollError, Refused


class Start(QObject):
    """The steps between the first paint and the first page."""

    def __init__(self, window: Window, workspace: Path | None, user: str) -> None:
        super().__init__(window)
        self._window, self._workspace, self._user = window, workspace, user
        self._dialog: LoginDialog | None = None
        window.bridge.connected.connect(self._connected)

    @Slot()
    def painted(self) -> None:
        """The shell is on the screen: icons, then the workspace."""
        self._window.dress()
        self._open(self._user, None)

    @Slot(str, str)
    def _open(self, user: str, passphrase: str | None) -> None:
        self._user = user
        self._window.bridge.open(lambda: open_workspace(self._workspace, user, passphrase), failed=self._not_opened)

    def _not_opened(self, error: PlimsollError) -> None:
        """Somebody must prove who they are: ask for the passphrase. Anything else is told in the window."""
        if isinstance(error, Refused):
            self._ask(error)
        else:
            self._window.cannot_open(error)

    def _ask(self, error: PlimsollError) -> None:
        if self._dialog is None:
            self._dialog = LoginDialog(self._window, self._user)
            self._dialog.entered.connect(self._open)
            self._dialog.rejected.connect(self._window.close)
            self._dialog.open()
        else:
            self._dialog.refuse(" ".join(part for part in (error.headline, error.remedy) if part))

    @Slot()
    def _connected(self) -> None:
        if self._dialog is not None:
            self._dialog.rejected.disconnect(self._window.close)
            self._dialog.close()
            self._dialog.deleteLater()
            self._dialog = None
        place = getattr(self._window.bridge.client, "root", self._workspace)
        self._window.begin(f"{Path(place).resolve().name}   {Path(place).resolve()}" if place else "")


def main(argv: list[str] | None = None) -> int:
    """Open the window on a workspace; returns the exit status."""
    parser = argparse.ArgumentParser(prog="plimsoll window", description="Open the Plimsoll window.")
    parser.add_argument("workspace", nargs="?", type=Path, default=None, help="folder of the workspace")
    parser.add_argument("--as", "--actor", dest="user", default="", metavar="USER", help="act as this user")
    parser.add_argument("--theme", choices=("light", "dark", "system"), default=None)
    options = parser.parse_args(argv)
    leave_out_pandas()
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Plimsoll")
    app.setDesktopFileName("plimsoll")
    memory = Memory()
    style.apply(app, options.theme or str(memory.get("theme", "system")))
    window = Window(Bridge(), memory)
    start = Start(window, options.workspace, options.user)
    window.show()
    QTimer.singleShot(0, start.painted)
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
