"""The ledger with its proof, the people with their roles and keys, and exceptions from the policy's gates."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QTabWidget, QVBoxLayout, QWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.governance.model import GovernanceModel
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.badge import StateBadge
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import Card, button, row
from app.widgets.states import EmptyState
from app.widgets.text import Label


def _seconds(value: Any) -> str:
    return fmt.when(value, seconds=True)


LEDGER = [
    Column("seq", "#", fmt.number, "number"),
    Column("at", "When (UTC)", _seconds, "time"),
    Column("actor", "Who"),
    Column("outcome", "Outcome", kind="badge"),
    Column("kind", "What"),
    Column("summary", "Summary"),
]


FACTS = {
    "seq": "Entry",
    "at": "When (UTC)",
    "actor": "Who",
    "kind": "What",
    "subject": "Subject",
    "outcome": "Outcome",
    "summary": "Summary",
    "hash": "Hash",
}
PEOPLE = [
    Column("name", "Name"),
    Column("full_name", "Full name"),
    Column("roles", "Roles"),
    Column("key", "Signing key", kind="mono"),
    Column("created_at", "Since (UTC)", fmt.when, "time"),
]
EXCEPTIONS_TAB = 2
EXCEPTIONS = [
    Column("state", "State", kind="badge"),
    Column("rule", "Gate"),
    Column("model", "Model"),
    Column("environment", "Environment"),
    Column("requested_by", "Asked for by"),
    Column("signed_by", "Signed by"),
    Column("expires_at", "Until (UTC)", fmt.when, "time"),
]
ABOUT = {
    "exception": "Exception",
    "state": "State",
    "rule": "Gate",
    "observed": "Observed",
    "run": "Run",
    "environment": "Environment",
    "reason": "Reason",
    "requested_by": "Asked for by",
    "requested_at": "Asked for (UTC)",
    "signed_by": "Signed by",
    "comment": "Comment",
    "expires_at": "Until (UTC)",
    "why": "Does not count",
}


class View(Page):
    """The ledger, its people, and what the policy's gates were told to let stand."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = GovernanceModel(bridge, self)
        self._wanted = ""
        self.model.failed.connect(self.show_error)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Filter by kind, subject or person, then Enter")
        self.search.setAccessibleName("Filter the ledger")
        self.search.setClearButtonEnabled(True)
        self.search.returnPressed.connect(self._filter)
        self.badge = StateBadge("unknown", "Not verified yet")
        self.proof = Label("", "muted")
        self.verify = button("Verify now", picture="verify", tip="Check every hash and checkpoint (Ctrl+Shift+V)")
        self.verify.clicked.connect(self._verify)
        self.entries = Table("Ledger entries")
        self.entries.chosen.connect(self._show_entry)
        self.people = Table("People")
        self.entry = KeyValueGrid()
        ledger = QWidget()
        box = QVBoxLayout(ledger)
        box.setContentsMargins(0, 12, 0, 0)
        box.setSpacing(12)
        line = row(self.search, self.badge, self.proof, self.verify, gap=12)
        line.setStretch(0, 1)
        box.addLayout(line)
        detail = Card("Entry").add(self.entry)
        detail.body.addStretch(1)
        box.addWidget(self.split(self.entries, detail, sizes=(3, 1)), 1)
        self.tabs = QTabWidget()
        self.tabs.addTab(ledger, "Ledger")
        self.tabs.addTab(self.people, "People")
        self.tabs.addTab(self._exceptions_tab(), "Exceptions")
        self.build(Card().add(self.tabs), EmptyState("The ledger is empty", "Every change writes an entry here."))

    def _exceptions_tab(self) -> QWidget:
        self.exceptions = Table("Exceptions from gates")
        self.exceptions.chosen.connect(self._show_exception)
        self.exception = KeyValueGrid()
        self.none_asked = Label("Nobody has asked for an exception from a gate.", "muted")
        self.none_asked.setAlignment(Qt.AlignmentFlag.AlignCenter)
        detail = Card("Exception").add(self.exception)
        detail.body.addStretch(1)
        self.asked = self.split(self.exceptions, detail, sizes=(2, 1))
        tab = QWidget()
        box = QVBoxLayout(tab)
        box.setContentsMargins(0, 12, 0, 0)
        box.addWidget(self.asked, 1)
        box.addWidget(self.none_asked, 1)
        return tab

    def load(self) -> None:
        self.states.loading()
        self.model.ledger(self.search.text().strip(), self._show)
        self.model.users(self._show_people)
        self.model.exceptions(self._show_exceptions)

    def open_item(self, item: str) -> None:
        if item.startswith("exc-"):
            self._wanted = item
            self.tabs.setCurrentIndex(EXCEPTIONS_TAB)
        else:
            self.search.setText(item)

    def run_command(self, name: str) -> None:
        if name == "governance.verify":
            self._verify()

    def _filter(self) -> None:
        self.load()

    def _show(self, frame: pl.DataFrame) -> None:
        if frame.is_empty() and not self.search.text():
            self.states.empty()
            return
        columns = [column for column in LEDGER if column.name in frame.columns]
        self.entries.show_frame(frame, columns, key="seq")
        about = f" that match “{self.search.text()}”" if self.search.text() else ", the newest first"
        self.describe(f"{frame.height} entries{about}")
        self.states.full()
        self.entries.choose_first()

    def _show_entry(self, entry: dict[str, Any]) -> None:
        self.entry.show_pairs(
            (title, _seconds(entry[name]) if name == "at" else fmt.anything(entry[name]))
            for name, title in FACTS.items()
            if name in entry
        )

    def _show_people(self, frame: pl.DataFrame) -> None:
        self.people.show_frame(frame, [c for c in PEOPLE if c.name in frame.columns], key="user")
        self.tabs.setTabText(1, f"People ({frame.height})")

    def _show_exceptions(self, frame: pl.DataFrame) -> None:
        there = not frame.is_empty()
        self.asked.setVisible(there)
        self.none_asked.setVisible(not there)
        standing = frame.filter(pl.col("state").is_in(["requested", "granted"])).height if there else 0
        self.tabs.setTabText(EXCEPTIONS_TAB, f"Exceptions ({standing} open)" if standing else "Exceptions")
        if there:
            self.exceptions.show_frame(frame, [c for c in EXCEPTIONS if c.name in frame.columns], key="exception")
            rows = frame["exception"].to_list()
            self.exceptions.selectRow(rows.index(self._wanted) if self._wanted in rows else 0)

    def _show_exception(self, row: dict[str, Any]) -> None:
        times = ("requested_at", "expires_at")
        self.exception.show_pairs(
            (title, fmt.when(row[name]) if name in times else fmt.anything(row[name]))
            for name, title in ABOUT.items()
            if row.get(name)
        )

    def _verify(self) -> None:
        self.verify.setEnabled(False)
        self.badge.show_state("running", "Verifying")
        self.model.verify(self._verified)

    def _verified(self, answer: dict[str, Any]) -> None:
        self.verify.setEnabled(True)
        problems = answer.get("problems") or []
        good = bool(answer.get("ok"))
        self.badge.show_state("verified" if good else "failed", "Verified" if good else f"{len(problems)} problems")
        about = (
            (answer.get("entries"), "entries"),
            (answer.get("checkpoints"), "checkpoints"),
            (answer.get("blobs"), "files"),
        )
        self.proof.setText(", ".join(f"{fmt.number(count)} {what}" for count, what in about if count is not None))
        if problems:
            self.said.emit("bad", "The ledger does not verify", "\n".join(fmt.anything(p) for p in problems[:10]))
