"""The evidence of a dossier: each piece must be opened before one can approve."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.widgets.badge import StateMark
from app.widgets.layout import button, clear, row
from app.widgets.text import ElidedLabel, Label


class EvidenceList(QWidget):
    """One line a report; ``opened(kind, id)`` when its button is pressed."""

    opened = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(6)

    def show_evidence(self, evidence: list[dict[str, Any]], seen: set[str]) -> None:
        """Replace all lines."""
        clear(self._box)
        for piece in evidence:
            self._box.addLayout(self._line(piece, piece["id"] in seen))

    def _line(self, piece: dict[str, Any], done: bool) -> QHBoxLayout:
        open_: QPushButton = button("Open again" if done else "Open", "small")
        open_.setAccessibleName(f"Open {piece['kind']}")
        open_.setProperty("piece", [piece["kind"], piece["id"]])
        open_.clicked.connect(self._pressed)
        kind = Label(str(piece["kind"]).replace("_", " ").capitalize(), "strong")
        kind.setMinimumWidth(80)
        what = ElidedLabel(str(piece.get("summary") or ""), "muted")
        mark = StateMark("opened" if done else "unopened")
        line = row(mark, kind, what, open_)
        line.setStretch(2, 1)
        return line

    def _pressed(self) -> None:
        source = self.sender()
        if isinstance(source, QPushButton):
            kind, piece = source.property("piece")
            self.opened.emit(str(kind), str(piece))
