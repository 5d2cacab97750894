"""Draws a report's document as PDF: ``python -m app.report_pdf FILE`` with the document as JSON on standard input.

A program of its own, so that the command line and the engine need no Qt. Text stays text and charts
stay vectors; the first page alone is enough to decide by, as on the HTML page.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QMarginsF, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QFontMetricsF,
    QGuiApplication,
    QPageLayout,
    QPageSize,
    QPainter,
    QPdfWriter,
    QPen,
    QPolygonF,
)

FAMILIES = ("Inter", "Noto Sans", "DejaVu Sans", "Liberation Sans")
WIDTH, HEIGHT, MARGIN, FOOT = 595.0, 842.0, 40.0, 26.0  # A4 in points
CHART_WIDTH, CHART_HEIGHT = 320.0, 230.0  # as core.evaluation.charts lays them out
INK, SOFT, LINE, CARD, MAIN, MARK = "#1b2430", "#5b6776", "#d9dfe7", "#f5f7fa", "#1f6fb2", "#c2410c"
TONES = {"good": "#17734a", "warn": "#9a5b00", "bad": "#b3261e", "plain": INK}
BARS = {"negative": "#8aa0b8", "positive": "#d9793a"}
WRAP = int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)


class Pages:
    """A painter that knows how far down the page it is."""

    def __init__(self, writer: QPdfWriter, family: str, title: str) -> None:
        self.writer, self.family, self.title = writer, family, title
        self.painter = QPainter(writer)
        self.painter.scale(writer.resolution() / 72.0, writer.resolution() / 72.0)
        self.painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.page, self.y = 1, MARGIN
        self._foot()

    @property
    def width(self) -> float:
        """Points between the margins."""
        return WIDTH - 2 * MARGIN

    def font(self, size: float, bold: bool = False) -> QFont:
        """A font of ``size`` points on paper."""
        made = QFont(self.family)
        made.setPixelSize(max(1, round(size * 10)))
        made.setBold(bold)
        return made

    def measure(self, text: str, size: float, width: float, bold: bool = False) -> QSizeF:
        """How large wrapped text is, in points."""
        metrics = QFontMetricsF(self.font(size, bold))
        box = metrics.boundingRect(QRectF(0, 0, width * 10, 1e6), WRAP, text)
        return QSizeF(box.width() / 10, box.height() / 10)

    def write(
        self, text: str, box: QRectF, size: float, colour: str, *, bold: bool = False, right: bool = False
    ) -> None:
        """Text in a box in points; drawn ten times as large on a tenth of the scale, so that sizes are exact."""
        painter = self.painter
        painter.save()
        painter.scale(0.1, 0.1)
        painter.setFont(self.font(size, bold))
        painter.setPen(QColor(colour))
        flags = WRAP if not right else int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        painter.drawText(QRectF(box.x() * 10, box.y() * 10, box.width() * 10, box.height() * 10), flags, text)
        painter.restore()

    def room(self, height: float) -> None:
        """A new page when less than ``height`` is left."""
        if self.y + height > HEIGHT - MARGIN - FOOT and self.y > MARGIN:
            self.turn()

    def turn(self) -> None:
        """A new page."""
        self.writer.newPage()
        self.page, self.y = self.page + 1, MARGIN
        self._foot()

    def _foot(self) -> None:
        box = QRectF(MARGIN, HEIGHT - MARGIN - 8, self.width, 12)
        self.write(self.title, box, 7, SOFT)
        self.write(str(self.page), box, 7, SOFT, right=True)

    def paragraph(
        self, text: str, size: float = 8.5, colour: str = SOFT, *, bold: bool = False, gap: float = 6
    ) -> None:
        """Wrapped text over the whole width."""
        height = self.measure(text, size, self.width, bold).height()
        self.room(height)
        self.write(text, QRectF(MARGIN, self.y, self.width, height + 2), size, colour, bold=bold)
        self.y += height + gap


def draw(document: dict[str, Any], file: Path) -> None:
    """Write the PDF."""
    writer = QPdfWriter(str(file))
    writer.setTitle(document["title"])
    writer.setCreator("Plimsoll")
    writer.setResolution(300)
    writer.setPageLayout(
        QPageLayout(QPageSize(QPageSize.PageSizeId.A4), QPageLayout.Orientation.Portrait, QMarginsF(0, 0, 0, 0))
    )
    known = set(QFontDatabase.families())
    family = next((name for name in FAMILIES if name in known), QGuiApplication.font().family())
    pages = Pages(writer, family, document["title"])
    pages.paragraph(document["title"], 16, INK, bold=True, gap=3)
    pages.paragraph(document["intro"])
    _cards(pages, document["cards"])
    for note in document["notes"]:
        pages.paragraph(f"Read with care: {note}", 8, TONES["warn"], gap=2)
    _charts(pages, document["charts"])
    for block in document["first"]:
        _block(pages, block)
    pages.turn()
    for block in document["blocks"]:
        _block(pages, block)
    pages.painter.end()


def _cards(pages: Pages, cards: list[dict[str, str]], columns: int = 4) -> None:
    gap, pad = 6.0, 6.0
    width = (pages.width - gap * (columns - 1)) / columns
    for start in range(0, len(cards), columns):
        row, parts = cards[start : start + columns], []
        for card in row:
            sizes = [(card["question"], 6.5, False), (card["figure"], 11, True), (card["words"], 6.5, False)]
            parts.append(
                [
                    (text, size, bold, pages.measure(text, size, width - 2 * pad, bold).height() + 1)
                    for text, size, bold in sizes
                ]
            )
        height = max(sum(part[3] for part in card) for card in parts) + 2 * pad + 4
        pages.room(height)
        for i, (card, texts) in enumerate(zip(row, parts, strict=True)):
            left, tone = MARGIN + i * (width + gap), TONES.get(card["tone"], INK)
            pages.painter.fillRect(QRectF(left, pages.y, width, height), QColor(CARD))
            pages.painter.fillRect(
                QRectF(left, pages.y, 2.5, height), QColor(tone if card["tone"] != "plain" else SOFT)
            )
            top = pages.y + pad
            for j, (text, size, bold, tall) in enumerate(texts):
                pages.write(
                    text, QRectF(left + pad, top, width - 2 * pad, tall + 2), size, tone if j == 1 else SOFT, bold=bold
                )
                top += tall + 2
        pages.y += height + gap
    pages.y += 2


def _charts(pages: Pages, charts: list[dict[str, Any]], columns: int = 3) -> None:
    gap = 10.0
    width = (pages.width - gap * (columns - 1)) / columns
    height = width * CHART_HEIGHT / CHART_WIDTH + 26
    for start in range(0, len(charts), columns):
        pages.room(height)
        for i, chart in enumerate(charts[start : start + columns]):
            _chart(pages, chart, MARGIN + i * (width + gap), width)
        pages.y += height + 4


def _chart(pages: Pages, chart: dict[str, Any], left: float, width: float) -> None:
    """One chart: the same geometry that the page draws as SVG."""
    pages.write(chart["title"], QRectF(left, pages.y, width, 12), 8, INK, bold=True)
    painter, scale = pages.painter, width / CHART_WIDTH
    painter.save()
    painter.translate(left, pages.y + 12)
    painter.scale(scale, scale)
    for tick in chart["y_ticks"]:
        painter.setPen(QPen(QColor(LINE), 1))
        painter.drawLine(QPointF(46, tick["at"]), QPointF(CHART_WIDTH - 10, tick["at"]))
        pages.write(tick["text"], QRectF(0, tick["at"] - 7, 42, 14), 10, SOFT, right=True)
    for tick in chart["x_ticks"]:
        wide = pages.measure(tick["text"], 10, 400).width()
        pages.write(tick["text"], QRectF(tick["at"] - wide / 2, CHART_HEIGHT - 37, wide + 4, 14), 10, SOFT)
    for x, y, w, h, kind in chart["bars"]:
        colour = QColor(BARS.get(kind, MAIN))
        colour.setAlphaF(0.6)
        painter.fillRect(QRectF(x, y, w, h), colour)
    for points, kind in chart["lines"]:
        _polyline(painter, points, kind)
    painter.setPen(QPen(QColor(MAIN), 1))
    for x, low, high in chart["whiskers"]:
        painter.drawLine(QPointF(x, low), QPointF(x, high))
    painter.setPen(Qt.PenStyle.NoPen)
    for x, y, kind in chart["dots"]:
        painter.setBrush(QColor(MARK if kind == "mark" else MAIN))
        painter.drawEllipse(QPointF(x, y), *((5, 5) if kind == "mark" else (3, 3)))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    wide = pages.measure(chart["x_label"], 10, 400).width()
    pages.write(chart["x_label"], QRectF(46 + (CHART_WIDTH - 56 - wide) / 2, CHART_HEIGHT - 20, wide + 4, 14), 10, SOFT)
    painter.translate(4, 12 + (CHART_HEIGHT - 52) / 2 + pages.measure(chart["y_label"], 10, 400).width() / 2)
    painter.rotate(-90)
    pages.write(chart["y_label"], QRectF(0, 0, 300, 14), 10, SOFT)
    painter.restore()
    words = "   ".join(text for _, text in chart["legend"])
    pages.write(words, QRectF(left, pages.y + 12 + CHART_HEIGHT * scale, width, 10), 6.5, SOFT)


def _polyline(painter: QPainter, points: str, kind: str) -> None:
    colour = QColor(MAIN if kind == "main" else SOFT)
    colour.setAlphaF(0.4 if kind == "faint" else 1.0)
    pen = QPen(colour, {"main": 2.0, "guide": 1.0}.get(kind, 0.6))
    if kind == "guide":
        pen.setDashPattern([4, 3])
    painter.setPen(pen)
    pairs = [pair.split(",") for pair in points.split()]
    painter.drawPolyline(QPolygonF([QPointF(float(x), float(y)) for x, y in pairs]))


def _block(pages: Pages, block: dict[str, Any]) -> None:
    """Heading, words, charts and table."""
    pages.room(60 if not block["charts"] else 180)
    pages.y += 6
    pages.paragraph(block["title"], 11, INK, bold=True, gap=2)
    if block["note"]:
        pages.paragraph(block["note"], 7.5, gap=4)
    _charts(pages, block["charts"])
    if block["head"]:
        _table(pages, block)
    pages.y += 6


def _table(pages: Pages, block: dict[str, Any]) -> None:
    """Columns as wide as their texts where there is room; text columns give way and wrap."""
    size = 7.0 if len(block["head"]) <= 9 else 6.2
    widths = _widths(pages, block, size)
    lefts = [MARGIN + sum(widths[:i]) for i in range(len(widths))]

    def line(cells: list[str], colours: list[str], bold: bool) -> None:
        heights = [pages.measure(cell, size, w - 6, bold).height() for cell, w in zip(cells, widths, strict=False)]
        tall = max([*heights, size]) + 3
        if pages.y + tall > HEIGHT - MARGIN - FOOT:
            pages.turn()
        for i, cell in enumerate(cells):
            words = i in block["words"]
            box = QRectF(lefts[i] + (0 if words else 3), pages.y + 1, widths[i] - 4, tall + 2)
            pages.write(cell, box, size, colours[i], bold=bold, right=not words)
        pages.y += tall
        pages.painter.setPen(QPen(QColor(LINE), 0.4))
        pages.painter.drawLine(QPointF(MARGIN, pages.y), QPointF(MARGIN + sum(widths), pages.y))

    line(block["head"], [SOFT] * len(block["head"]), True)
    for row in block["rows"]:
        plain = SOFT if row["small"] else INK
        top, page = pages.y, pages.page
        line(row["cells"], [TONES["bad"] if i in row["hits"] else plain for i in range(len(row["cells"]))], False)
        if row["bar"]:
            start, end = row["bar"]
            top = top if page == pages.page else MARGIN
            room = widths[-1] - 8
            box = QRectF(
                lefts[-1] + 4 + start * room, top + 3, max(0.8, (end - start) * room), max(2.0, pages.y - top - 6)
            )
            pages.painter.fillRect(box, QColor(MAIN))


def _widths(pages: Pages, block: dict[str, Any], size: float) -> list[float]:
    columns = range(len(block["head"]))
    bars = any(row["bar"] for row in block["rows"])
    wanted = []
    for i in columns:
        texts = [block["head"][i], *(row["cells"][i] for row in block["rows"])]
        wanted.append(max(pages.measure(text, size, 4000, bold=True).width() for text in texts) + 10)
    if bars:
        wanted[-1] = 170.0
    over = sum(wanted) - pages.width
    soft = [i for i in columns if i in block["words"] and not (bars and i == columns[-1])] or list(columns)
    while over > 0.5:
        widest = max(soft, key=lambda i: wanted[i])
        if wanted[widest] <= 44:
            factor = pages.width / sum(wanted)
            return [width * factor for width in wanted]
        cut = min(over, max(4.0, wanted[widest] * 0.1))
        wanted[widest] -= cut
        over -= cut
    return wanted


def main(arguments: list[str]) -> int:
    """Read the document and write the file."""
    QGuiApplication.setApplicationName("Plimsoll")
    app = QGuiApplication(sys.argv[:1])
    draw(json.load(sys.stdin), Path(arguments[0]))
    app.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
