"""Pan, zoom and choose in the graph; arrows walk along its edges, F fits, Home returns to the focus."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QGraphicsScene, QGraphicsView

from app.graph.layout import place
from app.graph.scene import GraphItem, Node
from app.theme import style


class GraphView(QGraphicsView):
    """Shows nodes and edges; ``chosen(id)`` on click, ``opened(id)`` on double click or Enter."""

    chosen = Signal(str)
    opened = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._item: GraphItem | None = None
        self._numbers: dict[str, int] = {}
        self._fitted = True
        self.setScene(QGraphicsScene(self))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
        self.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.setStyleSheet("background: transparent")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Lineage graph. Use 'Show as table' for a readable list")
        style.theme().changed.connect(self.viewport().update)

    def show_graph(self, nodes: list[dict[str, Any]], edges: list[Any]) -> None:
        """Lay out and show a graph; edges that name unknown nodes are left out."""
        made = [
            Node(
                str(n["id"]),
                str(n.get("kind", "")),
                str(n.get("label") or n["id"]),
                str(n.get("state") or ""),
                str(n.get("note") or ""),
            )
            for n in nodes
        ]
        self._numbers = {node.id: index for index, node in enumerate(made)}
        known = [
            (self._numbers[str(e[0])], self._numbers[str(e[1])])
            for e in edges
            if str(e[0]) in self._numbers and str(e[1]) in self._numbers
        ]
        room = self.viewport()
        aspect = room.width() / max(1, room.height())
        placed = place(len(made), np.array(known, dtype=np.int64).reshape(-1, 2), aspect=aspect)
        self.scene().clear()
        self._item = GraphItem(made, placed)
        self.scene().addItem(self._item)
        self.scene().setSceneRect(self._item.boundingRect().adjusted(-400, -300, 400, 300))
        self.fit()

    def fit(self) -> None:
        """Show everything, never larger than life."""
        if self._item is None or not self._item.nodes:
            return
        self._fitted = True
        self.fitInView(self._item.boundingRect(), Qt.AspectRatioMode.KeepAspectRatio)
        if self.transform().m11() > 1:
            self.resetTransform()
            self.centerOn(self._item.boundingRect().center())

    def focus(self, node: str) -> None:
        """Choose a node and bring it into view."""
        number = self._numbers.get(node, -1)
        if self._item is None or number < 0:
            return
        self._item.choose(number)
        if not self._fitted:
            self.centerOn(self._item.box_of(number).center())

    def _choose(self, number: int) -> None:
        if self._item is not None and number >= 0:
            self._item.choose(number)
            self.ensureVisible(QRectF(self._item.box_of(number)), 40, 40)
            self.chosen.emit(self._item.nodes[number].id)

    def _under(self, event: QMouseEvent) -> int:
        at = self.mapToScene(event.position().toPoint())
        return self._item.node_at(QPointF(at)) if self._item is not None else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self._choose(self._under(event))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        number = self._under(event)
        if self._item is not None and number >= 0:
            self.opened.emit(self._item.nodes[number].id)

    def wheelEvent(self, event: QWheelEvent) -> None:
        factor = 1.0015 ** event.angleDelta().y()
        if 0.02 < self.transform().m11() * factor < 2.5:
            self._fitted = False
            self.scale(factor, factor)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitted:
            self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, item = event.key(), self._item
        if key == Qt.Key.Key_F:
            self.fit()
        elif key == Qt.Key.Key_Home and item is not None:
            self._choose(max(0, item.chosen))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and item is not None and item.chosen >= 0:
            self.opened.emit(item.nodes[item.chosen].id)
        elif item is not None and key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._choose(self._neighbour(key))
        else:
            super().keyPressEvent(event)

    def _neighbour(self, key: int) -> int:
        """Two arrows follow edges, the other two stay in the layer; which, depends on how the graph stands."""
        assert self._item is not None
        placed, here = self._item.placed, max(0, self._item.chosen)
        backward, forward = (Qt.Key.Key_Left, Qt.Key.Key_Right), (Qt.Key.Key_Up, Qt.Key.Key_Down)
        along, beside = (forward, backward) if placed.upright else (backward, forward)
        across = 0 if placed.upright else 1
        if key in along:
            near, far = (1, 0) if key == along[0] else (0, 1)
            options = placed.edges[placed.edges[:, near] == here, far] if len(placed.edges) else np.empty(0, np.int64)
        else:
            sign = -1 if key == beside[0] else 1
            same = placed.layers == placed.layers[here]
            options = np.flatnonzero(same & (sign * (placed.positions[:, across] - placed.positions[here, across]) > 0))
        if not len(options):
            return -1
        away = np.abs(placed.positions[options, across] - placed.positions[here, across])
        return int(options[int(away.argmin())])
