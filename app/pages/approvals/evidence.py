"""The evidence of a dossier: each piece must be opened before one can approve."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.tables import format as fmt
from app.widgets.badge import StateBadge
from app.widgets.layout import button, clear, column, row
from app.widgets.text import ElidedLabel, Label


class EvidenceList(QWidget):
    """One line a report; ``opened(kind, id)`` when its button is pressed."""

    opened = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(10)

    def show_evidence(self, evidence: list[dict[str, Any]], seen: set[str]) -> None:
        """Replace all lines."""
        clear(self._box)
        for piece in evidence:
            done = piece["id"] in seen
            open_: QPushButton = button("Open again" if done else "Open", "quiet" if done else "plain")
            open_.setAccessibleName(f"Open {piece['kind']}")
            open_.setProperty("piece", [piece["kind"], piece["id"]])
            open_.clicked.connect(self._pressed)
            words = column(
                Label(str(piece["kind"]).replace("_", " ").capitalize(), "strong"),
                ElidedLabel(str(piece.get("summary") or ""), "muted"),
                gap=1,
            )
            line = row(
                words,
                Label(fmt.short(piece.get("digest"), 8), "mono"),
                StateBadge("passed" if done else "pending", "Opened" if done else "Not opened"),
                open_,
                gap=12,
            )
            line.setStretch(0, 1)
            self._box.addLayout(line)

    def _pressed(self) -> None:
        source = self.sender()
        if isinstance(source, QPushButton):
            kind, piece = source.property("piece")
            self.opened.emit(str(kind), str(piece))
