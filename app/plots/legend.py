"""A legend in one line, outside the plot so that it hides no data."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import style


class Legend(QWidget):
    """Swatch and name for each series."""

    def __init__(self) -> None:
        super().__init__()
        self._items: list[tuple[str, str, bool, str]] = []
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_series(self, items: list[tuple[str, str, bool, str]], level: str = "") -> None:
        """(name, colour, dashed, kind) for each, and the name of the level line."""
        self._items = list(items)
        if level:
            self._items.append((level, style.current().bad.text, True, "line"))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(style.font(style.theme().size - 1))
        return QSize(sum(metrics.horizontalAdvance(name) + 38 for name, *_rest in self._items), 20)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(style.font(style.theme().size - 1))
        left = 0
        for name, colour, dashed, kind in self._items:
            pen = QPen(
                QColor(colour),
                8 if kind == "band" else 2.5,
                Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine,
                Qt.PenCapStyle.FlatCap,
            )
            if kind == "band":
                faint = QColor(colour)
                faint.setAlpha(80)
                pen.setColor(faint)
            painter.setPen(pen)
            painter.drawLine(QPointF(left, 10), QPointF(left + 16, 10))
            painter.setPen(QColor(style.current().muted))
            width = painter.fontMetrics().horizontalAdvance(name)
            painter.drawText(QRectF(left + 22, 0, width + 4, 20), int(Qt.AlignmentFlag.AlignVCenter), name)
            left += width + 38
