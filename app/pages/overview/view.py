"""The overview: champion, what waits, the loop, quality in production, targets, what happened."""

from __future__ import annotations

from typing import Any

import polars as pl

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.overview.loop import Loop
from app.pages.overview.model import OverviewModel
from app.plots.chart import ChartView
from app.plots.series import Chart, band, line
from app.tables import format as fmt
from app.tables.view import Table
from app.widgets.figure import KeyFigure
from app.widgets.layout import Card, Grid, Scrolled, button, row
from app.widgets.states import EmptyState
from app.widgets.timeline import Happening, Timeline


class View(Page):
    """The loop at a glance."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = OverviewModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self.champion = KeyFigure("Champion")
        self.quality = KeyFigure("ROC-AUC on the test period")
        self.waiting = KeyFigure("Sign-offs waiting")
        self.incidents = KeyFigure("Open incidents")
        self.loop = Loop()
        self.chart = ChartView(196)
        self.targets = Table("Targets")
        self.targets.setMinimumHeight(104)
        self.recent = Timeline()
        scrolled = Scrolled()
        figures = row(self.champion, self.quality, self.waiting, self.incidents, gap=16)
        for place, stretch in enumerate((5, 5, 4, 4)):
            figures.setStretch(place, stretch)
        scrolled.body.addLayout(figures)
        scrolled.body.addWidget(Card().add(self.loop))
        grid = Grid()
        ledger = button("Open ledger", "quiet")
        ledger.clicked.connect(self._open_ledger)
        grid.addWidget(Card().add(self.chart), 0, 0)
        recent = Card("Recent", actions=(ledger,)).add(self.recent)
        recent.body.addStretch(1)
        grid.addWidget(recent, 0, 1, 2, 1)
        grid.addWidget(Card("Targets").add(self.targets), 1, 0)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        scrolled.body.addLayout(grid, 1)
        self.targets.opened.connect(self._open_target)
        empty = EmptyState(
            "No project is open here yet",
            "Start one with 'plimsoll init' or the demo with 'plimsoll demo', then ingest its sources.",
            "Go to Data",
            self._open_data,
        )
        self.build(scrolled, empty)

    def load(self) -> None:
        self.states.loading()
        self.model.load(self._show)

    def _show(self, answer: dict[str, Any]) -> None:
        if not answer or not answer.get("project"):
            self.states.empty()
            return
        self.describe(str(answer.get("title") or answer["project"]))
        self._show_champion(answer.get("champion"))
        waiting, open_ = int(answer.get("pending_sign_offs") or 0), int(answer.get("open_incidents") or 0)
        note = _signatures(waiting, answer.get("candidates") or [])
        self.waiting.say(fmt.integer(waiting), note, "pending" if waiting else "")
        running = _jobs(int(answer.get("running_jobs") or 0))
        note = f"see Monitoring; {running}" if open_ else running
        self.incidents.say(fmt.integer(open_), note, "attention" if open_ else "ok", "" if open_ else "Calm")
        self.loop.show_stages(answer.get("stages") or [])
        self._show_quality(answer.get("quality_by_window") or [])
        self._show_targets(answer.get("targets") or [])
        self.recent.show_items(
            Happening(
                str(e.get("outcome")),
                str(e.get("summary") or e.get("kind")),
                f"{fmt.when(e.get('at'))}   {e.get('actor', '')}",
            )
            for e in (answer.get("recent") or [])[:8]
        )
        self.states.full()

    def _show_champion(self, champion: dict[str, Any] | None) -> None:
        if champion is None:
            self.champion.say("None yet", "no model has been promoted", "none", "No release")
            self.quality.say("–", "train and evaluate a model first")
            return
        self.champion.say(
            f"{champion['model']} v{champion['version']}",
            f"{champion.get('candidate')} "
            + (f"on {champion['target']}" if champion.get("target") else "not deployed"),
            str(champion.get("stage") or ""),
        )
        self.quality.say(fmt.score(champion.get("auc")), fmt.interval(champion.get("low"), champion.get("high")))

    def _show_quality(self, windows: list[dict[str, Any]]) -> None:
        labels, x = [str(window["window"]) for window in windows], range(len(windows))
        shown = [
            band("95 % interval", x, [w.get("low") for w in windows], [w.get("high") for w in windows]),
            line("ROC-AUC", x, [w.get("auc") for w in windows], marks=True),
        ]
        nothing = "Quality appears here once predictions and their outcomes were collected"
        self.chart.show_chart(Chart("Quality by window", "", "ROC-AUC", shown, labels, nothing=nothing))

    def _show_targets(self, targets: list[dict[str, Any]]) -> None:
        columns = {
            "name": "Target",
            "environment": "Environment",
            "release": "Release",
            "state": "State",
            "checked_at": "Added (UTC)",
        }
        frame = (
            pl.DataFrame(targets, schema_overrides={"checked_at": pl.String}, infer_schema_length=None)
            if targets
            else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        )
        self.targets.show_frame(frame, columns, key="name")

    def _open_ledger(self) -> None:
        self.go.emit("governance", "")

    def _open_data(self) -> None:
        self.go.emit("data", "")

    def _open_target(self, _row: dict[str, Any]) -> None:
        self.go.emit("releases", "")


def _signatures(waiting: int, candidates: list[dict[str, Any]]) -> str:
    if waiting:
        return "signature is missing" if waiting == 1 else "signatures are missing"
    if candidates:
        return f"{candidates[0]['model']} v{candidates[0]['version']} waits for a proposal"
    return "nothing to sign"


def _jobs(count: int) -> str:
    return "no job runs" if not count else "1 job runs" if count == 1 else f"{count} jobs run"
