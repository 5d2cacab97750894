"""A field that narrows a table as one types."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit


class SearchField(QLineEdit):
    """One line; ``textChanged`` narrows, Escape empties it."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.setPlaceholderText(f"Filter {what}")
        self.setAccessibleName(f"Filter {what}")
        self.setClearButtonEnabled(True)
        self.setFixedWidth(220)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
            return
        super().keyPressEvent(event)
