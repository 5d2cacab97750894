"""All runs that are shown, as a scatter of any two columns and as parallel coordinates."""

from __future__ import annotations

import numpy as np
import polars as pl
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from app.plots.chart import ChartView
from app.plots.decimate import Floats
from app.plots.series import Chart, Series, points
from app.widgets.layout import row
from app.widgets.text import Label

MOST_LINES = 400  # of parallel coordinates: more are a carpet
BANDS = ("lowest third", "middle third", "highest third")


def numeric(frame: pl.DataFrame) -> dict[str, Floats]:
    """Columns as numbers (n,): parameters whose texts are numbers too; without those that have no number at all."""
    out = {}
    for name in frame.columns:
        if not (name.startswith(("metrics.", "params.")) or name == "seconds" or frame[name].dtype == pl.Float64):
            continue
        values = frame[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
        if np.isfinite(values).any():
            out[name] = values
    return out


class Scatter(QWidget):
    """Any two columns against each other."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: dict[str, Floats] = {}
        self.across, self.up = QComboBox(), QComboBox()
        for box, name in ((self.across, "Across"), (self.up, "Up")):
            box.setAccessibleName(name)
            box.setMinimumWidth(160)
            box.currentTextChanged.connect(self._draw)
        self.chart = ChartView(260)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 12, 0, 0)
        outer.addLayout(row(Label("Across", "muted"), self.across, Label("Up", "muted"), self.up, None))
        outer.addWidget(self.chart, 1)

    def show_runs(self, frame: pl.DataFrame) -> None:
        """Draw these runs."""
        self._columns = numeric(frame)
        names = [*self._columns]
        for box, place in ((self.across, 0), (self.up, 1)):
            kept = box.currentText()
            box.blockSignals(True)
            box.clear()
            box.addItems(names)
            box.setCurrentText(kept if kept in names else names[min(place, len(names) - 1)] if names else "")
            box.blockSignals(False)
        self._draw()

    def _draw(self) -> None:
        x, y = self._columns.get(self.across.currentText()), self._columns.get(self.up.currentText())
        if x is None or y is None:
            self.chart.show_chart(Chart("", "", "", [], nothing="No column of these runs holds numbers"))
            return
        both = np.isfinite(x) & np.isfinite(y)
        shown = [points("runs", x[both], y[both])]
        title = f"{int(both.sum()):,} runs"
        self.chart.show_chart(Chart(title, self.across.currentText(), self.up.currentText(), shown))


class Parallel(QWidget):
    """Each run a line over its columns, scaled to their ranges, coloured by thirds of the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.chart = ChartView(260)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 12, 0, 0)
        outer.addWidget(self.chart, 1)

    def show_runs(self, frame: pl.DataFrame) -> None:
        """Draw these runs, the first hundreds of them."""
        columns = numeric(frame.head(MOST_LINES))
        order = sorted(columns, key=lambda name: (not name.startswith("params."), name.startswith("metrics.")))
        if len(order) < 2:
            self.chart.show_chart(Chart("", "", "", [], nothing="Choose two columns with numbers or more"))
            return
        scaled = np.column_stack([_scaled(columns[name]) for name in order])
        title = f"{len(scaled):,} of {frame.height:,} runs" if frame.height > len(scaled) else f"{len(scaled):,} runs"
        series = lines_by_thirds(scaled)
        self.chart.show_chart(Chart(title, "", "from least to most", series, labels=order, y_range=(0, 1)))


def lines_by_thirds(scaled: Floats) -> list[Series]:
    """Rows (n, columns) as three sets of broken lines, by where their last value lies."""
    place = np.arange(scaled.shape[1] + 1, dtype=np.float64)
    place[-1] = np.nan
    third = np.clip((np.nan_to_num(scaled[:, -1]) * 3).astype(int), 0, 2)
    out = []
    for number, name in enumerate(BANDS):
        rows = scaled[third == number]
        if len(rows):
            broken = np.column_stack([rows, np.full(len(rows), np.nan)])
            out.append(Series(name, np.tile(place, len(rows)), broken.ravel(), colour=number))
    return out


def _scaled(values: Floats) -> Floats:
    """Values from 0, the least of them, to 1, the most."""
    least, most = np.nanmin(values), np.nanmax(values)
    return (values - least) / (most - least) if most > least else np.where(np.isfinite(values), 0.5, np.nan)
