"""Why the model answers as it does: strongest features, one row step by step, and the shape of one feature."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QComboBox, QWidget

from app.pages.evaluation.insight import dependence_chart, effects_frame, explanation_words, row_name, waterfall
from app.plots.chart import ChartView
from app.plots.series import Chart
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.layout import column, row
from app.widgets.text import Label

EFFECTS = [
    Column("feature", "Feature"),
    Column("size", "Mean |value|", fmt.score, "number"),
    Column("error", "±", fmt.score, "number"),
    Column("direction", "Direction", fmt.signed, "number"),
]


class Reasons(QWidget):
    """Effects at the left; a row's waterfall and a feature's dependence at the right."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, Any] = {}
        self.words = Label("", "muted", wrap=True)
        self.effects = Table("What moves the answers")
        self.effects.chosen.connect(self._feature_chosen)
        self.rows = QComboBox()
        self.rows.setAccessibleName("Row to explain")
        self.rows.currentIndexChanged.connect(self._show_row)
        self.waterfall, self.dependence = ChartView(200), ChartView(200)
        charts = row(self.waterfall, self.dependence, gap=16)
        charts.setStretch(0, 3)
        charts.setStretch(1, 2)
        right = QWidget()
        box = column(
            row(Label("Row", "muted"), self.rows, None, gap=8),
            charts,
            gap=8,
            margins=(0, 0, 0, 0),
        )
        box.setStretch(1, 1)
        right.setLayout(box)
        lower = row(self.effects, right, gap=16)
        lower.setStretch(0, 2)
        lower.setStretch(1, 5)
        outer = column(self.words, lower, gap=8, margins=(0, 12, 0, 0))
        outer.setStretch(1, 1)
        self.setLayout(outer)

    def show_explanation(self, found: dict[str, Any] | None) -> None:
        """Another report's reasons."""
        self._found = found or {}
        self.words.setText(explanation_words(found))
        self.effects.show_frame(effects_frame(found), EFFECTS, key="feature")
        self.rows.blockSignals(True)
        self.rows.clear()
        for one in self._found.get("explained") or []:
            self.rows.addItem(row_name(one))
        self.rows.blockSignals(False)
        self._show_row(0)
        shown = self._found.get("dependence") or []
        self._show_feature(shown[0]["feature"] if shown else "")

    def _show_row(self, index: int) -> None:
        explained = self._found.get("explained") or []
        known = 0 <= index < len(explained)
        nothing = Chart("One row, step by step", "", "", [], nothing="No row was explained")
        self.waterfall.show_chart(waterfall(self._found, explained[index]) if known else nothing)

    def _feature_chosen(self, one: dict[str, Any]) -> None:
        self._show_feature(str(one["feature"]))

    def _show_feature(self, name: str) -> None:
        shown = [one for one in self._found.get("dependence") or [] if one["feature"] == name]
        words = (
            f"Dependence of {name} was not recorded: only the strongest features are"
            if name
            else "Nothing was recorded"
        )
        nothing = Chart("Answer by feature", "", "", [], nothing=words)
        self.dependence.show_chart(dependence_chart(shown[0]) if shown else nothing)
