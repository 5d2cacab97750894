"""Running and finished jobs, with progress, pause and cancel."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QFrame, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.widgets.badge import StateBadge
from app.widgets.layout import button, column, row
from app.widgets.text import ElidedLabel, Label

RUNNING = ("running", "queued", "started", "waiting", "pending")
WIDTH = 420


def is_running(job: dict[str, Any]) -> bool:
    """Whether a job still works."""
    return str(job.get("state")) in RUNNING


def share_of(job: dict[str, Any]) -> float | None:
    """Finished share from 0 to 1, or none when the job can't tell."""
    total = float(job.get("total") or 0)
    return min(1.0, float(job.get("done") or 0) / total) if total > 0 else None


class _JobRow(QWidget):
    """One job; updated in place ten times a second."""

    def __init__(self, job: str) -> None:
        super().__init__()
        self.job = job
        self.paused = False
        self.title = ElidedLabel("", "strong")
        self.badge = StateBadge()
        self.pause: QPushButton = button("Pause", "quiet")
        self.stop: QPushButton = button("Cancel", "quiet")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.note = ElidedLabel("", "caption")
        head = row(self.title, self.badge, self.pause, self.stop)
        head.setStretch(0, 1)
        self.setLayout(column(head, self.bar, self.note, gap=4, margins=(0, 6, 0, 6)))

    def show_job(self, job: dict[str, Any]) -> None:
        """The job's present state."""
        running, share = is_running(job), share_of(job)
        self.title.say(str(job.get("title") or job.get("kind") or self.job))
        self.paused = bool(job.get("paused"))
        self.badge.show_state("paused" if self.paused and running else job.get("state"))
        self.pause.setText("Resume" if self.paused else "Pause")
        self.pause.setVisible(job.get("state") == "running")
        self.stop.setVisible(running)
        self.bar.setVisible(running)
        self.bar.setRange(0, 1000 if share is not None else 0)
        self.bar.setValue(round(1000 * (share or 0)))
        curves = job.get("metrics") or {}
        points = "  ".join(f"{name} {curve[-1][1]:.4g}" for name, curve in curves.items() if curve)
        percent = f"{100 * share:.0f} %" if share is not None and running else ""
        self.note.say("   ".join(part for part in (percent, str(job.get("message") or ""), points) if part))
        self.setAccessibleName(f"{self.title.text()}: {job.get('state')} {percent} {self.note.text()}")


class JobsPopup(QFrame):
    """The list above the status bar; ``cancelled(job)`` and ``paused(job, whether)``."""

    cancelled = Signal(str)
    paused = Signal(str, bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("popup")
        self.setAccessibleName("Jobs")
        self.setFixedWidth(WIDTH)
        self._rows: dict[str, _JobRow] = {}
        self._empty = Label("No job has run since the workspace was opened.", "muted", wrap=True)
        self._list = QVBoxLayout()
        self._list.setSpacing(0)
        self.setLayout(column(Label("Jobs", "heading"), self._empty, self._list, margins=(16, 14, 16, 14)))

    def show_jobs(self, jobs: list[dict[str, Any]]) -> None:
        """Running ones first, at most eight."""
        shown = sorted(jobs, key=lambda job: (not is_running(job), str(job.get("started_at") or "")))[:8]
        names = {str(job["job"]) for job in shown}
        for name in [name for name in self._rows if name not in names]:
            gone = self._rows.pop(name)
            self._list.removeWidget(gone)
            gone.deleteLater()
        for job in shown:
            self._row(str(job["job"])).show_job(job)
        self._empty.setVisible(not shown)

    def _row(self, job: str) -> _JobRow:
        if job not in self._rows:
            made = _JobRow(job)
            made.stop.clicked.connect(self._stop)
            made.pause.clicked.connect(self._pause)
            self._rows[job] = made
            self._list.addWidget(made)
        return self._rows[job]

    def _stop(self) -> None:
        source = self.sender()
        for made in self._rows.values():
            if made.stop is source:
                self.cancelled.emit(made.job)

    def _pause(self) -> None:
        source = self.sender()
        for made in self._rows.values():
            if made.pause is source:
                self.paused.emit(made.job, not made.paused)

    def open_above(self, anchor: QWidget) -> None:
        """Show above a widget, right edges aligned."""
        self.adjustSize()
        corner = anchor.mapToGlobal(QPoint(anchor.width(), 0))
        self.move(max(0, corner.x() - self.width()), max(0, corner.y() - self.height() - 8))
        self.show()
