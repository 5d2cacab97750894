"""The catalogue at the top; the chosen feature's definition, online values, usage and history below."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QHBoxLayout, QTabWidget, QWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.features.model import (
    FeaturesModel,
    feature_facts,
    history_frame,
    materialised_frame,
    parity_words,
    places_frame,
    shown_catalogue,
    summary,
    usage_frame,
    view_facts,
)
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.badge import StateBadge
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import Card, Scrolled, Section, column, row
from app.widgets.search import SearchField
from app.widgets.states import EmptyState
from app.widgets.text import ElidedLabel

CATALOGUE = [
    Column("feature", "Feature"),
    Column("origin", "View"),
    Column("kind", "Kind"),
    Column("entity", "Entity"),
    Column("owner", "Owner"),
    Column("freshness_state", "Online", kind="badge"),
    Column("filled", "Filled", fmt.share, "number"),
    Column("models", "Models", fmt.number, "number"),
    Column("expression", "Expression"),
]
PLACES = [
    Column("state", "State", kind="badge"),
    Column("place", "Online store"),
    Column("age", "Age"),
    Column("target", "Target"),
    Column("newest", "Newest value (UTC)"),
    Column("stale_since", "Stale since (UTC)"),
    Column("entities", "Entities", fmt.number, "number"),
]
WRITTEN = [
    Column("created_at", "Written (UTC)", fmt.when, "time"),
    Column("place", "Online store"),
    Column("mode", "How"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("entities", "Entities", fmt.number, "number"),
    Column("until", "Up to (UTC)", fmt.when, "time"),
]
USAGE = [
    Column("kind", "What"),
    Column("name", "Name"),
    Column("state", "State", kind="badge"),
    Column("definition", "Definition"),
    Column("created_at", "Made (UTC)", fmt.when, "time"),
]
HISTORY = [
    Column("since", "Since (UTC)", fmt.when, "time", 150),
    Column("changes", "What changed"),
    Column("digest", "Version", fmt.short, "mono"),
]
PAGES = {"training set": "data", "run": "experiments", "release": "releases"}


class View(Page):
    """Features: what they are, whether they are fresh, who uses them."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = FeaturesModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self.model.part_failed.connect(self.tell_error)
        self._wanted = ""
        self.search = SearchField("features")
        self.search.textChanged.connect(self._search)
        self.catalogue = Table("Features")
        self.catalogue.chosen.connect(self._choose)
        self.feature, self.about = KeyValueGrid(), KeyValueGrid()
        self.places, self.written = Table("Online stores"), Table("Materialisations")
        self.usage, self.history = Table("Used by"), Table("Definitions")
        self.usage.opened.connect(self._visit)
        self.parity, self.parity_line = StateBadge(), ElidedLabel("", "muted")
        self.tabs = QTabWidget()
        self.tabs.addTab(self._definition(), "Definition")
        self.tabs.addTab(self._online(), "Online")
        self.tabs.addTab(self.usage, "Used by")
        self.tabs.addTab(self.history, "History")
        self.detail = Card("Feature").add(self.tabs)
        top = Card("Catalogue", "of the project that was loaded last", actions=(self.search,)).add(self.catalogue)
        self.build(
            self.split(top, self.detail, sizes=(1, 1), vertical=True),
            EmptyState("No features yet", "Load a project: run 'plimsoll run' in its folder."),
        )

    def _definition(self) -> QWidget:
        left, right = Scrolled(), Scrolled()
        left.body.addWidget(Section("Feature", self.feature))
        left.body.addStretch(1)
        right.body.addWidget(Section("View", self.about))
        right.body.addStretch(1)
        made = QWidget()
        box = QHBoxLayout(made)
        box.setContentsMargins(0, 8, 0, 0)
        box.setSpacing(24)
        box.addWidget(left, 1)
        box.addWidget(right, 1)
        return made

    def _online(self) -> QWidget:
        made = QWidget()
        equal = row(self.parity, self.parity_line, gap=10)
        equal.setStretch(1, 1)
        made.setLayout(column(self.places, equal, self.written, gap=10, margins=(0, 4, 0, 0)))
        return made

    def load(self) -> None:
        self.states.loading()
        self.model.catalogue(self.search.text(), self._show)

    def open_item(self, item: str) -> None:
        """A feature by its name, or the first of a view."""
        self._wanted = item
        self.search.clear()
        if self.catalogue.model() is not None:
            self._select()

    def run_command(self, name: str) -> None:
        if name == "filter":
            self.search.setFocus()

    def _search(self) -> None:
        self.model.catalogue(self.search.text(), self._show)

    def _show(self, frame: pl.DataFrame) -> None:
        if frame.is_empty() and not self.search.text():
            self.describe("")
            self.states.empty()
            return
        self.catalogue.show_frame(shown_catalogue(frame), CATALOGUE, key="id")
        self.describe(summary(frame) if frame.height else "nothing matches")
        self.states.full()
        self._select()

    def _select(self) -> None:
        wanted, self._wanted = self._wanted, ""
        if wanted and (self.catalogue.select("feature", wanted) or self.catalogue.select("view", wanted)):
            return
        kept = self.catalogue.current()
        if kept:
            self._choose(kept)
        else:
            self.catalogue.choose_first()

    def _choose(self, chosen: dict[str, Any]) -> None:
        view = str(chosen["view"])
        self.detail.heading.setText(str(chosen["feature"]))
        self.detail.note.say(f"of the view {view}" if view else "computed from the request")
        self.feature.show_pairs(feature_facts(chosen))
        self.about.show_pairs(view_facts(chosen))
        for place in (1, 2, 3):
            self.tabs.setTabVisible(place, bool(view))
        if view:
            self.model.view(view, self._show_view)

    def _show_view(self, view: dict[str, Any]) -> None:
        self.places.show_frame(places_frame(view), PLACES)
        self.places.show_all(4)
        self.written.show_frame(materialised_frame(view), WRITTEN)
        state, words = parity_words(view.get("parity"))
        self.parity.show_state(state, "Parity")
        self.parity_line.say(words)
        used, had = usage_frame(view), history_frame(view)
        self.usage.show_frame(used, USAGE)
        self.tabs.setTabText(2, f"Used by ({used.height})" if used.height else "Used by")
        self.history.show_frame(had, HISTORY)
        self.tabs.setTabText(3, f"History ({had.height})" if had.height else "History")

    def _visit(self, used: dict[str, Any]) -> None:
        if used["kind"] in PAGES:
            self.go.emit(PAGES[str(used["kind"])], str(used["id"]))
