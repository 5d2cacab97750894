"""Curves of several runs: one metric, or two side by side over the same steps, smoothed, on straight or log axes."""

from __future__ import annotations

import numpy as np
import polars as pl
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from app.plots.chart import ChartView
from app.plots.decimate import Floats
from app.plots.series import Chart, Series, line
from app.widgets.layout import row
from app.widgets.text import Label

ALONE = "nothing"


class Curves(QWidget):
    """Draws what :meth:`receive` gets; ``smoothed`` asks for the curves anew with another smoothing (0 to 0.99)."""

    smoothed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._curves: dict[str, pl.DataFrame] = {}
        self._names: dict[str, str] = {}
        self.curve = QComboBox()
        self.curve.setAccessibleName("Curve")
        self.curve.setMinimumWidth(180)
        self.second = QComboBox()
        self.second.setAccessibleName("Second curve")
        self.second.setMinimumWidth(140)
        for box in (self.curve, self.second):
            box.currentTextChanged.connect(self._redraw)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Smoothing")
        self.slider.setRange(0, 99)
        self.slider.setFixedWidth(120)
        self.slider.sliderReleased.connect(self.smoothed)
        self.log_x, self.log_y = QCheckBox("log steps"), QCheckBox("log values")
        for box in (self.log_x, self.log_y):
            box.toggled.connect(self._redraw)
        self.chart, self.beside = ChartView(260), ChartView(260)
        self.beside.zoom_with(self.chart)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 12, 0, 0)
        beside, smoothing = Label("beside", "muted"), Label("Smoothing", "muted")
        chosen = (Label("Curve", "muted"), self.curve, beside, self.second)
        outer.addLayout(row(*chosen, smoothing, self.slider, self.log_x, self.log_y, None))
        charts = QHBoxLayout()
        charts.setSpacing(24)
        for chart in (self.chart, self.beside):
            charts.addWidget(chart, 1)
        outer.addLayout(charts, 1)

    @property
    def smoothing(self) -> float:
        """How much of each value is of those before it."""
        return self.slider.value() / 100

    def expect(self, names: dict[str, str]) -> None:
        """Which runs are compared now: id to name."""
        self._names = names
        self._curves = {run: frame for run, frame in self._curves.items() if run in names}

    def receive(self, run: str, frame: pl.DataFrame) -> None:
        """The curves of one run: name, step, value."""
        if run not in self._names:
            return
        self._curves[run] = frame
        names = sorted({str(name) for one in self._curves.values() for name in one["name"].unique().to_list()})
        liked = next((name for name in names if "auc" in name), names[0] if names else "")
        first = _offer(self.curve, names, liked)
        _offer(self.second, [ALONE, *names], next((name for name in names if name != first), ALONE))
        self._redraw()

    def _redraw(self) -> None:
        self._draw(self.chart, self.curve.currentText())
        second = self.second.currentText()
        self.beside.setVisible(second not in ("", ALONE))
        if self.beside.isVisibleTo(self):
            self._draw(self.beside, second)

    def _draw(self, chart: ChartView, metric: str) -> None:
        shown: list[Series] = []
        for place, (run, frame) in enumerate(self._curves.items()):
            part = frame.filter(pl.col("name") == metric).sort("step")
            if part.height:
                x = _axis(part["step"].to_numpy() + (1 if self.log_x.isChecked() else 0), self.log_x.isChecked())
                y = _axis(part["value"].to_numpy(), self.log_y.isChecked())
                shown.append(line(self._names.get(run, run), x, y, place, marks=part.height < 40))
        title = metric.replace("_", " ")
        x_title = "log₁₀ (step + 1)" if self.log_x.isChecked() else "step"
        y_title = f"log₁₀ {title}" if self.log_y.isChecked() else title
        chart.show_chart(Chart(title, x_title, y_title, shown, nothing="This run logged no curve"))


def _offer(box: QComboBox, names: list[str], liked: str) -> str:
    """Let the user choose among these; what was chosen stays, else it is ``liked``. Returns what is chosen now."""
    kept = box.currentText()
    box.blockSignals(True)
    box.clear()
    box.addItems(names)
    box.setCurrentText(kept if kept in names else liked)
    box.blockSignals(False)
    return box.currentText()


def _axis(values: Floats, logarithmic: bool) -> Floats:
    """Values as they are drawn; what has no logarithm is left out."""
    numbers = values.astype(np.float64)
    return np.log10(np.where(numbers > 0, numbers, np.nan)) if logarithmic else numbers
