"""The values under the mouse: the nearest point of each series, in words beside the cursor."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF

from app.plots.series import Chart, Series
from app.tables import format as fmt
from app.theme import style

NEAR = 14.0  # pixels within which a single point counts


class Hover:
    """A line and a label over one plot; shown while the mouse is over points."""

    def __init__(self, plot: pg.PlotWidget) -> None:
        self._plot, self._chart = plot, None
        self._line = pg.InfiniteLine(angle=90)
        self._text = pg.TextItem(anchor=(0, 1))
        for item in (self._line, self._text):
            item.setZValue(1000)
            item.hide()
        plot.scene().sigMouseMoved.connect(self._moved)

    def attach(self, chart: Chart) -> None:
        """Belong to a freshly drawn chart: the plot was cleared."""
        palette = style.current()
        self._chart = chart
        self._line.setPen(pg.mkPen(palette.strong_border, width=1))
        self._text.setColor(palette.text)
        self._text.fill = pg.mkBrush(palette.surface)
        self._text.border = pg.mkPen(palette.border)
        item = self._plot.getPlotItem()
        for part in (self._line, self._text):
            part.hide()
            item.addItem(part, ignoreBounds=True)

    def _moved(self, where: QPointF) -> None:
        box = self._plot.getPlotItem().getViewBox()
        if self._chart is None or not box.sceneBoundingRect().contains(where):
            self._line.hide()
            self._text.hide()
            return
        at = box.mapSceneToView(where)
        words = hover_text(self._chart, at.x(), near=box.viewPixelSize()[0] * NEAR)
        for part in (self._line, self._text):
            part.setVisible(bool(words))
        if words:
            (low, high), _ = box.viewRange()
            self._line.setPos(at.x())
            self._text.setText(words)
            self._text.setAnchor((1, 1) if at.x() > (low + high) / 2 else (0, 1))
            self._text.setPos(at.x(), at.y())


def hover_text(chart: Chart, x: float, near: float) -> str:
    """The x and each series' value there: the nearest point of a line, a bar that holds x, a point within ``near``."""
    lines = [words for one in chart.series if (words := _value(one, x, near))]
    if not lines:
        return ""
    place = round(x)
    name = chart.labels[place] if chart.labels and 0 <= place < len(chart.labels) else fmt.number(x)
    return "\n".join([f"{chart.x_title} {name}".strip(), *lines])


def _value(one: Series, x: float, near: float) -> str:
    if not len(one.x):
        return ""
    if one.kind == "steps" and one.y2 is not None:
        inside = np.flatnonzero((one.x <= x) & (x < one.y2))
        return f"{one.name} {fmt.number(float(one.y[inside[0]]))}" if inside.size else ""
    place = int(np.nanargmin(np.abs(one.x - x)))
    reach = {"points": near, "bars": one.width / 2, "floats": one.width / 2}.get(one.kind, np.inf)
    if abs(float(one.x[place]) - x) > reach or not np.isfinite(one.y[place]):
        return ""
    low = fmt.number(float(one.y[place]))
    return f"{one.name} {low} to {fmt.number(float(one.y2[place]))}" if one.y2 is not None else f"{one.name} {low}"
