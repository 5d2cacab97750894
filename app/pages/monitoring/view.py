"""System, data, model and business side by side; windows, drift, objectives, alerts, incidents."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QTabWidget, QWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.monitoring.model import MonitoringModel, drift_frame, slo_state, table_of
from app.plots.chart import ChartView
from app.plots.series import Chart, Series, band, floats, line
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.figure import KeyFigure
from app.widgets.layout import Card, column, row
from app.widgets.states import EmptyState
from app.widgets.text import Label, ReadOnlyText
from app.widgets.timeline import Happening, Timeline

DRIFT = [
    Column("state", "State", kind="badge"),
    Column("column", "Column"),
    Column("statistic", "Statistic"),
    Column("effect", "Effect", fmt.score, "number"),
    Column("p", "p, corrected", fmt.number, "number"),
]
SLOS = [
    Column("state", "State", kind="badge"),
    Column("name", "Objective"),
    Column("objective", "Asked", fmt.number, "number"),
    Column("observed", "Observed", fmt.number, "number"),
    Column("budget_left", "Budget left", fmt.share, "number"),
    Column("window", "Window"),
]


class View(Page):
    """Quality, drift and objectives in production."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = MonitoringModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self.figures = [KeyFigure(name) for name in ("System", "Data", "Model", "Business")]
        self.quality, self.latency = ChartView(224), ChartView(224)
        self.drift, self.slos, self.windows = Table("Drift"), Table("Objectives"), Table("Windows")
        self.alerts, self.incidents = Table("Alerts"), Table("Incidents")
        self.incidents.chosen.connect(self._choose_incident)
        self.story, self.playbook = Timeline(), ReadOnlyText(mono=False)
        self.tabs = QTabWidget()
        for widget, title in (
            (self.drift, "Drift"),
            (self.slos, "Objectives"),
            (self.windows, "Windows"),
            (self.alerts, "Alerts"),
            (self._incidents(), "Incidents"),
        ):
            self.tabs.addTab(widget, title)
        charts = row(Card().add(self.quality), Card().add(self.latency), gap=16)
        charts.setStretch(0, 3)
        charts.setStretch(1, 2)
        content = QWidget()
        box = column(row(*self.figures, gap=16), charts, Card().add(self.tabs), gap=16)
        box.setStretch(2, 1)
        content.setLayout(box)
        self.build(
            content,
            EmptyState(
                "Nothing runs in production yet",
                "Push a signed release to a target; its requests are measured here by window.",
            ),
        )

    def _incidents(self) -> QWidget:
        right = QWidget()
        right.setLayout(
            column(
                Label("Timeline", "strong"),
                self.story,
                Label("Playbook", "strong"),
                self.playbook,
                margins=(0, 8, 0, 0),
            )
        )
        return self.split(self.incidents, right, sizes=(1, 1))

    def load(self) -> None:
        self.states.loading()
        self.model.monitoring(self._show)
        self.model.alerts(self._show_alerts)
        self.model.incidents(self._show_incidents)

    def open_item(self, item: str) -> None:
        self._wanted = item

    def _show(self, answer: dict[str, Any] | None) -> None:
        answer = answer or {}
        windows = answer.get("windows") or []
        if not windows and not answer.get("slos"):
            self.states.empty()
            return
        for figure, name in zip(self.figures, ("system", "data", "model", "business"), strict=True):
            _say(figure, answer.get(name) or {})
        self._show_quality(windows)
        self._show_latency(answer.get("latency") or [])
        drift, slos = answer.get("drift") or [], [dict(s, state=slo_state(s)) for s in answer.get("slos") or []]
        self.drift.show_frame(drift_frame(drift), DRIFT, key="column")
        frame = table_of(slos)
        self.slos.show_frame(frame, [c for c in SLOS if c.name in frame.columns])
        self.windows.show_frame(table_of(windows), key="window")
        self.tabs.setTabText(0, f"Drift ({sum(bool(d.get('alarm')) for d in drift)} of {len(drift)})")
        last = windows[-1] if windows else {}
        self.describe(f"{len(windows)} windows, the last ends {fmt.when(last.get('end'))}" if last else "")
        self.states.full()

    def _show_quality(self, windows: list[dict[str, Any]]) -> None:
        x = range(len(windows))
        labels = [str(w.get("window") or w.get("start"))[-10:] for w in windows]
        shown: list[Series] = []
        if any(w.get("auc_low") is not None for w in windows):
            shown.append(
                band("95 % interval", x, [w.get("auc_low") for w in windows], [w.get("auc_high") for w in windows])
            )
        shown.append(line("measured", x, [w.get("auc") for w in windows], marks=True))
        if any(w.get("estimated_auc") is not None for w in windows):
            shown.append(line("estimated", x, [w.get("estimated_auc") for w in windows], 1, dashed=True))
        self.quality.show_chart(Chart("Quality by window", "window", "ROC-AUC", shown, labels))

    def _show_latency(self, latency: list[dict[str, Any]]) -> None:
        names = [n for n in ("p50", "p95", "p99", "p50_ms", "p95_ms", "p99_ms") if latency and n in latency[0]]
        labels = [str(p.get("window") or p.get("at") or i)[-10:] for i, p in enumerate(latency)]
        shown = [
            Series(n.removesuffix("_ms"), floats(range(len(latency))), floats(p.get(n) for p in latency), colour=c)
            for c, n in enumerate(names)
        ]
        self.latency.show_chart(Chart("Latency", "window", "ms", shown, labels))

    def _show_alerts(self, frame: pl.DataFrame) -> None:
        self.alerts.show_frame(frame)
        self.tabs.setTabText(3, f"Alerts ({frame.height})")

    def _show_incidents(self, frame: pl.DataFrame) -> None:
        self.incidents.show_frame(frame, key="incident")
        self.tabs.setTabText(4, f"Incidents ({frame.height})")
        if self._wanted and self.incidents.select("incident", self._wanted):
            self.tabs.setCurrentIndex(4)
        else:
            self.incidents.choose_first()

    def _choose_incident(self, chosen: dict[str, Any]) -> None:
        self.model.incident(str(chosen["incident"]), self._show_incident)

    def _show_incident(self, answer: dict[str, Any]) -> None:
        self.story.show_items(
            Happening(
                str(e.get("state") or e.get("kind")),
                str(e.get("text") or e.get("summary") or ""),
                f"{fmt.when(e.get('at'))}   {e.get('actor') or ''}",
            )
            for e in (answer.get("timeline") or [])[:6]
        )
        self.playbook.setPlainText(str(answer.get("playbook") or ""))


def _say(figure: KeyFigure, facts: dict[str, Any]) -> None:
    """A group's leading figure: ``headline`` and ``note`` if given, else its first numbers."""
    if "headline" in facts:
        figure.say(str(facts["headline"]), str(facts.get("note") or ""), str(facts.get("state") or ""))
        return
    plain = [(n, v) for n, v in facts.items() if n != "state" and isinstance(v, int | float | str)]
    first = fmt.anything(plain[0][1]) if plain else "–"
    rest = ", ".join(f"{n.replace('_', ' ')} {fmt.anything(v)}" for n, v in plain[1:4])
    name = plain[0][0].replace("_", " ") if plain else "no figure yet"
    figure.say(first, f"{name}" + (f"; {rest}" if rest else ""), str(facts.get("state") or ""))
