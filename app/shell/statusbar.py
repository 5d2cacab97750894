"""Workspace, person, jobs and ledger at the foot of the window."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QProgressBar

from app.shell.jobs import is_running, share_of
from app.widgets.layout import button, row
from app.widgets.text import ElidedLabel, Label


class StatusBar(QFrame):
    """One quiet line; jobs and ledger are buttons."""

    command = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("statusbar")
        self.setFixedHeight(32)
        self._workspace = ElidedLabel("No workspace", "caption")
        self._actor = Label("", "caption")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(120)
        self._bar.hide()
        self.jobs = button("No jobs", "quiet", tip="Jobs (Ctrl+J)")
        self.ledger = button("Ledger", "quiet", tip="Go to the ledger (Ctrl+0)")
        self.jobs.clicked.connect(self._open_jobs)
        self.ledger.clicked.connect(self._open_ledger)
        line = row(self._workspace, self._actor, self._bar, self.jobs, self.ledger, gap=16, margins=(16, 0, 12, 0))
        line.setStretch(0, 1)
        self.setLayout(line)

    def show_workspace(self, text: str) -> None:
        """Which workspace is open."""
        self._workspace.say(text)

    def show_actor(self, text: str) -> None:
        """Who acts, and as what."""
        self._actor.setText(text)

    def show_ledger(self, seq: int) -> None:
        """The ledger's newest entry."""
        self.ledger.setText(f"Ledger #{seq:,}".replace(",", "\u202f"))
        self.ledger.setAccessibleName(f"Ledger, newest entry {seq}")
        self.layout().activate()

    def show_jobs(self, jobs: list[dict[str, Any]]) -> None:
        """How many jobs run, and how far the first one is."""
        running = [job for job in jobs if is_running(job)]
        self._bar.setVisible(bool(running))
        if not running:
            self.jobs.setText("No jobs")
            return
        first, share = running[0], share_of(running[0])
        self._bar.setRange(0, 1000 if share is not None else 0)
        self._bar.setValue(round(1000 * (share or 0)))
        title = str(first.get("title") or first.get("kind"))
        self.jobs.setText(title if len(running) == 1 else f"{title} and {len(running) - 1} more")
        self.layout().activate()

    def _open_jobs(self) -> None:
        self.command.emit("jobs")

    def _open_ledger(self) -> None:
        self.command.emit("go.governance")
