"""Where a snapshot comes from, in words and digests, and the data sheet that people hand on."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import Scrolled, Section
from app.widgets.text import Label, ReadOnlyText

PERSONAL = [
    Column("column", "Column"),
    Column("state", "State", kind="badge"),
    Column("kind", "Kind"),
    Column("reason", "Why"),
]


class FactsTab(QWidget):
    """The facts of one snapshot, grouped."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshot, self.source = KeyValueGrid(), KeyValueGrid()
        self.personal = Table("Personal data")
        self.none = Label("No column is declared, proposed or confirmed as personal.", "muted", wrap=True)
        left, right = Scrolled(), Scrolled()
        left.body.addWidget(Section("Snapshot", self.snapshot))
        left.body.addStretch(1)
        right.body.addWidget(Section("Source", self.source))
        right.body.addWidget(Section("Personal data", self.none, self.personal))
        right.body.addStretch(1)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 8, 0, 0)
        box.setSpacing(24)
        box.addWidget(left, 1)
        box.addWidget(right, 1)

    def show_facts(self, answer: dict[str, Any]) -> None:
        """Another snapshot."""
        self.snapshot.show_pairs(snapshot_facts(answer))
        self.source.show_pairs(source_facts(answer))

    def show_personal(self, tags: pl.DataFrame) -> None:
        """What was declared, proposed or decided of the table's columns."""
        self.personal.show_frame(tags, PERSONAL)
        self.personal.show_all(8)
        self.personal.setVisible(not tags.is_empty())
        self.none.setVisible(tags.is_empty())


class SheetTab(QWidget):
    """The data sheet as its Markdown text: what is shown is what is handed on."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ReadOnlyText("")
        self.text.setAccessibleName("Data sheet")
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 8, 0, 0)
        box.addWidget(self.text)

    def show_sheet(self, markdown: str) -> None:
        """Another sheet."""
        self.text.setPlainText(markdown)


def snapshot_facts(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """The snapshot itself."""
    detail = answer.get("detail") or {}
    return [
        ("Snapshot", str(answer.get("snapshot"))),
        ("Tags", ", ".join(answer.get("tags") or []) or "none"),
        ("Kind", str(answer.get("kind") or "").replace("_", " ")),
        ("Made (UTC)", fmt.when(answer.get("created_at"), seconds=True)),
        ("By", str(answer.get("created_by") or "–")),
        ("Took", fmt.seconds(detail.get("seconds"))),
        ("Size", fmt.size(answer.get("bytes"))),
        ("Digest", str(answer.get("digest") or "–")),
        ("Of the schema", str(answer.get("schema_digest") or "–")),
    ]


def source_facts(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What it was read from, and up to where."""
    taken = (answer.get("detail") or {}).get("ingest") or {}
    pairs = [("Digest", str(answer.get("source_digest") or "–")), ("Key", ", ".join(answer.get("key") or []) or "–")]
    if taken:
        pairs.append(("New rows", fmt.integer(taken.get("rows_new") or 0)))
        pairs += [(f"Read up to: {name}", mark(value)) for name, value in (taken.get("watermark") or {}).items()]
    return pairs


def mark(value: Any) -> str:
    """A watermark in few words: a list of files by its length and its newest."""
    if isinstance(value, dict | list):
        names = sorted(map(str, value))
        return f"{len(names)} files, the last {names[-1]}" if names else "nothing"
    return fmt.anything(value)
