"""One report: figures, gates, calibration, curves, slices, groups, reasons, errors; of any kind of label."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QComboBox, QTabWidget, QWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.evaluation import columns, insight
from app.pages.evaluation.failures import Failures
from app.pages.evaluation.model import (
    EvaluationModel,
    comparison_text,
    fairness_pairs,
    found_frame,
    gates_frame,
    groups_frame,
    headline,
    loss_slices_frame,
    metrics_frame,
    months_frame,
    slices_frame,
    task_months_frame,
    tests_frame,
)
from app.pages.evaluation.reasons import Reasons
from app.pages.evaluation.threshold import ThresholdExplorer
from app.plots.chart import ChartView
from app.plots.series import Chart, band, line, reliability
from app.tables import format as fmt
from app.tables.view import Table
from app.widgets.figure import KeyFigure, KeyValueGrid
from app.widgets.layout import Card, column, row
from app.widgets.states import EmptyState
from app.widgets.text import Label


class View(Page):
    """Quality, calibration, slices, reasons, errors and gates."""

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
        self.figures = [KeyFigure("ROC-AUC"), KeyFigure("Brier score"), KeyFigure("Calibration error")]
        self.verdict = KeyFigure("Gates")
        self.charts = [ChartView(240) for _ in range(3)]
        self._make_parts()
        figures = row(*self.figures, self.verdict, gap=16)
        charts = row(*(Card().add(chart) for chart in self.charts), gap=16)
        content = QWidget()
        box = column(figures, charts, Card().add(self.tabs), gap=16)
        box.setStretch(1, 3)
        box.setStretch(2, 4)
        content.setLayout(box)
        self.build(content, EmptyState("Nothing has been evaluated", "Evaluate a run with 'plimsoll evaluate RUN'."))

    def _make_parts(self) -> None:
        """The tabs, in the order in which a reviewer asks."""
        self.gates, self.slices, self.found = Table("Gates"), Table("Slices"), Table("Found slices")
        self.fairness, self.groups, self.trade = KeyValueGrid(columns=3), Table("Groups"), ChartView(150)
        self.reasons, self.failures = Reasons(), Failures()
        self.compared, self.tests = Label("", "muted", wrap=True), Table("Tests against the champion")
        self.threshold = ThresholdExplorer()
        self.recalibration, self.gain = Table("Recalibration"), ChartView(150)
        self.matrix, self.classes = Table("True class by row, called class by column"), Table("Classes")
        self.decision, self.decided = Table("Called by least expected cost"), Label("", "muted", wrap=True)
        self.quantiles = ChartView(170)
        self.metrics, self.cost = Table("Metrics"), KeyValueGrid(columns=4)
        self.months = Table("Months")
        self.tabs = QTabWidget()
        self._places: dict[str, int] = {}
        for name, widget, title in (
            ("gates", self.gates, "Gates"),
            ("slices", _stacked(self.found, self.slices, 1, 2), "Slices"),
            ("groups", _beside(_stacked(self.fairness, self.groups), self.trade, 3, 2), "Groups"),
            ("reasons", self.reasons, "Reasons"),
            ("errors", self.failures, "Errors"),
            ("threshold", self.threshold, "Threshold"),
            ("classes", _beside(self.matrix, self.classes), "Classes"),
            ("costs", _stacked(self.decided, self.decision), "Costs"),
            ("residuals", self.quantiles, "Residuals"),
            ("calibration", _beside(self.recalibration, self.gain), "Calibration and gain"),
            ("champion", _stacked(self.compared, self.tests), "Champion"),
            ("metrics", _stacked(self.cost, self.metrics), "All metrics"),
            ("months", self.months, "By month"),
        ):
            self._places[name] = self.tabs.addTab(widget, title)

    def load(self) -> None:
        self.states.loading()
        self.model.evaluations(self._show_list)

    def open_item(self, item: str) -> None:
        """An evaluation by its own id or its run's, and after ``#`` which part of it."""
        self._wanted, _, part = item.partition("#")
        self.tabs.setCurrentIndex(self._places.get(part, self.tabs.currentIndex()))
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
            value = one["roc_auc"] if one.get("value") is None else one["value"]
            words = (one["name"], fmt.score(value), f"gates {one['gates'] or 'not run'}")
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
        """Draw a report, whatever its label is."""
        task = report.get("task") or "binary"
        self._show_gates(report.get("gates") or [])
        for figure, (name, value, note) in zip(self.figures, headline(report), strict=True):
            figure.rename(name)
            figure.say(value, note)
        shown = {"binary": binary_charts, "multiclass": insight.class_charts, "regression": insight.residual_charts}
        for view, chart in zip(self.charts, shown[task](report), strict=True):
            view.show_chart(chart)
        for name, tasks in (
            ("threshold", ("binary",)),
            ("calibration", ("binary",)),
            ("classes", ("multiclass",)),
            ("residuals", ("regression",)),
        ):
            self.tabs.setTabVisible(self._places[name], task in tasks)
        self.tabs.setTabVisible(self._places["costs"], bool(report.get("decision")))
        self._show_binary(report) if task == "binary" else self._show_task(report)
        self._show_shared(report)
        self.describe(
            f"{fmt.number(report.get('rows'))} rows, {fmt.day(report.get('first_prediction'))} "
            f"to {fmt.day(report.get('last_prediction'))}"
        )
        self.states.full()

    def _show_gates(self, gates: list[dict[str, Any]]) -> None:
        failed = [g for g in gates if not g["passed"]]
        blocked = [g for g in failed if g.get("severity") == "block"]
        state = "blocked" if blocked else "warned" if failed else "passed"
        words = ", ".join(str(g["rule"]) for g in failed) or "every rule of the policy holds"
        note = words if gates else "not applied yet"
        self.verdict.say(f"{len(gates) - len(failed)} of {len(gates)}", note, state if gates else "none")
        self.gates.show_frame(gates_frame(gates), columns.GATES, key="rule")
        self.tabs.setTabText(self._places["gates"], f"Gates ({len(gates)})")

    def _show_binary(self, report: dict[str, Any]) -> None:
        """Slices, groups, threshold, calibration and months of a yes or no."""
        self._slices_shown(slices_frame(report.get("slices") or []), columns.SLICES, report)
        fairness = report.get("fairness")
        self._groups_named(fairness.get("feature") if fairness else "")
        self.groups.show_frame(groups_frame(fairness), columns.GROUPS)
        self.fairness.show_pairs(fairness_pairs(fairness))
        self.trade.show_chart(insight.trade_chart(fairness))
        self.threshold.show_report(report)
        self.recalibration.show_frame(
            insight.recalibration_frame(report.get("recalibration") or []), columns.RECALIBRATION
        )
        self.gain.show_chart(insight.gain_chart(report))
        self.months.show_frame(months_frame(report.get("stability") or []), columns.MONTHS)

    def _show_task(self, report: dict[str, Any]) -> None:
        """Slices, groups, classes or residuals, and months of another label."""
        self._slices_shown(loss_slices_frame(report.get("slices") or []), columns.LOSS_SLICES, report)
        self._groups_named(str(report.get("fairness_feature") or ""))
        self.groups.show_frame(loss_slices_frame(report.get("groups") or []), columns.LOSS_SLICES)
        self.fairness.show_pairs([])
        self.trade.show_chart(insight.trade_chart(None))
        self.matrix.show_frame(insight.matrix_frame(report.get("confusion")))
        decision = report.get("decision")
        self.decided.setText(insight.decision_text(decision))
        self.decision.show_frame(insight.decision_frame(decision))
        self.classes.show_frame(insight.classes_frame(report.get("classes") or []), columns.CLASSES)
        self.quantiles.show_chart(insight.quantile_chart(report))
        self.months.show_frame(task_months_frame(report.get("stability") or []))

    def _slices_shown(self, frame: pl.DataFrame, look: list[Any], report: dict[str, Any]) -> None:
        self.slices.show_frame(frame, look, key="slice")
        found = found_frame(report.get("discovered"))
        self.found.show_frame(found, columns.FOUND, key="slice")
        worse = frame.filter(pl.col("state") == "worse").height
        self.tabs.setTabText(self._places["slices"], f"Slices ({worse} of {frame.height} worse, {found.height} found)")

    def _groups_named(self, feature: str) -> None:
        self.tabs.setTabText(self._places["groups"], f"Groups by {feature}" if feature else "Groups")

    def _show_shared(self, report: dict[str, Any]) -> None:
        """What every kind of label has."""
        self.reasons.show_explanation(report.get("explanation"))
        self.failures.show_errors(report.get("errors") or [])
        self.compared.setText(comparison_text(report.get("champion")))
        self.tests.show_frame(tests_frame(report.get("champion")), columns.TESTS)
        self.metrics.show_frame(metrics_frame(report.get("metrics") or {}), columns.METRICS)
        self.cost.show_pairs(insight.cost_pairs(report.get("inference")))


def binary_charts(report: dict[str, Any]) -> list[Chart]:
    """ROC, precision and recall, reliability."""
    made = []
    curves = report.get("curves") or report
    for title, name, x, y in (
        ("ROC curve", "roc", "false positive rate", "true positive rate"),
        ("Precision and recall", "pr", "recall", "precision"),
    ):
        points = curves.get(name) or []
        shown = line(name, [p["x"] for p in points], [p["y"] for p in points])
        made.append(Chart(title, x, y, [shown], y_range=(0, 1), x_range=(0, 1), diagonal=name == "roc"))
    bins = (report.get("calibration") or {}).get("bins") or []
    x_of = [b.get("score") for b in bins]
    shown_bins = reliability("Calibration", x_of, [b.get("observed") for b in bins])
    if any(b.get("low") is not None for b in bins):
        shown_bins.series.insert(0, band("95 %", x_of, [b.get("low") for b in bins], [b.get("high") for b in bins]))
    return [*made, shown_bins]


def _stacked(upper: QWidget, lower: QWidget, first: int = 0, second: int = 1) -> QWidget:
    made = QWidget()
    box = column(upper, lower, gap=12, margins=(0, 12, 0, 0))
    box.setStretch(0, first)
    box.setStretch(1, second)
    made.setLayout(box)
    return made


def _beside(left: QWidget, right: QWidget, first: int = 1, second: int = 1) -> QWidget:
    made = QWidget()
    box = row(left, right, gap=16, margins=(0, 12, 0, 0))
    box.setStretch(0, first)
    box.setStretch(1, second)
    made.setLayout(box)
    return made
