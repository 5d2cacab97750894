"""Paints a cell straight from the model's text: one call a cell instead of seven."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.tables.columns import Column
from app.tables.model import FrameModel
from app.theme import style
from app.theme.states import look_of
from app.widgets.badge import paint_badge

Index = QModelIndex | QPersistentModelIndex
SELECTED = QStyle.StateFlag.State_Selected
HOVERED = QStyle.StateFlag.State_MouseOver
LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
BAR = 64  # pixels of text left of a bar
RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class CellDelegate(QStyledItemDelegate):
    """Text, numbers at the right, badges for states."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.refresh()
        style.theme().changed.connect(self.refresh)

    def refresh(self) -> None:
        """Take fonts and colours of the theme in force."""
        palette = style.current()
        self._plain, self._fixed = style.font(), style.font(style.theme().size - 1, fixed=True)
        self._measures = {True: QFontMetrics(self._fixed), False: QFontMetrics(self._plain)}
        self._ink, self._muted = QColor(palette.text), QColor(palette.muted)
        self._chosen, self._hover, self._line = (
            QColor(c) for c in (palette.accent_tint, palette.hover, palette.border)
        )
        self._mark, self._over = QColor(palette.accent), QColor(palette.series[1])

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model = index.model()
        assert isinstance(model, FrameModel)
        column = model.columns[index.column()]
        text = model.text(index.row(), index.column())
        box = option.rect
        if option.state & SELECTED:
            painter.fillRect(box, self._chosen)
            if index.column() == 0:
                painter.fillRect(box.left(), box.top(), 3, box.height(), self._mark)
        elif option.state & HOVERED:
            painter.fillRect(box, self._hover)
        painter.fillRect(box.left(), box.bottom(), box.width(), 1, self._line)
        room = box.adjusted(8, 0, -8, -1)
        if column.kind == "badge" and text != "–":
            look = look_of(text)
            paint_badge(painter, QRectF(room), look.word, look.tone, look.glyph)
            return
        if column.kind == "bar" and column.length is not None:
            self._bar(painter, room, model.value(index.row(), index.column()), column)
            room = room.adjusted(0, 0, BAR - room.width(), 0)
        mono = column.kind == "mono"
        painter.setFont(self._fixed if mono else self._plain)
        painter.setPen(self._muted if mono or text in ("–", "…") else self._ink)
        cut = self._measures[mono].elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, RIGHT if column.right else LEFT, cut)

    def _bar(self, painter: QPainter, room: QRect, value: Any, column: Column) -> None:
        """The value as a bar right of its text, with a line where the limit is."""
        assert column.length is not None
        track = QRectF(room.left() + BAR + 8, room.center().y() - 3, room.width() - BAR - 12, 7)
        share = max(0.0, min(1.0, column.length(value))) if value is not None else 0.0
        over = column.mark is not None and share >= column.mark
        painter.fillRect(track, self._hover)
        painter.fillRect(
            QRectF(track.left(), track.top(), track.width() * share, 7), self._over if over else self._mark
        )
        if column.mark is not None:
            painter.fillRect(QRectF(track.left() + track.width() * column.mark, track.top() - 3, 1.5, 13), self._muted)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(super().sizeHint(option, index).width() + 16, 34)
