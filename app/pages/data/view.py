"""Snapshots at the top; the chosen one's profile, checks, rows and facts below."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from PySide6.QtWidgets import QTabWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.data.model import DataModel, checks_frame, facts_of, leaks_frame, profile_frame, with_checks
from app.plots.chart import ChartView
from app.plots.series import Chart, Series, floats, histogram
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.model import RemoteModel
from app.tables.view import Table
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import Card
from app.widgets.states import EmptyState

SNAPSHOTS = {
    "table": "Table",
    "kind": "Kind",
    "state": "Checks",
    "checks": "Outcome",
    "rows": "Rows",
    "columns": "Columns",
    "bytes": "Size",
    "created_at": "Made (UTC)",
}
PROFILE = [
    Column("column", "Column"),
    Column("type", "Type"),
    Column("missing", "Missing", fmt.number, "number"),
    Column("share", "Share", fmt.share, "number"),
    Column("distinct", "Distinct", fmt.number, "number"),
    Column("lowest", "Lowest"),
    Column("highest", "Highest"),
    Column("mean", "Mean", fmt.number, "number"),
]
VARIED = 60
LEAKS = [
    Column("state", "State", kind="badge"),
    Column("test", "Test"),
    Column("headline", "Outcome"),
    Column("detail", "Found"),
    Column("rows", "Rows concerned", fmt.number, "number"),
]
CHECKS = [
    Column("state", "State", kind="badge"),
    Column("check", "Check"),
    Column("kind", "Kind"),
    Column("about", "On"),
    Column("failing", "Rows failing", fmt.number, "number"),
    Column("observed", "Observed"),
    Column("expected", "Expected"),
]


class View(Page):
    """Snapshots, profiles and validation."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = DataModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self._shown = ""
        self._profile: dict[str, Any] = {}
        self.snapshots = Table("Snapshots")
        self.snapshots.chosen.connect(self._choose)
        self.columns = Table("Columns of the snapshot")
        self.columns.chosen.connect(self._show_column)
        self.chart = ChartView(240)
        self.checks = Table("Checks of the snapshot")
        self.leaks = Table("Leak tests of the snapshot")
        self.rows = Table("Rows of the snapshot")
        self.facts = KeyValueGrid()
        self.tabs = QTabWidget()
        self.tabs.addTab(self.split(self.columns, self.chart, sizes=(2, 1)), "Profile")
        self.tabs.addTab(self.checks, "Checks")
        self.tabs.addTab(self.leaks, "Leak tests")
        self.tabs.addTab(self.rows, "Rows")
        about = Card()
        about.setObjectName("plain")
        about.add(self.facts)
        about.body.addStretch(1)
        self.tabs.addTab(about, "Facts")
        self.detail = Card("Snapshot").add(self.tabs)
        top = Card("Snapshots", "every ingestion and derived table, fixed by its digest").add(self.snapshots)
        content = self.split(top, self.detail, sizes=(2, 3), vertical=True)
        self.build(
            content,
            EmptyState(
                "No data has been ingested", "Run 'plimsoll ingest' to snapshot the sources that plimsoll.yaml names."
            ),
        )

    def load(self) -> None:
        self.states.loading()
        self.model.snapshots(self._show)

    def open_item(self, item: str) -> None:
        """A snapshot by its id, and after ``#`` which report of it."""
        self._wanted, _, part = item.partition("#")
        tab = {"profile": 0, "validation": 1, "leakage": 2}.get(part)
        if tab is not None:
            self.tabs.setCurrentIndex(tab)
        if self.snapshots.model() is not None:
            self.snapshots.select("snapshot", self._wanted)

    def _show(self, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            self.describe("")
            self.states.empty()
            return
        self.describe(f"{frame.height} snapshots, {fmt.integer(int(frame['rows'].sum()))} rows")
        self.snapshots.show_frame(with_checks(frame), SNAPSHOTS, key="snapshot")
        self.states.full()
        checked = frame.filter(pl.col("checks_passed").is_not_null() & (pl.col("kind") == "source"))
        first = checked.sort("rows", descending=True)["snapshot"].to_list() or frame["snapshot"].to_list()
        if not (self._wanted and self.snapshots.select("snapshot", self._wanted)):
            self.snapshots.select("snapshot", first[0])

    def _choose(self, row: dict[str, Any]) -> None:
        self._wanted = str(row["snapshot"])
        self.detail.heading.setText(f"{row['table']}")
        self.detail.note.say(f"{fmt.integer(row['rows'])} rows, {row['columns']} columns, {row['snapshot']}")
        self.model.snapshot(self._wanted, self._show_snapshot)

    def _show_snapshot(self, answer: dict[str, Any]) -> None:
        self._profile = answer.get("profile") or {}
        self.columns.show_frame(profile_frame(self._profile), PROFILE, key="column")
        self._choose_column()
        if not self._profile:
            self.chart.show_chart(Chart("", "", "", [], nothing="This table was not profiled"))
        checks = checks_frame(answer.get("validation") or {})
        self.checks.show_frame(checks, CHECKS)
        self.tabs.setTabText(1, f"Checks ({checks.height})")
        leaks = leaks_frame(answer.get("leakage") or {})
        self.leaks.show_frame(leaks, LEAKS)
        self.tabs.setTabText(2, f"Leak tests ({leaks.height})")
        self.facts.show_pairs(facts_of(answer))
        self._show_rows(answer)

    def _choose_column(self) -> None:
        """Keep the column that was chosen, else the first with a distribution worth a look."""
        for column in self._profile.get("columns") or []:
            if (column.get("distinct") or 0) > VARIED and not self.columns.current():
                self.columns.select("column", column["name"])
        self.columns.choose_first()

    def _show_rows(self, answer: dict[str, Any]) -> None:
        name = self._wanted
        if name == self._shown:
            return
        self._shown = name
        total = int(answer.get("rows") or 0)
        self.model.rows(name, 0, 256, "", False, lambda part: self._open_rows(name, total, part))

    def _open_rows(self, name: str, total: int, part: pl.DataFrame) -> None:
        if name != self._wanted:
            return
        model: RemoteModel

        def fetch(offset: int, limit: int, by: str, descending: bool) -> None:
            self.model.rows(
                name, offset, limit, by, descending, lambda rows: self._receive(model, offset, by, descending, rows)
            )

        model = RemoteModel(total, part.clear(), fetch, self.rows)
        model.receive(0, "", False, part)
        self.rows.show_model(model)

    def _receive(self, model: RemoteModel, offset: int, by: str, descending: bool, rows: pl.DataFrame) -> None:
        if self.rows.model() is model:
            model.receive(offset, by, descending, rows)

    def _show_column(self, row: dict[str, Any]) -> None:
        found = [c for c in self._profile.get("columns") or [] if c["name"] == row["column"]]
        if not found:
            return
        column = found[0]
        shape, top = column.get("histogram"), column.get("top") or []
        if shape:
            self.chart.show_chart(histogram(column["name"], shape["edges"], shape["counts"], column["name"]))
            return
        labels = [str(item["value"]) for item in top[:12]]
        bars = Series("rows", np.arange(len(labels), dtype=np.float64), floats(i["count"] for i in top[:12]), "bars")
        self.chart.show_chart(
            Chart(
                f"{column['name']}, most frequent",
                "value",
                "rows",
                [bars],
                labels,
                nothing="This column has no values to count",
            )
        )
