"""The mark: the Plimsoll line, a circle crossed by the load line."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap


def paint_logo(painter: QPainter, box: QRectF, colour: QColor) -> None:
    """Draw the mark into a square box."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    width = box.width() * 0.1
    painter.setPen(QPen(colour, width))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    radius = box.width() * 0.3
    painter.drawEllipse(box.center(), radius, radius)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    bar = QRectF(box.left() + box.width() * 0.03, box.center().y() - width / 2, box.width() * 0.94, width)
    painter.drawRoundedRect(bar, width / 2, width / 2)
    painter.restore()


def logo_icon(colour: str, size: int = 64) -> QIcon:
    """The mark as a window icon."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    paint_logo(painter, QRectF(0, 0, size, size), QColor(colour))
    painter.end()
    return QIcon(pixmap)
