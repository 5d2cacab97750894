"""Draws a chart in the theme, with its table twin and its exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QFileDialog, QMenu, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from app.plots.decimate import min_max
from app.plots.hover import Hover
from app.plots.legend import Legend
from app.plots.series import Chart, Series
from app.tables import format as fmt
from app.tables.view import Table
from app.theme import style
from app.theme.icons import icon
from app.widgets.layout import row
from app.widgets.text import Label

pg.setConfigOptions(antialias=True, useOpenGL=False, foreground="#888888", background=None)


class Axis(pg.AxisItem):
    """An axis that writes large numbers like the tables do."""

    def updateAutoSIPrefix(self) -> None:
        """Never: 0.78 must not become 780 with a thousandth in the label."""
        self.autoSIPrefixScale = 1.0

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if spacing * scale >= 1 and values and max(abs(v * scale) for v in values) >= 1000:
            return [fmt.integer(v * scale) for v in values]
        return list(super().tickStrings(values, scale, spacing))


class ChartView(QWidget):
    """A chart with heading, legend, menu (table, exports) and a table that says the same."""

    def __init__(self, height: int = 220) -> None:
        super().__init__()
        self._chart: Chart | None = None
        self._heading = Label("", "strong")
        self._legend = Legend()
        self._plot = pg.PlotWidget(background=None, axisItems={side: Axis(side) for side in ("left", "bottom")})
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._plot.setMinimumHeight(max(120, height - 60))
        self._plot.setFrameShape(pg.QtWidgets.QFrame.Shape.NoFrame)
        self._plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._hover = Hover(self._plot)
        self._table = Table("Chart values")
        self._stack = QStackedWidget()
        self._stack.addWidget(self._plot)
        self._stack.addWidget(self._table)
        self._nothing = Label("", "muted", wrap=True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack.addWidget(self._nothing)
        self._stack.setCurrentWidget(self._nothing)
        self._menu = self._make_menu()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(6)
        outer.addLayout(row(self._heading, None, self._legend, self._menu, gap=12))
        outer.addWidget(self._stack, 1)
        self.setMinimumHeight(height)
        style.theme().changed.connect(self._redraw)

    def _make_menu(self) -> QToolButton:
        made = QToolButton()
        made.setIcon(icon("menu"))
        made.setIconSize(QSize(16, 16))
        made.setAccessibleName("Chart menu")
        made.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(made)
        self._twin = menu.addAction("Show as table")
        self._twin.setCheckable(True)
        self._twin.toggled.connect(self.show_table)
        menu.addSeparator()
        menu.addAction("Export PNG…").triggered.connect(self._ask_png)
        menu.addAction("Export SVG…").triggered.connect(self._ask_svg)
        menu.addAction("Export CSV…").triggered.connect(self._ask_csv)
        made.setMenu(menu)
        return made

    def sizeHint(self) -> QSize:
        return QSize(360, self.minimumHeight())

    def show_chart(self, chart: Chart) -> None:
        """Draw another chart."""
        self._chart = chart
        self._heading.setText(chart.title)
        name = f"Chart: {chart.title}, {chart.y_title} by {chart.x_title}"
        self.setAccessibleName(name)
        self._plot.setAccessibleName(name)
        self._table.setAccessibleName(f"Values of {chart.title}")
        self._nothing.setText(chart.nothing)
        self._redraw()
        self.show_table(self._twin.isChecked())

    def _has_points(self) -> bool:
        return self._chart is not None and any(np.isfinite(one.y).any() for one in self._chart.series)

    def show_table(self, table: bool) -> None:
        """The table twin instead of the picture, or back."""
        if table and self._chart is not None:
            self._table.show_frame(self._chart.frame())
        self._twin.setChecked(table)
        self._menu.setVisible(self._has_points())
        self._stack.setCurrentIndex(int(table) if self._has_points() else 2)

    def _redraw(self) -> None:
        chart = self._chart
        self._menu.setIcon(icon("menu"))
        if chart is None:
            return
        palette = style.current()
        item = self._plot.getPlotItem()
        item.clear()
        self._axes(chart)
        if chart.diagonal:
            item.plot([0, 1], [0, 1], pen=pg.mkPen(palette.strong_border, width=1, style=Qt.PenStyle.DashLine))
        if chart.level is not None:
            pen = pg.mkPen(palette.bad.text, width=1.2, style=Qt.PenStyle.DashLine)
            item.addItem(pg.InfiniteLine(chart.level[0], angle=0, pen=pen))
        for one in chart.series:
            self._draw(one)
        self._hover.attach(chart)
        self._legend.show_series(
            [(s.name, palette.series[s.colour % len(palette.series)], s.dashed, s.kind) for s in chart.series]
            if len(chart.series) > 1
            else [],
            chart.level[1] if chart.level else "",
        )

    def _axes(self, chart: Chart) -> None:
        palette = style.current()
        self._plot.setBackground(palette.surface)
        item = self._plot.getPlotItem()
        for side, title in (("bottom", chart.x_title), ("left", chart.y_title)):
            axis = item.getAxis(side)
            axis.setPen(pg.mkPen(palette.strong_border if side == "bottom" else None))
            axis.setTickPen(pg.mkPen(palette.grid))
            axis.setTextPen(pg.mkPen(palette.muted))
            axis.setTickFont(style.font(style.theme().size - 2))
            axis.setStyle(tickLength=0, tickTextOffset=6, hideOverlappingLabels=True, maxTickLevel=1)
            axis.setZValue(-1000)
            item.setLabel(side, title, color=palette.muted)
            axis.label.setFont(style.font(style.theme().size - 1))
        item.getAxis("left").setGrid(255)
        item.getAxis("bottom").setTicks(_ticks(chart.labels, self.width()) if chart.labels else None)
        item.getViewBox().setMouseEnabled(x=True, y=False)
        item.enableAutoRange()
        if chart.y_range:
            item.setYRange(*chart.y_range, padding=0.03)
        if chart.x_range:
            item.setXRange(*chart.x_range, padding=0.02)
        elif chart.labels:
            item.setXRange(-0.5, len(chart.labels) - 0.5, padding=0)

    def _draw(self, one: Series) -> None:
        palette = style.current()
        colour = QColor(palette.series[one.colour % len(palette.series)])
        item = self._plot.getPlotItem()
        pen = pg.mkPen(colour, width=2, style=Qt.PenStyle.DashLine if one.dashed else Qt.PenStyle.SolidLine)
        fill = QColor(colour)
        if one.kind == "band" and one.y2 is not None:
            fill.setAlpha(48)
            ends = [pg.PlotDataItem(one.x, edge, pen=pg.mkPen(None)) for edge in (one.y, one.y2)]
            item.addItem(pg.FillBetweenItem(*ends, brush=fill))
        elif one.kind == "bars":
            item.addItem(
                pg.BarGraphItem(x=one.x, height=np.nan_to_num(one.y), width=one.width, brush=fill, pen=pg.mkPen(None))
            )
        elif one.kind == "steps" and one.y2 is not None:
            item.addItem(
                pg.BarGraphItem(
                    x0=one.x, x1=one.y2, height=np.nan_to_num(one.y), brush=fill, pen=pg.mkPen(palette.surface, width=1)
                )
            )
        elif one.kind == "floats" and one.y2 is not None:
            height = np.nan_to_num(one.y2 - one.y)
            item.addItem(
                pg.BarGraphItem(x=one.x, y0=one.y, height=height, width=one.width, brush=fill, pen=pg.mkPen(None))
            )
        elif one.kind == "points":
            item.addItem(pg.ScatterPlotItem(one.x, one.y, size=6, brush=fill, pen=pg.mkPen(None)))
        else:
            x, y = min_max(one.x, one.y)
            marks = {"symbol": "o", "symbolSize": 6, "symbolBrush": fill, "symbolPen": None} if one.marks else {}
            item.plot(x, y, pen=pen, connect="finite", clipToView=False, **marks)

    def zoom_with(self, other: ChartView) -> None:
        """Show the same stretch of the horizontal axis as another chart: who zooms or moves one, moves both."""
        self._plot.setXLink(other._plot)

    def save_png(self, path: Path) -> None:
        """The picture as it is on the screen, doubled."""
        image = self._plot.grab().toImage()
        image.save(str(path), "PNG")

    def save_svg(self, path: Path) -> None:
        """The picture as vectors, by Qt's own generator."""
        from PySide6.QtSvg import QSvgGenerator

        made = QSvgGenerator()
        made.setFileName(str(path))
        made.setSize(self._plot.size())
        made.setViewBox(QRectF(self._plot.rect()))
        made.setTitle(self._chart.title if self._chart else "")
        painter = QPainter(made)
        self._plot.render(painter)
        painter.end()

    def save_csv(self, path: Path) -> None:
        """All points, not decimated."""
        if self._chart is not None:
            self._chart.frame().write_csv(path)

    def _ask_png(self) -> None:
        self._ask_path("png", "Picture (*.png)", self.save_png)

    def _ask_svg(self) -> None:
        self._ask_path("svg", "Vector picture (*.svg)", self.save_svg)

    def _ask_csv(self) -> None:
        self._ask_path("csv", "Comma-separated values (*.csv)", self.save_csv)

    def _ask_path(self, ending: str, kinds: str, save: object) -> None:
        dialog = QFileDialog(self, "Export chart", f"chart.{ending}", kinds)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(ending)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: save(Path(name)))  # type: ignore[operator]
        dialog.open()


def _ticks(labels: list[str], width: int) -> list[list[tuple[int, str]]]:
    """As many labels as fit."""
    longest = max((len(label) for label in labels), default=1)
    room = max(2, int(max(width, 320) / (longest * 7 + 16)))
    step = -(-len(labels) // room)
    return [[(i, label) for i, label in enumerate(labels) if i % step == 0]]
