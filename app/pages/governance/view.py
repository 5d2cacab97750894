"""The ledger with its proof, and the people with their roles and keys."""

from __future__ import annotations

from typing import Any

import polars as pl
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


class View(Page):
    """The ledger and its people."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = GovernanceModel(bridge, self)
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
        self.build(Card().add(self.tabs), EmptyState("The ledger is empty", "Every change writes an entry here."))

    def load(self) -> None:
        self.states.loading()
        self.model.ledger(self.search.text().strip(), self._show)
        self.model.users(self._show_people)

    def open_item(self, item: str) -> None:
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
