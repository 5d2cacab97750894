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
    fairness_pairs,
    gates_frame,
    groups_frame,
    metrics_frame,
    months_frame,
    slices_frame,
    tests_frame,
)
from app.plots.chart import ChartView
from app.plots.series import Chart, band, line, reliability
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
    Column("interval", "95 % interval"),
    Column("difference", "To the rest", fmt.signed, "number"),
    Column("error_rate", "Error rate", fmt.share, "number"),
    Column("error", "To the rest", fmt.signed, "number"),
    Column("harm", "Loss added", fmt.one, "number"),
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
            ("mean_score", "Mean score"),
        )
    ),
    Column("calibration_gap", "Score to rate", fmt.signed, "number"),
    Column("ece", "ECE", fmt.score, "number"),
]
METRICS = [
    Column("metric", "Metric"),
    Column("value", "Value", fmt.number, "number"),
    Column("interval", "95 % interval"),
    Column("method", "Interval by"),
]
TESTS = [
    Column("metric", "Metric"),
    Column("this", "This", fmt.number, "number"),
    Column("champion", "Champion", fmt.number, "number"),
    Column("difference", "Difference", fmt.signed, "number"),
    Column("interval", "95 % interval"),
    Column("p", "p", fmt.probability, "number"),
    Column("method", "Test"),
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
        self.choice.setMinimumWidth(360)
        self.choice.currentIndexChanged.connect(self._chosen)
        self.header_widgets = [self.choice]
        self.auc, self.brier = KeyFigure("ROC-AUC"), KeyFigure("Brier score")
        self.ece, self.verdict = KeyFigure("Calibration error"), KeyFigure("Gates")
        self.calibration, self.roc, self.pr = ChartView(240), ChartView(240), ChartView(240)
        self.confusion, self.fairness = KeyValueGrid(columns=3), KeyValueGrid(columns=3)
        self.compared = Label("", "muted", wrap=True)
        self.tests, self.cost = Table("Tests against the champion"), ChartView(150)
        self.gates, self.slices, self.groups = Table("Gates"), Table("Slices"), Table("Groups")
        self.metrics, self.months = Table("Metrics"), Table("Months")
        figures = row(self.auc, self.brier, self.ece, self.verdict, gap=16)
        charts = row(self._card(self.roc), self._card(self.pr), self._card(self.calibration), gap=16)
        self.tabs = QTabWidget()
        for widget, title in (
            (self.gates, "Gates"),
            (self.slices, "Slices"),
            (_stacked(self.fairness, self.groups), "Groups"),
            (_stacked(self.compared, self.tests), "Champion"),
            (self.metrics, "All metrics"),
            (_stacked(self.confusion, self.cost), "Threshold"),
            (self.months, "By month"),
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

    def load(self) -> None:
        self.states.loading()
        self.model.evaluations(self._show_list)

    def open_item(self, item: str) -> None:
        """An evaluation by its own id or its run's, and after ``#`` which part of it."""
        self._wanted, _, part = item.partition("#")
        self.tabs.setCurrentIndex(0 if part == "gates" else self.tabs.currentIndex())
        place = self._place(self._wanted)
        if place >= 0:
            self.choice.setCurrentIndex(place)

    def _place(self, name: str) -> int:
        found = [i for i in range(self.choice.count()) if name in self.choice.itemData(i)] if name else []
        return found[0] if found else -1

    def _show_list(self, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            self.states.empty()
            return
        self.choice.blockSignals(True)
        self.choice.clear()
        for one in frame.iter_rows(named=True):
            words = (one["name"], fmt.score(one["roc_auc"]), f"gates {one['gates'] or 'not run'}")
            text = "   ".join((*words, fmt.when(one["created_at"])))
            self.choice.addItem(text, [str(one["evaluation"]), str(one["run"])])
        wanted = self._place(self._wanted)
        passed = frame["gates"].to_list()
        self.choice.setCurrentIndex(wanted if wanted >= 0 else passed.index("passed") if "passed" in passed else 0)
        self.choice.blockSignals(False)
        self._chosen(self.choice.currentIndex())

    def _chosen(self, index: int) -> None:
        names = self.choice.itemData(index)
        if names:
            self._wanted = str(names[0])
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
        self.fairness.show_pairs(fairness_pairs(fairness))
        self.tests.show_frame(tests_frame(report.get("champion")), TESTS)
        self.months.show_frame(months_frame(report.get("stability") or []), MONTHS)
        self.metrics.show_frame(metrics_frame(metrics), METRICS)
        worse = slices_frame(slices).filter(pl.col("state") == "worse").height
        self.tabs.setTabText(0, f"Gates ({len(gates)})")
        self.tabs.setTabText(1, f"Slices ({worse} of {len(slices)} worse)")
        if fairness:
            self.tabs.setTabText(2, f"Groups by {fairness.get('feature')}")
        self._show_threshold(report)
        self.describe(
            f"{fmt.number(report.get('rows'))} rows, {fmt.day(report.get('first_prediction'))} "
            f"to {fmt.day(report.get('last_prediction'))}"
        )
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
        x = [b.get("score") for b in bins]
        shown = reliability("Calibration", x, [b.get("observed") for b in bins])
        if any(b.get("low") is not None for b in bins):
            shown.series.insert(0, band("95 %", x, [b.get("low") for b in bins], [b.get("high") for b in bins]))
        self.calibration.show_chart(shown)

    def _show_threshold(self, report: dict[str, Any]) -> None:
        c = report.get("confusion") or {}
        names = (
            ("threshold", "Threshold"),
            ("tp", "True positives"),
            ("fp", "False positives"),
            ("cost", "Mean cost a row"),
            ("fn", "False negatives"),
            ("tn", "True negatives"),
        )
        self.confusion.show_pairs((title, fmt.number(c.get(name))) for name, title in names)
        points = report.get("thresholds") or []
        cost = line("cost a row", [p["threshold"] for p in points], [p["cost"] for p in points])
        title = f"Cost by threshold ({report.get('threshold_source') or 'as set'})"
        self.cost.show_chart(Chart(title, "threshold", "cost a row", [cost], x_range=(0, 1)))
        self.compared.setText(comparison_text(report.get("champion")))


def _stacked(upper: QWidget, lower: QWidget) -> QWidget:
    made = QWidget()
    box = column(upper, lower, gap=12, margins=(0, 12, 0, 0))
    box.setStretch(1, 1)
    made.setLayout(box)
    return made
