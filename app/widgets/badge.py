"""A state as glyph, word and tint: readable without colour."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import style
from app.theme.states import look_of, paint_glyph

HEIGHT = 22


def badge_width(text: str, *, glyph: bool = True) -> float:
    """Pixels that a badge with this word takes."""
    return QFontMetricsF(style.font(style.theme().size - 1)).horizontalAdvance(text) + (30 if glyph else 16)


def paint_badge(painter: QPainter, box: QRectF, text: str, tone: str, glyph: str) -> None:
    """Draw a pill with glyph and word at the left of ``box``, centred vertically."""
    colours = style.current().tone(tone)
    pill = QRectF(box.left(), box.center().y() - HEIGHT / 2 + 0.5, min(badge_width(text), box.width()), HEIGHT - 1)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colours.tint))
    painter.drawRoundedRect(pill, 5, 5)
    ink = QColor(colours.text)
    paint_glyph(painter, glyph, QRectF(pill.left() + 6, pill.center().y() - 6.5, 13, 13), ink)
    painter.setPen(ink)
    painter.setFont(style.font(style.theme().size - 1))
    room = pill.adjusted(23, 0, -6, 0)
    painter.drawText(
        room.adjusted(0, 0, 6, 0),
        int(Qt.AlignmentFlag.AlignVCenter),
        painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(room.width()) + 4),
    )
    painter.restore()


class StateBadge(QWidget):
    """One state; ``word`` replaces the state's own word."""

    def __init__(self, state: object = "", word: str = "") -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.show_state(state, word)

    def show_state(self, state: object, word: str = "") -> None:
        """Show another state."""
        self._look = look_of(state)
        self._word = word or self._look.word
        self.setAccessibleName(f"State: {self._word}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(round(badge_width(self._word)) + 1, HEIGHT)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        style.themed(event, self)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_badge(painter, QRectF(self.rect()), self._word, self._look.tone, self._look.glyph)


class StateMark(QWidget):
    """A state as its glyph alone, where a word stands beside it or would repeat itself."""

    def __init__(self, state: object = "") -> None:
        super().__init__()
        self._look = look_of(state)
        self.setFixedSize(18, 18)
        self.setToolTip(self._look.word)
        self.setAccessibleName(f"State: {self._look.word}")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        style.themed(event, self)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        colour = style.current().tone(self._look.tone).text
        paint_glyph(painter, self._look.glyph, QRectF(1, 1, 16, 16), QColor(colour))
