"""The only place that makes labels: always plain text, so nothing that is shown can be markup."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QSizePolicy, QWidget


class Label(QLabel):
    """Plain text in a role of the type scale.

    Roles: ``title``, ``heading``, ``strong``, ``body``, ``muted``, ``caption``, ``figure``, ``mono``, ``error``.
    """

    def __init__(
        self,
        text: str = "",
        role: str = "body",
        *,
        wrap: bool = False,
        select: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setWordWrap(wrap)
        if select:
            self.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        self.setText(text)


class ElidedLabel(Label):
    """One line that is cut with an ellipsis where space ends; the tool tip has the whole."""

    def __init__(self, text: str = "", role: str = "body", *, middle: bool = False) -> None:
        super().__init__("", role)
        self._mode = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.say(text)

    def say(self, text: str) -> None:
        """Show another text."""
        self.setText(text)
        self._tip()
        self.update()

    def minimumSizeHint(self) -> QSize:
        return QSize(24, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._tip()

    def _tip(self) -> None:
        cut = QFontMetrics(self.font()).horizontalAdvance(self.text()) > self.width()
        self.setToolTip(self.text() if cut else "")

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        text = self.fontMetrics().elidedText(self.text(), self._mode, self.width())
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignVCenter | self.alignment()), text)


class ReadOnlyText(QPlainTextEdit):
    """Text to read and copy: never markup, never a link that opens."""

    def __init__(self, text: str = "", *, mono: bool = True, lines: int = 0) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setTabChangesFocus(True)
        if mono:
            self.setProperty("role", "mono")
        self.setPlainText(text)
        if lines:
            self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 20)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        self.viewport().update()
