"""One item that draws all nodes and edges: plain shapes when far away, only what is in view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from app.graph.layout import Placed
from app.theme import style
from app.theme.states import look_of, paint_glyph

WIDTH, HEIGHT = 184.0, 50.0
FAR = 0.22
NEAR = 0.5
READABLE = 11.0  # pixels on the screen that a label should have


@dataclass(frozen=True)
class Node:
    """One thing in the graph."""

    id: str
    kind: str
    label: str
    state: str = ""
    note: str = ""


class GraphItem(QGraphicsItem):
    """The whole graph as one item."""

    def __init__(self, nodes: list[Node], placed: Placed) -> None:
        super().__init__()
        self.nodes = nodes
        self.placed = placed
        self.chosen = -1
        self._near: set[int] = set()
        self._box = self._bounds()
        ends = placed.positions[placed.edges] if len(placed.edges) else np.zeros((0, 2, 2))
        self._low, self._high = ends.min(axis=1), ends.max(axis=1)
        self._paths: dict[int, QPainterPath] = {}
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)

    def _bounds(self) -> QRectF:
        if not self.nodes:
            return QRectF()
        low, high = self.placed.positions.min(axis=0), self.placed.positions.max(axis=0)
        box = QRectF(QPointF(*low), QPointF(*high))
        return box.adjusted(-WIDTH / 2 - 12, -HEIGHT / 2 - 12, WIDTH / 2 + 12, HEIGHT / 2 + 12)

    def boundingRect(self) -> QRectF:
        return self._box

    def box_of(self, node: int) -> QRectF:
        """The rectangle of a node."""
        x, y = self.placed.positions[node]
        return QRectF(x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT)

    def node_at(self, at: QPointF) -> int:
        """The node under a point, or -1; one numpy comparison however many there are."""
        if not self.nodes:
            return -1
        away = np.abs(self.placed.positions - (at.x(), at.y()))
        hits = np.flatnonzero((away[:, 0] <= WIDTH / 2) & (away[:, 1] <= HEIGHT / 2))
        return int(hits[0]) if len(hits) else -1

    def choose(self, node: int) -> None:
        """Mark a node and what touches it."""
        self.chosen = node
        edges = self.placed.edges
        touching = np.flatnonzero((edges == node).any(axis=1)) if len(edges) else np.empty(0, dtype=np.int64)
        self._near = {int(e) for e in touching}
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        scale = option.levelOfDetailFromTransform(painter.worldTransform())
        view = option.exposedRect.adjusted(-8, -8, 8, 8)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, scale > FAR)
        self._paint_edges(painter, view, scale)
        p = self.placed.positions
        inside = np.flatnonzero(
            (p[:, 0] > view.left() - WIDTH)
            & (p[:, 0] < view.right() + WIDTH)
            & (p[:, 1] > view.top() - HEIGHT)
            & (p[:, 1] < view.bottom() + HEIGHT)
        )
        for node in inside:
            self._paint_node(painter, int(node), scale)

    def _paint_edges(self, painter: QPainter, view: QRectF, scale: float) -> None:
        colours = style.current()
        seen = np.flatnonzero(
            (self._high[:, 0] > view.left())
            & (self._low[:, 0] < view.right())
            & (self._high[:, 1] > view.top())
            & (self._low[:, 1] < view.bottom())
        )
        plain = QPen(QColor(colours.strong_border), 1.2)
        strong = QPen(QColor(colours.accent), 2)
        for pen in (plain, strong):
            pen.setCosmetic(True)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for edge in seen:
            number = int(edge)
            painter.setPen(strong if number in self._near else plain)
            if scale < FAR:
                painter.drawLine(*self._ends(number))
            else:
                painter.drawPath(self._path(number))

    def _ends(self, edge: int) -> tuple[QPointF, QPointF]:
        """Where an edge leaves one node and meets the other."""
        a, b = self.placed.positions[self.placed.edges[edge]]
        if self.placed.upright:
            return QPointF(a[0], a[1] + HEIGHT / 2), QPointF(b[0], b[1] - HEIGHT / 2)
        return QPointF(a[0] + WIDTH / 2, a[1]), QPointF(b[0] - WIDTH / 2, b[1])

    def _path(self, edge: int) -> QPainterPath:
        path = self._paths.get(edge)
        if path is None:
            start, end = self._ends(edge)
            path = QPainterPath(start)
            if self.placed.upright:
                bend = QPointF(0, max(24.0, (end.y() - start.y()) / 2))
            else:
                bend = QPointF(max(24.0, (end.x() - start.x()) / 2), 0)
            path.cubicTo(start + bend, end - bend, end)
            self._paths[edge] = path
        return path

    def _paint_node(self, painter: QPainter, node: int, scale: float) -> None:
        colours = style.current()
        item, box, chosen = self.nodes[node], self.box_of(node), node == self.chosen
        look = look_of(item.state) if item.state else None
        if scale < FAR:
            painter.fillRect(box, QColor(colours.accent if chosen else colours.strong_border))
            return
        edge = colours.accent if chosen else colours.strong_border
        pen = QPen(QColor(edge), 2 if chosen else 1)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.setBrush(QColor(colours.accent_tint if chosen else colours.surface))
        painter.drawRoundedRect(box, 6, 6)
        if scale < NEAR:
            self._paint_name(painter, item.label, box, scale)
            return
        if look is not None:
            glyph = QRectF(box.right() - 26, box.top() + 18, 14, 14)
            paint_glyph(painter, look.glyph, glyph, QColor(colours.tone(look.tone).text))
        larger = max(0, min(8, round(READABLE / scale) - style.theme().size))
        note = item.note if larger < 3 else ""
        room = QRectF(box.left() + 10, box.top() + 3, WIDTH - (38 if look else 18), 22)
        self._words(painter, f"{item.kind.replace('_', ' ').capitalize()}{note}", room, colours.muted, larger - 2)
        self._words(painter, item.label, room.translated(0, 22), colours.text, larger, bold=chosen)

    def _words(
        self, painter: QPainter, text: str, room: QRectF, colour: str, larger: int, *, bold: bool = False
    ) -> None:
        painter.setFont(style.font(style.theme().size + larger, bold=bold))
        painter.setPen(QColor(colour))
        cut = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter), cut)

    def _paint_name(self, painter: QPainter, label: str, box: QRectF, scale: float) -> None:
        """From far the label alone, as large as its box lets it be."""
        painter.setFont(style.font(round(min(11 / scale, HEIGHT * 0.62))))
        painter.setPen(QColor(style.current().text))
        room = box.adjusted(8, 0, -8, 0)
        cut = painter.fontMetrics().elidedText(label, Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter), cut)
