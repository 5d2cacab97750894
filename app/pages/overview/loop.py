"""The loop from ingest to monitor, drawn along a load line."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.tables import format as fmt
from app.theme import style
from app.theme.states import look_of, paint_glyph

HEIGHT = 76


class Loop(QWidget):
    """One disc a stage on a line; the words say its state and when."""

    def __init__(self) -> None:
        super().__init__()
        self._stages: list[dict[str, Any]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_stages(self, stages: list[dict[str, Any]]) -> None:
        """Replace the stages."""
        self._stages = stages
        self.setAccessibleName("The loop")
        self.setAccessibleDescription("; ".join(f"{s['stage']}: {look_of(s.get('state')).word}" for s in stages))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(640, HEIGHT)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        style.themed(event, self)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and self._stages:
            stage = self._stages[min(int(event.x() / self.width() * len(self._stages)), len(self._stages) - 1)]
            QToolTip.showText(event.globalPos(), f"{stage['stage']}: {stage.get('detail') or 'nothing yet'}", self)
            return True
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, count = style.current(), max(1, len(self._stages))
        step = self.width() / count
        painter.setPen(QPen(QColor(colours.strong_border), 2))
        painter.drawLine(round(step / 2), 18, round(self.width() - step / 2), 18)
        for place, stage in enumerate(self._stages):
            look = look_of(stage.get("state"))
            tone = colours.tone(look.tone)
            middle = step * (place + 0.5)
            painter.setPen(QPen(QColor(colours.surface), 4))
            painter.setBrush(QColor(tone.tint))
            painter.drawEllipse(QRectF(middle - 16, 2, 32, 32))
            paint_glyph(painter, look.glyph, QRectF(middle - 10, 8, 20, 20), QColor(tone.text))
            name = str(stage["stage"]).replace("_", " ").capitalize()
            self._text(painter, name, QRectF(middle - step / 2, 38, step, 18), colours.text, 0)
            at = fmt.when(stage.get("at")) if stage.get("at") else look.word
            note = at[5:] if step < 130 and len(at) == 16 else at
            self._text(painter, note, QRectF(middle - step / 2, 55, step, 18), colours.muted, -2)

    def _text(self, painter: QPainter, text: str, box: QRectF, colour: str, smaller: int) -> None:
        painter.setPen(QColor(colour))
        painter.setFont(style.font(style.theme().size + smaller))
        cut = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(box.width()) - 4)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), cut)
