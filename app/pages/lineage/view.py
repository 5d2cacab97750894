"""The graph around one thing, the same as a table, and the chosen node's facts."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QSpinBox, QStackedWidget, QVBoxLayout

from app.bridge import Bridge
from app.graph.view import GraphView
from app.pages.base import Page
from app.pages.lineage.model import LineageModel, rows_of, shown
from app.tables import format as fmt
from app.tables.view import Table
from app.widgets.badge import StateBadge
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import Card, Section, button, row
from app.widgets.states import EmptyState
from app.widgets.text import Label

COLUMNS = {"kind": "Kind", "label": "What", "state": "State", "made_at": "Made", "from": "Made from", "into": "Used by"}
PAGES = {
    "source": "data",
    "table": "data",
    "training_set": "data",
    "labels": "data",
    "predictions": "data",
    "run": "experiments",
    "evaluation": "evaluation",
    "release": "releases",
    "monitoring": "monitoring",
}


class View(Page):
    """What was made from what."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = LineageModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._node: str | None = None
        self._rows = pl.DataFrame()
        self._graph: dict[str, Any] = {}
        self._kept: set[str] = set()
        self._chosen: dict[str, Any] = {}
        self.steps = QSpinBox()
        self.steps.setRange(1, 12)
        self.steps.setValue(3)
        self.steps.setAccessibleName("Steps from the focus")
        self.steps.valueChanged.connect(self._deeper)
        fit = button("Fit", tip="Fit the graph to the window (Ctrl+Shift+F)")
        self.twin = button("Show as table", tip="The graph as a table (Ctrl+T)")
        self.twin.setCheckable(True)
        fit.clicked.connect(self._fit)
        self.twin.toggled.connect(self._show_twin)
        self.reports = button("Reports", tip="Show profiles, checks, evaluations and gates too")
        self.reports.setCheckable(True)
        self.reports.toggled.connect(self._draw)
        self.whole = button("Everything", tip="Leave the focus and show everything")
        self.whole.clicked.connect(self._leave_focus)
        self.whole.setEnabled(False)
        self.header_widgets = [self.reports, Label("Steps", "muted"), self.steps, self.whole, fit, self.twin]
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
        body.addWidget(
            Label(
                "Arrows walk, Enter opens a group or focuses, F fits. Alike things are drawn as one.",
                "caption",
                wrap=True,
            )
        )
        body.addLayout(row(self.centre, self.visit))
        return card

    def load(self) -> None:
        self.states.loading()
        self.model.around(self._node, self.steps.value(), self._show)

    def open_item(self, item: str) -> None:
        """Focus a node; the window loads the page afterwards, or it is loaded here."""
        self._node = item
        if self._graph:
            self.load()

    def run_command(self, name: str) -> None:
        if name == "lineage.fit":
            self.graph.fit()
        elif name == "lineage.table":
            self.twin.toggle()

    def _show(self, graph: dict[str, Any]) -> None:
        if not graph.get("nodes"):
            self.states.empty()
            return
        self._graph, self._kept = graph, {str(graph["centre"])} if graph.get("centre") else set()
        self.whole.setEnabled(self._node is not None)
        self.states.full()
        self._draw()

    def _draw(self) -> None:
        """Draw what was asked for: reports or not, groups closed or opened."""
        graph = shown(self._graph, reports=self.reports.isChecked(), kept=self._kept)
        nodes = graph["nodes"]
        self._rows = rows_of(graph)
        self.graph.show_graph(nodes, graph["edges"])
        self.table.show_frame(self._rows, COLUMNS, key="id")
        known = {str(node["id"]) for node in nodes}
        all_ = self._graph["nodes"]
        about = next((str(n["label"]) for n in all_ if n["id"] == self._graph.get("centre")), "")
        around = f", within {self.steps.value()} steps of {about}" if about else ""
        drawn = f"drawn as {len(nodes)}" if len(nodes) < len(all_) else "all drawn"
        self.describe(f"{len(all_)} things{around}, {drawn}")
        centre = str(self._graph.get("centre") or "")
        first = centre if centre in known else str(nodes[-1]["id"])
        self.graph.focus(first)
        self._choose(first)

    def _choose(self, node: str) -> None:
        found = self._rows.filter(pl.col("id") == node)
        if found.is_empty():
            return
        self._chosen = found.row(0, named=True)
        grouped = node.startswith("group:")
        self.kind.setText(str(self._chosen["kind"]).replace("_", " ").capitalize())
        self.name.setText(str(self._chosen["label"]))
        self.badge.setVisible(bool(self._chosen["state"]))
        if self._chosen["state"]:
            self.badge.show_state(self._chosen["state"])
        facts = [
            ("Id", "" if grouped else node),
            ("Made", f"{fmt.when(self._chosen['made_at'])} UTC"),
            ("From", str(self._chosen["from"])),
            ("Used by", str(self._chosen["into"])),
        ]
        self.facts.show_pairs([(name, text) for name, text in facts if text])
        self.centre.setText("Open the group" if grouped else "Focus here")
        self.visit.setEnabled(str(self._chosen["kind"]) in PAGES)

    def _choose_row(self, chosen: dict[str, Any]) -> None:
        self._choose(str(chosen["id"]))

    def _focus(self, node: str) -> None:
        if node.startswith("group:"):
            graph = shown(self._graph, reports=self.reports.isChecked(), kept=self._kept)
            members = [n["members"] for n in graph["nodes"] if n["id"] == node]
            self._kept |= set(members[0]) if members else set()
            self._draw()
            return
        self._node = node
        self.load()

    def _leave_focus(self) -> None:
        self._node = None
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
