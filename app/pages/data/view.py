"""The tables at the top; the chosen one's snapshots, profile, checks, changes, rows and facts below."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QComboBox, QTabWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.data.about import FactsTab, SheetTab
from app.pages.data.changes import ChangesTab
from app.pages.data.checks import ChecksTab
from app.pages.data.model import DataModel, drift_lines, leaks_frame, matching, snapshot_title
from app.pages.data.profile import ProfileTab
from app.pages.data.rows import RowsTab
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.layout import Card
from app.widgets.search import SearchField
from app.widgets.states import EmptyState
from core.kernel.errors import PlimsollError

TABLES = [
    Column("table", "Table"),
    Column("kind", "Kind"),
    Column("origin", "From"),
    Column("state", "Checks", kind="badge"),
    Column("checks", "Outcome"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("columns", "Columns", fmt.number, "number"),
    Column("bytes", "Size", fmt.size, "number"),
    Column("snapshots", "Snapshots", fmt.number, "number"),
    Column("made_at", "Newest (UTC)", fmt.when, "time"),
]
LEAKS = [
    Column("state", "State", kind="badge"),
    Column("test", "Test"),
    Column("headline", "Outcome"),
    Column("detail", "Found"),
    Column("rows", "Rows concerned", fmt.number, "number"),
]
TABS = {"profile": 0, "validation": 1, "changes": 2, "leakage": 3}


class View(Page):
    """Tables, snapshots, profiles and validation."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = DataModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self.model.part_failed.connect(self.tell_error)
        self._wanted = ""
        self._frame = pl.DataFrame()
        self._made: list[dict[str, Any]] = []
        self._answer: dict[str, Any] = {}
        self.search = SearchField("tables")
        self.search.textChanged.connect(self._narrow)
        self.tables = Table("Tables")
        self.tables.chosen.connect(self._choose_table)
        self.pick = QComboBox()
        self.pick.setAccessibleName("Snapshot")
        self.pick.setMinimumWidth(260)
        self.pick.activated.connect(self._pick)
        self.profile, self.checks, self.changes = ProfileTab(self), ChecksTab(self), ChangesTab()
        self.leaks = Table("Leak tests of the snapshot")
        self.rows, self.facts, self.sheet = RowsTab(self.model), FactsTab(), SheetTab()
        self.checks.history_wanted.connect(self._ask_history)
        self.changes.chosen.connect(self._open_column)
        self.tabs = QTabWidget()
        for title, widget in (
            ("Profile", self.profile),
            ("Checks", self.checks),
            ("Changes", self.changes),
            ("Leak tests", self.leaks),
            ("Rows", self.rows),
            ("Facts", self.facts),
            ("Data sheet", self.sheet),
        ):
            self.tabs.addTab(widget, title)
        self.tabs.currentChanged.connect(self._open_tab)
        self.detail = Card("Table", actions=(self.pick,)).add(self.tabs)
        top = Card("Tables", "sources and what was derived from them", actions=(self.search,)).add(self.tables)
        self.build(
            self.split(top, self.detail, sizes=(2, 3), vertical=True),
            EmptyState(
                "No data has been ingested", "Run 'plimsoll run' in a project's folder to snapshot what it names."
            ),
        )

    # -- the list of tables ----------------------------------------------------------------------

    def load(self) -> None:
        self.states.loading()
        self.model.tables(self._show)

    def open_item(self, item: str) -> None:
        """A snapshot or a table, and after ``#`` which report of it."""
        self._wanted, _, part = item.partition("#")
        if part in TABS:
            self.tabs.setCurrentIndex(TABS[part])
        if not self._frame.is_empty():
            self.load()

    def run_command(self, name: str) -> None:
        if name == "filter":
            self.search.setFocus()

    def _show(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        if frame.is_empty():
            self.describe("")
            self.states.empty()
            return
        count, rows = int(frame["snapshots"].sum()), int(frame["rows"].sum())
        self.describe(f"{frame.height} tables, {count} snapshots, {fmt.integer(rows)} rows in the newest")
        self._narrow()
        self.states.full()
        self.model.snapshots(self._show_snapshots)

    def _narrow(self) -> None:
        self.tables.show_frame(matching(self._frame, self.search.text()), TABLES, key="table")

    def _show_snapshots(self, frame: pl.DataFrame) -> None:
        self._made = frame.to_dicts()
        wanted = next((row["table"] for row in self._made if row["snapshot"] == self._wanted), self._wanted)
        kept = str(self.tables.current().get("table") or "")
        if wanted and self.tables.select("table", wanted):
            return
        if kept:
            self._choose_table(self.tables.current())
            return
        sources = self._frame.filter((pl.col("kind") == "source") & pl.col("snapshot").is_not_null())
        first = (sources if sources.height else self._frame).sort("rows", descending=True, nulls_last=True)
        self.tables.select("table", first["table"][0])

    # -- one table -------------------------------------------------------------------------------

    def _choose_table(self, row: dict[str, Any]) -> None:
        own = [one for one in self._made if one["table"] == row["table"]]
        self.detail.heading.setText(str(row["table"]))
        self.detail.note.say(str(row.get("description") or f"{row['kind']}".replace("_", " ")))
        self.pick.clear()
        for one in own:
            self.pick.addItem(snapshot_title(one), one["snapshot"])
        place = max(0, self.pick.findData(self._wanted)) if self._wanted else 0
        self.pick.setCurrentIndex(place)
        self.pick.setEnabled(len(own) > 1)
        if own:
            self._pick(place)
        elif self._made:
            self._nothing()

    def _pick(self, place: int) -> None:
        self._wanted = str(self.pick.itemData(place))
        self.model.snapshot(self._wanted, self._show_snapshot)

    def _nothing(self) -> None:
        """The project names a table that was never ingested."""
        self._answer = {}
        self.profile.show_profile(None)
        self.checks.show_report(None)
        self.leaks.show_frame(leaks_frame({}), LEAKS)
        self.changes.nothing()
        self.rows.clear()
        self.facts.show_facts({})
        self.sheet.show_sheet("")

    def _show_snapshot(self, answer: dict[str, Any]) -> None:
        self._answer = answer
        self.profile.compare_with(None)
        self.profile.show_profile(answer.get("profile"))
        checks = self.checks.show_report(answer.get("validation"))
        self.tabs.setTabText(1, f"Checks ({checks})" if checks else "Checks")
        leaks = leaks_frame(answer.get("leakage") or {})
        self.leaks.show_frame(leaks, LEAKS)
        self.tabs.setTabVisible(TABS["leakage"], not leaks.is_empty())
        self.facts.show_facts(answer)
        self.rows.show_rows(self._wanted, int(answer.get("rows") or 0))
        self._ask_changes()
        self._open_tab(self.tabs.currentIndex())

    def _open_tab(self, place: int) -> None:
        """What is asked only when it is looked at."""
        shown = self.tabs.widget(place)
        if shown is self.sheet and self._answer:
            self.model.sheet(self._wanted, self.sheet.show_sheet)
        elif shown is self.facts and self._answer:
            self.model.personal(str(self._answer["table"]), self.facts.show_personal)

    def _open_column(self, name: str) -> None:
        self.tabs.setCurrentWidget(self.profile)
        self.profile.choose_column(name)

    def _ask_history(self, check: str) -> None:
        self.model.history(str(self.tables.current().get("table", "")), check, self.checks.show_history)

    # -- against the snapshot before -------------------------------------------------------------

    def _ask_changes(self) -> None:
        place = self.pick.currentIndex() + 1
        if place >= self.pick.count():
            self.changes.nothing()
            return
        before = str(self.pick.itemData(place))
        drift = self._answer.get("drift") or {}
        self.changes.begin(drift_lines(drift))
        self.model.snapshot(before, self._show_before, slot="before")
        self.model.shapes(before, self._wanted, self.changes.show_shapes)
        key = [str(name) for name in self._answer.get("key") or []]
        self.model.difference(before, self._wanted, key, self.changes.show_diff, self._no_difference)

    def _show_before(self, answer: dict[str, Any]) -> None:
        self.profile.compare_with(answer.get("profile"))

    def _no_difference(self, error: PlimsollError) -> None:
        words = [f"{part.rstrip('.')}." for part in (error.headline, error.detail, error.remedy) if part]
        self.changes.no_diff(" ".join(words))
