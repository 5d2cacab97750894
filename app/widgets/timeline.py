"""What happened, newest first: glyph, words, who and when."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.theme import style
from app.theme.states import look_of, paint_glyph

LINE, GAP = 18, 8


@dataclass(frozen=True)
class Happening:
    """One entry: its state decides the glyph; each line of the note is painted below the text."""

    state: str
    text: str
    note: str


class Timeline(QWidget):
    """Paints all entries itself: one widget however many there are."""

    def __init__(self, nothing: str = "Nothing yet") -> None:
        super().__init__()
        self._items: list[Happening] = []
        self._tops, self._nothing = [0], nothing
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def show_items(self, items: Iterable[Happening]) -> None:
        """Replace all entries."""
        self._items = list(items)
        self._tops = [0]
        for item in self._items:
            self._tops.append(self._tops[-1] + LINE * (1 + len(item.note.split("\n"))) + GAP)
        self.setMinimumHeight(self._tops[-1])
        self.setAccessibleName("Timeline")
        self.setAccessibleDescription("\n".join(f"{i.text} ({i.note})" for i in self._items))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, max(LINE, self._tops[-1]))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        style.themed(event, self)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            here = bisect(self._tops, event.y()) - 1
            if 0 <= here < len(self._items):
                QToolTip.showText(event.globalPos(), f"{self._items[here].text}\n{self._items[here].note}", self)
            return True
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = style.current()
        if not self._items:
            self._line(painter, self._nothing, 0, colours.muted, style.font(), left=0)
        for index, item in enumerate(self._items):
            top = self._tops[index]
            if index + 1 < len(self._items):
                painter.setPen(QPen(QColor(colours.border), 1))
                painter.drawLine(8, top + 24, 8, self._tops[index + 1] + 2)
            look = look_of(item.state)
            paint_glyph(painter, look.glyph, QRectF(0, top + 4, 16, 16), QColor(colours.tone(look.tone).text))
            self._line(painter, item.text, top, colours.text, style.font())
            for place, note in enumerate(item.note.split("\n"), 1):
                self._line(painter, note, top + LINE * place, colours.muted, style.font(style.theme().size - 1))

    def _line(self, painter: QPainter, text: str, top: int, colour: str, font: QFont, left: int = 28) -> None:
        painter.setFont(font)
        painter.setPen(QColor(colour))
        width = self.width() - left - 2
        cut = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRectF(left, top + 2, width, 20), int(Qt.AlignmentFlag.AlignVCenter), cut)
