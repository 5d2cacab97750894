"""The threshold explorer: move the threshold or a cost, and counts, figures and the curve follow at once."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDoubleSpinBox, QSlider, QWidget

from app.pages.evaluation.costs import CELLS, Costs, cheapest, figures, mean_cost, nearest, steps_of
from app.plots.chart import ChartView
from app.plots.series import Chart, line, points
from app.tables import format as fmt
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import button, column, row
from app.widgets.text import Label

COST_WORDS = {"fp": "a false alarm", "fn": "a miss", "tp": "a hit", "tn": "a right no"}
WORDS = {
    "called": "Called positive",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "false_positive_rate": "False positive rate",
    "f1": "F1",
    "cost": "Cost a row",
}


class ThresholdExplorer(QWidget):
    """A slider over the report's thresholds, four costs, counts, figures, and the cost curve."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[dict[str, Any]] = []
        self._source = ""
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Threshold")
        self.slider.valueChanged.connect(self._moved)
        self.value = Label("–", "strong")
        self.best = button("Cheapest", tip="Move to the threshold of least cost on these rows")
        self.best.clicked.connect(self._to_cheapest)
        self.reset = button("As reported", tip="Back to the threshold and costs of the report")
        self.reset.clicked.connect(self._as_reported)
        self.costs = {cell: self._spin(cell) for cell in COST_WORDS}
        self.counts, self.figures = KeyValueGrid(columns=2), KeyValueGrid(columns=1)
        self.curve = ChartView(170)
        self._report: dict[str, Any] = {}
        spins = [
            part for cell in COST_WORDS for part in (Label(f"Cost of {COST_WORDS[cell]}", "muted"), self.costs[cell])
        ]
        left = QWidget()
        left.setMinimumWidth(360)
        left.setLayout(column(self.counts, self.figures, None, gap=10, margins=(0, 0, 0, 0)))
        lower = row(left, self.curve, gap=16)
        lower.setStretch(1, 1)
        box = column(
            row(Label("Threshold", "muted"), self.slider, self.value, self.best, self.reset, gap=10),
            row(*spins, None, gap=8),
            lower,
            gap=10,
            margins=(0, 12, 0, 0),
        )
        box.setStretch(2, 1)
        self.setLayout(box)

    def _spin(self, cell: str) -> QDoubleSpinBox:
        made = QDoubleSpinBox()
        made.setRange(-1e6, 1e6)
        made.setDecimals(2)
        made.setMaximumWidth(110)
        made.setAccessibleName(f"Cost of {COST_WORDS[cell]}")
        made.valueChanged.connect(self._moved)
        return made

    def show_report(self, report: dict[str, Any]) -> None:
        """Start from the report's own threshold and costs."""
        self._report, self._steps = report, steps_of(report)
        self._source = str(report.get("threshold_source") or "as set")
        self.setEnabled(bool(self._steps))
        self._as_reported()

    def _as_reported(self) -> None:
        given = {"fp": self._report.get("cost_false_positive", 1.0), "fn": self._report.get("cost_false_negative", 1.0)}
        for cell, spin in self.costs.items():
            spin.blockSignals(True)
            spin.setValue(float(given.get(cell, 0.0) or 0.0))
            spin.blockSignals(False)
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, len(self._steps) - 1))
        if self._steps:
            self.slider.setValue(nearest(self._steps, float(self._report.get("threshold") or 0.0)))
        self.slider.blockSignals(False)
        self._moved()

    def _chosen_costs(self) -> Costs:
        return Costs(**{cell: self.costs[cell].value() for cell in CELLS})

    def _to_cheapest(self) -> None:
        if self._steps:
            self.slider.setValue(cheapest(self._steps, self._chosen_costs()))

    def _moved(self) -> None:
        """Everything that depends on threshold and costs, from the counts at hand."""
        if not self._steps:
            self.counts.show_pairs([])
            self.figures.show_pairs([])
            self.curve.show_chart(Chart("Cost by threshold", "threshold", "cost a row", []))
            return
        costs, step = self._chosen_costs(), self._steps[self.slider.value()]
        self.value.setText(f"{float(step['threshold']):.3f}")
        names = (
            ("tp", "Positive, called"),
            ("fn", "Positive, missed"),
            ("fp", "Negative, called"),
            ("tn", "Negative, not called"),
        )
        self.counts.show_pairs((title, fmt.number(step[cell])) for cell, title in names)
        shown = figures(step, costs)
        self.figures.show_pairs((WORDS[name], fmt.score(shown[name])) for name in WORDS)
        at = [float(one["threshold"]) for one in self._steps]
        curve = line("cost a row", at, [mean_cost(one, costs) for one in self._steps])
        here = points("chosen", [float(step["threshold"])], [mean_cost(step, costs)], colour=1)
        title = f"Cost by threshold ({self._source})"
        self.curve.show_chart(Chart(title, "threshold", "cost a row", [curve, here], x_range=(0, 1)))
