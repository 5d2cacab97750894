"""Runs at the left; curves, parameters and inputs of the chosen ones at the right."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QComboBox, QTabWidget, QVBoxLayout, QWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.experiments.model import ExperimentsModel
from app.plots.chart import ChartView
from app.plots.series import Chart, Series, line
from app.tables import format as fmt
from app.tables.view import Table
from app.widgets.layout import Card, row
from app.widgets.states import EmptyState
from app.widgets.text import Label

RUNS = {
    "name": "Run",
    "trainer": "Trainer",
    "state": "State",
    "model": "Registered as",
    "roc_auc": "ROC-AUC, test",
    "validate_auc": "Validation",
    "brier": "Brier, test",
    "seconds": "Took",
    "started_at": "Started (UTC)",
    "author": "By",
}
MOST = 6


def facts_frame(groups: dict[str, Any]) -> pl.DataFrame:
    """Nested facts as rows of group, name and value."""
    out = []
    for group, values in groups.items():
        pairs = values.items() if isinstance(values, dict) else enumerate(values or [])
        out += [{"group": group, "name": str(name), "value": fmt.anything(value)} for name, value in pairs]
    return pl.DataFrame(out, schema={"group": pl.String, "name": pl.String, "value": pl.String})


class View(Page):
    """Training runs and their curves; select several to compare them."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = ExperimentsModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self._curves: dict[str, pl.DataFrame] = {}
        self._names: dict[str, str] = {}
        self.runs = Table("Runs", many=True)
        self.runs.chosen.connect(self._choose)
        self.curve = QComboBox()
        self.curve.setAccessibleName("Curve")
        self.curve.setMinimumWidth(180)
        self.curve.currentTextChanged.connect(self._draw)
        self.chart = ChartView(260)
        self.facts = Table("Facts of the run")
        self.inputs = Table("Inputs and artefacts of the run")
        self.tabs = QTabWidget()
        curves = QWidget()
        box = QVBoxLayout(curves)
        box.setContentsMargins(0, 12, 0, 0)
        box.addLayout(row(Label("Curve", "muted"), self.curve, None))
        box.addWidget(self.chart, 1)
        self.tabs.addTab(curves, "Curves")
        self.tabs.addTab(self.facts, "Parameters and metrics")
        self.tabs.addTab(self.inputs, "Inputs and artefacts")
        self.detail = Card("Run").add(self.tabs)
        table = Card("Runs", f"select up to {MOST} to compare their curves").add(self.runs)
        content = self.split(table, self.detail, sizes=(2, 3), vertical=True)
        self.build(content, EmptyState("No run yet", "Train the candidates of plimsoll.yaml with 'plimsoll train'."))

    def load(self) -> None:
        self.states.loading()
        self.model.runs(self._show)

    def open_item(self, item: str) -> None:
        self._wanted = item
        if self.runs.model() is not None:
            self.runs.select("run", item)

    def _show(self, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            self.states.empty()
            return
        running = frame.filter(pl.col("state") == "running").height if "state" in frame.columns else 0
        self.describe(f"{frame.height} runs" + (f", {running} running" if running else ""))
        self.runs.show_frame(frame, RUNS, key="run")
        self.states.full()
        if not (self._wanted and self.runs.select("run", self._wanted)):
            self.runs.choose_first()

    def _choose(self, _row: dict[str, Any]) -> None:
        chosen = self.runs.selected()[:MOST]
        if not chosen:
            return
        self._wanted = str(chosen[0]["run"])
        self._names = {str(r["run"]): str(r.get("name") or r["run"]) for r in chosen}
        self.detail.heading.setText(" · ".join(self._names.values()))
        self.detail.note.say(self._wanted if len(chosen) == 1 else f"{len(chosen)} runs")
        self._curves = {name: frame for name, frame in self._curves.items() if name in self._names}
        self.model.run(self._wanted, self._show_run)
        for name in self._names:
            self.model.curves(name, lambda frame, run=name: self._receive(run, frame))

    def _show_run(self, answer: dict[str, Any]) -> None:
        environment = dict(answer.get("environment") or {})
        packages = environment.pop("packages", None) or {}
        groups = {
            "metric": answer.get("metrics") or {},
            "parameter": {"seed": answer.get("seed"), **(answer.get("parameters") or {})},
            "resource": answer.get("resources") or {},
            "environment": environment,
            "package": packages,
        }
        self.facts.show_frame(facts_frame(groups), {"group": "Kind", "name": "Name", "value": "Value"})
        given = {"input": answer.get("inputs") or {}, "artefact": answer.get("artefacts") or {}}
        self.inputs.show_frame(facts_frame(given), {"group": "Kind", "name": "Name", "value": "Digest"})

    def _receive(self, run: str, frame: pl.DataFrame) -> None:
        if run not in self._names:
            return
        self._curves[run] = frame
        names = sorted({str(n) for one in self._curves.values() for n in one["name"].unique().to_list()})
        kept = self.curve.currentText()
        self.curve.blockSignals(True)
        self.curve.clear()
        self.curve.addItems(names)
        liked = kept if kept in names else next((name for name in names if "auc" in name), "")
        if liked:
            self.curve.setCurrentText(liked)
        self.curve.blockSignals(False)
        self._draw(self.curve.currentText())

    def _draw(self, metric: str) -> None:
        shown: list[Series] = []
        for place, (run, frame) in enumerate(self._curves.items()):
            part = frame.filter(pl.col("name") == metric).sort("step")
            if part.height:
                shown.append(
                    line(
                        self._names.get(run, run),
                        part["step"].to_list(),
                        part["value"].to_list(),
                        place,
                        marks=part.height < 40,
                    )
                )
        self.chart.show_chart(
            Chart(metric.replace("_", " "), "step", metric.replace("_", " "), shown, nothing="This run logged no curve")
        )
