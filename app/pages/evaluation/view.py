"""One report: figures, gates, calibration, curves, slices, groups."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QComboBox, QTabWidget, QWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.evaluation.model import (
    EvaluationModel,
    comparison_text,
    estimate,
    gates_frame,
    groups_frame,
    metrics_frame,
    months_frame,
    slices_frame,
)
from app.plots.chart import ChartView
from app.plots.series import Chart, line, reliability
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.figure import KeyFigure, KeyValueGrid
from app.widgets.layout import Card, column, row
from app.widgets.states import EmptyState
from app.widgets.text import Label

GATES = {"state": "Outcome", "rule": "Rule", "fact": "Fact", "asked": "Asked", "observed": "Observed", "why": "Why"}
SLICES = [
    Column("state", "State", kind="badge"),
    Column("slice", "Slice"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("base_rate", "Base rate", fmt.share, "number"),
    Column("roc_auc", "ROC-AUC", fmt.score, "number"),
    Column("low", "Low", fmt.score, "number"),
    Column("high", "High", fmt.score, "number"),
    Column("difference", "To the rest", fmt.score, "number"),
    Column("error_rate", "Error rate", fmt.share, "number"),
]
GROUPS = [
    Column("group", "Group"),
    Column("rows", "Rows", fmt.number, "number"),
    *(
        Column(name, title, fmt.share, "number")
        for name, title in (
            ("base_rate", "Base rate"),
            ("selection_rate", "Selection rate"),
            ("tpr", "True positive rate"),
            ("fpr", "False positive rate"),
        )
    ),
]
METRICS = [
    Column("metric", "Metric"),
    *(Column(n, n.capitalize(), fmt.number, "number") for n in ("value", "low", "high")),
]

MONTHS = [
    Column("month", "Month"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("base_rate", "Base rate", fmt.share, "number"),
    *(
        Column(n, t, fmt.score, "number")
        for n, t in (("roc_auc", "ROC-AUC"), ("low", "Low"), ("high", "High"), ("brier", "Brier"), ("ece", "ECE"))
    ),
]


class View(Page):
    """Quality, calibration, slices and gates."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = EvaluationModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self.choice = QComboBox()
        self.choice.setAccessibleName("Evaluation")
        self.choice.setMinimumWidth(280)
        self.choice.currentIndexChanged.connect(self._chosen)
        self.header_widgets = [self.choice]
        self.auc, self.brier = KeyFigure("ROC-AUC"), KeyFigure("Brier score")
        self.ece, self.verdict = KeyFigure("Calibration error"), KeyFigure("Gates")
        self.calibration, self.roc, self.pr = ChartView(240), ChartView(240), ChartView(240)
        self.confusion = KeyValueGrid()
        self.compared = Label("", "muted", wrap=True)
        self.gates, self.slices, self.groups = Table("Gates"), Table("Slices"), Table("Groups")
        self.metrics, self.months = Table("Metrics"), Table("Months")
        figures = row(self.auc, self.brier, self.ece, self.verdict, gap=16)
        charts = row(self._card(self.roc), self._card(self.pr), self._card(self.calibration), gap=16)
        self.tabs = QTabWidget()
        for widget, title in (
            (self.gates, "Gates"),
            (self.slices, "Slices"),
            (self.groups, "Groups"),
            (self.months, "By month"),
            (self.metrics, "All metrics"),
            (self._threshold(), "Threshold and champion"),
        ):
            self.tabs.addTab(widget, title)
        lower = Card().add(self.tabs)
        content = QWidget()
        box = column(figures, charts, lower, gap=16)
        box.setStretch(1, 3)
        box.setStretch(2, 3)
        content.setLayout(box)
        self.build(content, EmptyState("Nothing has been evaluated", "Evaluate a run with 'plimsoll evaluate RUN'."))

    def _card(self, chart: ChartView) -> Card:
        return Card().add(chart)

    def _threshold(self) -> QWidget:
        made = QWidget()
        box = column(
            self.confusion, Label("Against the champion", "strong"), self.compared, None, gap=12, margins=(0, 16, 0, 0)
        )
        made.setLayout(box)
        return made

    def load(self) -> None:
        self.states.loading()
        self.model.evaluations(self._show_list)

    def open_item(self, item: str) -> None:
        self._wanted = item
        place = self.choice.findData(item)
        if place >= 0:
            self.choice.setCurrentIndex(place)

    def _show_list(self, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            self.states.empty()
            return
        self.choice.blockSignals(True)
        self.choice.clear()
        for one in frame.iter_rows(named=True):
            name = str(one.get("name") or one.get("run") or one["evaluation"])
            self.choice.addItem(f"{name}   {fmt.when(one.get('created_at'))}", str(one["evaluation"]))
        self.choice.setCurrentIndex(max(0, self.choice.findData(self._wanted)))
        self.choice.blockSignals(False)
        self._chosen(self.choice.currentIndex())

    def _chosen(self, index: int) -> None:
        self._wanted = str(self.choice.itemData(index) or "")
        if self._wanted:
            self.model.evaluation(self._wanted, self._show)

    def _show(self, report: dict[str, Any]) -> None:
        metrics, gates = report.get("metrics") or {}, report.get("gates") or []
        self._show_figures(metrics, gates, report)
        self._show_charts(report)
        self.gates.show_frame(gates_frame(gates), GATES, key="rule")
        slices = report.get("slices") or []
        self.slices.show_frame(slices_frame(slices), SLICES, key="slice")
        fairness = report.get("fairness")
        self.groups.show_frame(groups_frame(fairness), GROUPS)
        self.months.show_frame(months_frame(report.get("stability") or []), MONTHS)
        self.metrics.show_frame(metrics_frame(metrics), METRICS)
        for place, (title, count) in enumerate((("Gates", len(gates)), ("Slices", len(slices)))):
            self.tabs.setTabText(place, f"{title} ({count})")
        self._show_threshold(report)
        self.describe(f"{fmt.number(report.get('rows'))} rows of the test period")
        self.states.full()

    def _show_figures(self, metrics: dict[str, Any], gates: list[dict[str, Any]], report: dict[str, Any]) -> None:
        for figure, value in ((self.auc, metrics.get("roc_auc")), (self.brier, metrics.get("brier"))):
            middle, low, high = estimate(value)
            figure.say(fmt.score(middle), fmt.interval(low, high))
        calibration = report.get("calibration") or {}
        ece, _low, _high = estimate(calibration.get("ece", metrics.get("ece")))
        self.ece.say(fmt.score(ece), f"largest in one bin {fmt.score(calibration.get('mce'))}")
        failed = [g for g in gates if not g["passed"]]
        blocked = [g for g in failed if g.get("severity") == "block"]
        state = "blocked" if blocked else "warned" if failed else "passed"
        note = ", ".join(str(g["rule"]) for g in failed) or "every rule of the policy holds"
        self.verdict.say(f"{len(gates) - len(failed)} of {len(gates)}", note, state if gates else "none")

    def _show_charts(self, report: dict[str, Any]) -> None:
        curves = report.get("curves") or report
        for view, name, x, y in (
            (self.roc, "roc", "false positive rate", "true positive rate"),
            (self.pr, "pr", "recall", "precision"),
        ):
            points = curves.get(name) or []
            shown = line(name, [p["x"] for p in points], [p["y"] for p in points])
            title = "ROC curve" if name == "roc" else "Precision and recall"
            view.show_chart(Chart(title, x, y, [shown], y_range=(0, 1), x_range=(0, 1), diagonal=name == "roc"))
        bins = (report.get("calibration") or {}).get("bins") or []
        self.calibration.show_chart(
            reliability("Reliability", [b.get("score") for b in bins], [b.get("observed") for b in bins])
        )

    def _show_threshold(self, report: dict[str, Any]) -> None:
        c = report.get("confusion") or {}
        names = (
            ("threshold", "Threshold"),
            ("tp", "True positives"),
            ("fp", "False positives"),
            ("fn", "False negatives"),
            ("tn", "True negatives"),
            ("cost", "Mean cost a row"),
        )
        self.confusion.show_pairs((title, fmt.number(c.get(name))) for name, title in names)
        self.compared.setText(comparison_text(report.get("champion")))
