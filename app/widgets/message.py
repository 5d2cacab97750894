"""A message in the window instead of a box in the way."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout

from app.widgets.layout import button, column
from app.widgets.text import Label


class MessageBar(QFrame):
    """One message with headline, detail and a button that closes it."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message")
        self._headline = Label("", "strong", wrap=True, select=True)
        self._detail = Label("", wrap=True, select=True)
        shut = button("", "quiet", picture="close", tip="Dismiss this message")
        shut.clicked.connect(self.hide)
        line = QHBoxLayout(self)
        line.setContentsMargins(16, 8, 8, 8)
        line.addLayout(column(self._headline, self._detail, gap=2), 1)
        line.addWidget(shut)
        self.hide()

    def say(self, tone: str, headline: str, detail: str = "") -> None:
        """Show a message of tone ``good``, ``info``, ``warn`` or ``bad``."""
        self.setProperty("tone", tone)
        self.style().unpolish(self)
        self.style().polish(self)
        words = {"bad": "Error: ", "warn": "Warning: "}.get(tone, "")
        self._headline.setText(words + headline)
        self._detail.setText(detail)
        self._detail.setVisible(bool(detail))
        self.setAccessibleName(f"{words}{headline}. {detail}")
        self.show()
