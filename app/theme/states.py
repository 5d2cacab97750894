"""State to look: every state has a tone, a glyph and a word, so that colour is never alone."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF


@dataclass(frozen=True)
class Look:
    """How a state is shown."""

    tone: str
    glyph: str
    word: str


_TABLE = {
    (
        "good",
        "check",
    ): "ok passed valid verified succeeded finished done approved approve completed champion live healthy "
    "resolved closed active serving ready fresh fired_resolved promoted committed allowed deployed production met "
    "better packaged opened confirmed",
    (
        "warn",
        "triangle",
    ): "warn warning warned degraded drifted drift stale acknowledged partial unverified challenger retyped changed "
    "expiring paused held attention ticket worse quarantined granted",
    (
        "bad",
        "cross",
    ): "bad error failed fail critical rejected reject refused denied firing breached alarm open revoked "
    "rolled_back invalid blocked unreachable down lost page rollback",
    ("info", "ring"): "running started in_progress pending proposed awaiting queued deploying canary shadow pushing "
    "in_review staged staging candidate signing added retrain propose declared requested",
    ("neutral", "dash"): "unknown none draft archived retired cancelled skipped idle superseded withdrawn expired "
    "disabled never inactive empty waiting unopened same log too_small note removed not_materialised no_target",
}
_LOOKS = {state: (tone, glyph) for (tone, glyph), states in _TABLE.items() for state in states.split()}


def look_of(state: object) -> Look:
    """The look of a state by its word; an unknown one is neutral and still shown by name."""
    if isinstance(state, bool):
        state = "passed" if state else "failed"
    key = str(state if state is not None else "none").strip().lower().replace(" ", "_").replace("-", "_")
    tone, glyph = _LOOKS.get(key, ("neutral", "dash"))
    return Look(tone, glyph, key.replace("_", " ").capitalize())


def paint_glyph(painter: QPainter, glyph: str, box: QRectF, colour: QColor) -> None:
    """Draw a state's shape into ``box`` (square): check, triangle, cross, ring, dash or dot."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(
        colour, max(1.3, box.width() / 9), Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
    )
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    inset = box.adjusted(pen.widthF(), pen.widthF(), -pen.widthF(), -pen.widthF())

    def at(x: float, y: float) -> QPointF:
        return QPointF(box.left() + x * box.width(), box.top() + y * box.height())

    if glyph == "triangle":
        painter.drawPolygon(QPolygonF([at(0.5, 0.1), at(0.93, 0.88), at(0.07, 0.88)]))
        painter.drawLine(at(0.5, 0.4), at(0.5, 0.6))
        painter.drawPoint(at(0.5, 0.74))
    elif glyph == "check":
        painter.drawEllipse(inset)
        painter.drawPolyline(QPolygonF([at(0.31, 0.52), at(0.45, 0.66), at(0.7, 0.37)]))
    elif glyph == "cross":
        painter.drawEllipse(inset)
        painter.drawLine(at(0.37, 0.37), at(0.63, 0.63))
        painter.drawLine(at(0.63, 0.37), at(0.37, 0.63))
    elif glyph == "ring":
        painter.drawArc(inset, 0, 360 * 16)
        painter.drawPolyline(QPolygonF([at(0.5, 0.3), at(0.5, 0.52), at(0.65, 0.6)]))
    elif glyph == "dot":
        painter.setBrush(colour)
        painter.drawEllipse(box.center(), box.width() / 5, box.width() / 5)
    else:
        painter.drawEllipse(inset)
        painter.drawLine(at(0.34, 0.5), at(0.66, 0.5))
    painter.restore()
