"""The graph around one thing, the same as a table, and the chosen node's facts."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QSpinBox, QStackedWidget, QVBoxLayout

from app.bridge import Bridge
from app.graph.view import GraphView
from app.pages.base import Page
from app.pages.lineage.model import LineageModel, rows_of
from app.tables import format as fmt
from app.tables.view import Table
from app.widgets.badge import StateBadge
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import Card, Section, button, row
from app.widgets.states import EmptyState
from app.widgets.text import Label

COLUMNS = {"kind": "Kind", "label": "What", "state": "State", "made_at": "Made", "from": "Made from", "into": "Used by"}
PAGES = {
    "snapshot": "data",
    "source": "data",
    "table": "data",
    "run": "experiments",
    "evaluation": "evaluation",
    "release": "releases",
    "deployment": "releases",
    "model": "evaluation",
    "window": "monitoring",
}


class View(Page):
    """What was made from what."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = LineageModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._node: str | None = None
        self._rows = pl.DataFrame()
        self.steps = QSpinBox()
        self.steps.setRange(1, 12)
        self.steps.setValue(3)
        self.steps.setAccessibleName("Steps from the focus")
        self.steps.valueChanged.connect(self._deeper)
        fit = button("Fit", tip="Fit the graph to the window (Ctrl+0)")
        self.twin = button("Show as table", tip="The graph as a table (Ctrl+T)")
        self.twin.setCheckable(True)
        fit.clicked.connect(self._fit)
        self.twin.toggled.connect(self._show_twin)
        self.header_widgets = [Label("Steps", "muted"), self.steps, fit, self.twin]
        self.graph = GraphView()
        self.graph.chosen.connect(self._choose)
        self.graph.opened.connect(self._focus)
        self.table = Table("Lineage as a table")
        self.table.chosen.connect(self._choose_row)
        self.table.opened.connect(self._focus_row)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.graph)
        self.stack.addWidget(self.table)
        self.build(
            self.split(Card().add(self.stack), self._side(), sizes=(5, 2)),
            EmptyState("Nothing has been made yet", "Lineage is written when data is ingested or a model trained."),
        )

    def _side(self) -> Card:
        self.kind = Label("", "muted")
        self.name = Label("Choose a node", "heading", wrap=True, select=True)
        self.badge = StateBadge()
        self.facts = KeyValueGrid()
        self.centre = button("Focus here")
        self.visit = button("Open its page")
        self.centre.clicked.connect(self._focus_chosen)
        self.visit.clicked.connect(self._visit)
        card = Card()
        card.setMinimumWidth(264)
        body: QVBoxLayout = card.body
        body.addWidget(self.kind)
        body.addWidget(self.name)
        body.addLayout(row(self.badge, None))
        body.addSpacing(8)
        body.addWidget(Section("Facts", self.facts))
        body.addStretch(1)
        body.addWidget(Label("Arrows walk along the edges, Enter focuses, F fits.", "caption", wrap=True))
        body.addLayout(row(self.centre, self.visit))
        return card

    def load(self) -> None:
        self.states.loading()
        self.model.around(self._node, self.steps.value(), self._show)

    def open_item(self, item: str) -> None:
        self._node = item
        self.load()

    def run_command(self, name: str) -> None:
        if name == "lineage.fit":
            self.graph.fit()
        elif name == "lineage.table":
            self.twin.toggle()

    def _show(self, graph: dict[str, Any]) -> None:
        nodes = graph.get("nodes") or []
        if not nodes:
            self.states.empty()
            return
        self._rows = rows_of(graph)
        self.graph.show_graph(nodes, graph.get("edges") or [])
        self.table.show_frame(self._rows, COLUMNS, key="id")
        self.states.full()
        around = f"within {self.steps.value()} steps of {self._node}" if self._node else "around what is newest"
        self.describe(f"{len(nodes)} nodes, {len(graph.get('edges') or [])} edges {around}")
        first = self._node or str(nodes[-1]["id"])
        self.graph.fit()
        self.graph.focus(first)
        self._choose(first)

    def _choose(self, node: str) -> None:
        found = self._rows.filter(pl.col("id") == node)
        if found.is_empty():
            return
        self._chosen = found.row(0, named=True)
        self.kind.setText(str(self._chosen["kind"]).replace("_", " ").capitalize())
        self.name.setText(str(self._chosen["label"]))
        self.badge.setVisible(bool(self._chosen["state"]))
        if self._chosen["state"]:
            self.badge.show_state(self._chosen["state"])
        self.facts.show_pairs(
            [
                ("Id", node),
                ("Made", fmt.when(self._chosen["made_at"])),
                ("From", str(self._chosen["from"]) or "–"),
                ("Used by", str(self._chosen["into"]) or "–"),
            ]
        )
        self.visit.setEnabled(str(self._chosen["kind"]) in PAGES)

    def _choose_row(self, chosen: dict[str, Any]) -> None:
        self._choose(str(chosen["id"]))

    def _focus(self, node: str) -> None:
        self._node = node
        self.load()

    def _focus_row(self, chosen: dict[str, Any]) -> None:
        self._focus(str(chosen["id"]))

    def _focus_chosen(self) -> None:
        self._focus(str(self._chosen["id"]))

    def _visit(self) -> None:
        self.go.emit(PAGES[str(self._chosen["kind"])], str(self._chosen["id"]))

    def _deeper(self, _depth: int) -> None:
        self.load()

    def _fit(self) -> None:
        self.graph.fit()

    def _show_twin(self, table: bool) -> None:
        self.stack.setCurrentIndex(int(table))
