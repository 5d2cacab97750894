"""Service, data, model and use side by side; windows, drift, objectives, decisions, incidents."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QTabWidget, QWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.monitoring.columns import ALERTS, DECISIONS, DRIFT, INCIDENTS, SLOS, WINDOWS
from app.pages.monitoring.model import (
    MonitoringModel,
    decisions_frame,
    drift_frame,
    playbook_text,
    slo_frame,
    windows_frame,
)
from app.plots.chart import ChartView
from app.plots.series import Chart, band, line
from app.tables import format as fmt
from app.tables.view import Table
from app.widgets.figure import KeyFigure
from app.widgets.layout import Card, Scrolled, column, row
from app.widgets.states import EmptyState
from app.widgets.text import Label
from app.widgets.timeline import Happening, Timeline

FIGURES = ("Availability", "Drifted columns", "ROC-AUC, newest window", "Serving parity", "Share warned")


class View(Page):
    """Quality, drift and objectives in production."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = MonitoringModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self.figures = [KeyFigure(name) for name in FIGURES]
        self.quality, self.latency = ChartView(216), ChartView(216)
        self.drift, self.slos, self.windows = Table("Drift"), Table("Objectives"), Table("Windows")
        self.decisions, self.alerts, self.incidents = Table("Decisions"), Table("Alerts"), Table("Incidents")
        self.incidents.chosen.connect(self._choose_incident)
        self.tabs = QTabWidget()
        for widget, title in (
            (self.drift, "Drift"),
            (self.slos, "Objectives"),
            (self.windows, "Windows"),
            (self.decisions, "Decisions"),
            (self._incidents(), "Incidents"),
            (self.alerts, "Alerts"),
        ):
            self.tabs.addTab(widget, title)
        charts = row(Card().add(self.quality), Card().add(self.latency), gap=16)
        charts.setStretch(0, 3)
        charts.setStretch(1, 2)
        content = QWidget()
        box = column(row(*self.figures, gap=12), charts, Card().add(self.tabs), gap=16)
        box.setStretch(1, 2)
        box.setStretch(2, 3)
        content.setLayout(box)
        self.build(
            content,
            EmptyState(
                "Nothing runs in production yet",
                "Push a signed release to a target; its requests are measured here by window.",
            ),
        )

    def _incidents(self) -> QWidget:
        self.story, self.playbook = Timeline(), Label("", wrap=True, select=True)
        right = Scrolled()
        for part in (Label("Timeline", "strong"), self.story, Label("Playbook", "strong"), self.playbook):
            right.body.addWidget(part)
        right.body.addStretch(1)
        right.body.setContentsMargins(0, 8, 4, 0)
        right.body.setSpacing(8)
        return self.split(self.incidents, right, sizes=(1, 1))

    def load(self) -> None:
        self.states.loading()
        self.model.monitoring(self._show)
        self.model.alerts(self._show_alerts)
        self.model.incidents(self._show_incidents)

    def open_item(self, item: str) -> None:
        self._wanted = item
        if self.incidents.model() is not None and self.incidents.select("incident", item):
            self.tabs.setCurrentIndex(4)

    def _show(self, answer: dict[str, Any] | None) -> None:
        if not answer or not answer.get("windows"):
            self.describe("")
            self.states.empty()
            return
        windows, drift = answer["windows"], answer.get("drift") or []
        self._show_figures(answer, drift)
        self._show_quality(windows)
        self._show_latency(windows)
        self.drift.show_frame(drift_frame(drift), DRIFT, key="column")
        self.slos.show_frame(slo_frame(answer.get("slos") or []), SLOS, key="name")
        self.windows.show_frame(windows_frame(windows), WINDOWS, key="window")
        decisions = decisions_frame(answer.get("decisions") or [])
        self.decisions.show_frame(decisions, DECISIONS)
        alarms = sum(bool(one.get("alarm")) for one in drift)
        for place, text in enumerate((f"Drift ({alarms})", "Objectives", f"Windows ({len(windows)})")):
            self.tabs.setTabText(place, text)
        self.tabs.setTabText(3, f"Decisions ({decisions.height})")
        window = answer.get("window") or {}
        self.describe(
            f"{answer.get('model')} v{answer.get('version')}, newest window {fmt.day(window.get('start'))} to "
            f"{fmt.day(window.get('end'))}, outcomes known by {fmt.when(answer.get('as_of'))}"
        )
        self.states.full()

    def _show_figures(self, answer: dict[str, Any], drift: list[dict[str, Any]]) -> None:
        service, data, model, parity, business = self.figures
        system = answer.get("system") or {}
        service.say(
            fmt.share(system.get("availability")),
            f"p99 {fmt.milliseconds(system.get('p99_ms'))}, {fmt.number(system.get('requests'))} requests",
        )
        alarms = [one for one in drift if one.get("alarm")]
        worst = f"most: {alarms[0]['column']}" if alarms else "nothing moved beyond chance"
        data.say(f"{len(alarms)} of {len(drift)}", worst, "drifted" if alarms else "ok")
        auc = (answer.get("quality") or {}).get("auc") or {}
        model.say(fmt.score(auc.get("value")), fmt.interval(auc.get("low"), auc.get("high")) or "no outcome known yet")
        self._show_parity(parity, answer.get("parity") or {})
        use = answer.get("business") or {}
        known = use.get("labelled predictions")
        business.say(fmt.share(use.get("share warned")), f"{fmt.number(known)} outcomes known")
        business.setToolTip(str(use.get("note") or ""))

    def _show_parity(self, figure: KeyFigure, parity: dict[str, Any]) -> None:
        """Whether the values that served and those that trained are the same for the same rows."""
        worst, rows = parity.get("max_difference"), parity.get("rows")
        if worst is None:
            figure.say("–", "no served row was compared yet")
            return
        note = f"over {fmt.number(rows)} rows"
        figure.say("equal" if worst == 0 else f"{worst:.1e}", note, "ok" if worst < 1e-5 else "failed")

    def _show_quality(self, windows: list[dict[str, Any]]) -> None:
        x = range(len(windows))
        low, high = [w.get("auc_low") for w in windows], [w.get("auc_high") for w in windows]
        shown = [band("95 % interval", x, low, high), line("measured", x, [w.get("auc") for w in windows], marks=True)]
        nothing = "No outcome is known yet: quality is measured when labels arrive"
        labels = [str(w.get("window")) for w in windows]
        self.quality.show_chart(Chart("Quality by window", "window starts", "ROC-AUC", shown, labels, nothing=nothing))

    def _show_latency(self, windows: list[dict[str, Any]]) -> None:
        names = (("p50_ms", "p50"), ("p95_ms", "p95"), ("p99_ms", "p99"))
        x = range(len(windows))
        shown = [line(title, x, [w.get(n) for w in windows], c, marks=True) for c, (n, title) in enumerate(names)]
        labels = [str(w.get("window"))[5:] for w in windows]
        self.latency.show_chart(
            Chart("Latency by window", "window starts", "ms", shown, labels, nothing="No request was timed yet")
        )

    def _show_alerts(self, frame: pl.DataFrame) -> None:
        self.alerts.show_frame(frame, [c for c in ALERTS if c.name in frame.columns], key="alert")
        self.tabs.setTabText(5, f"Alerts ({frame.height})")

    def _show_incidents(self, frame: pl.DataFrame) -> None:
        self.incidents.show_frame(frame, [c for c in INCIDENTS if c.name in frame.columns], key="incident")
        open_ = frame.filter(pl.col("state") != "closed").height if "state" in frame.columns else 0
        self.tabs.setTabText(4, f"Incidents ({open_} open)")
        if self._wanted and self.incidents.select("incident", self._wanted):
            self.tabs.setCurrentIndex(4)
        else:
            self.incidents.choose_first()

    def _choose_incident(self, chosen: dict[str, Any]) -> None:
        self.model.incident(str(chosen["incident"]), self._show_incident)

    def _show_incident(self, answer: dict[str, Any]) -> None:
        self.story.show_items(
            Happening(
                str(e.get("what")), str(e.get("text") or e.get("what")), f"{fmt.when(e.get('at'))}   {e.get('who')}"
            )
            for e in (answer.get("timeline") or [])[-8:]
        )
        self.playbook.setText(playbook_text(answer.get("playbook")))
