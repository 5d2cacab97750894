"""What happened, newest first: glyph, words, who and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import style
from app.theme.states import look_of, paint_glyph

ROW = 44


@dataclass(frozen=True)
class Happening:
    """One entry: its state decides the glyph."""

    state: str
    text: str
    note: str


class Timeline(QWidget):
    """Paints all entries itself: one widget however many there are."""

    def __init__(self) -> None:
        super().__init__()
        self._items: list[Happening] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def show_items(self, items: Iterable[Happening]) -> None:
        """Replace all entries."""
        self._items = list(items)
        self.setMinimumHeight(ROW * len(self._items))
        self.setAccessibleName("Timeline")
        self.setAccessibleDescription("\n".join(f"{i.text} ({i.note})" for i in self._items))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, ROW * max(1, len(self._items)))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        style.themed(event, self)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = style.current()
        for index, item in enumerate(self._items):
            top = index * ROW
            if index + 1 < len(self._items):
                painter.setPen(QPen(QColor(colours.border), 1))
                painter.drawLine(8, top + 24, 8, top + ROW + 2)
            look = look_of(item.state)
            paint_glyph(painter, look.glyph, QRectF(0, top + 4, 16, 16), QColor(colours.tone(look.tone).text))
            self._line(painter, item.text, top, colours.text, style.font())
            self._line(painter, item.note, top + 18, colours.muted, style.font(style.theme().size - 1))

    def _line(self, painter: QPainter, text: str, top: int, colour: str, font: object) -> None:
        painter.setFont(font)  # type: ignore[arg-type]
        painter.setPen(QColor(colour))
        width = self.width() - 30
        cut = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRectF(28, top + 2, width, 20), int(Qt.AlignmentFlag.AlignVCenter), cut)
