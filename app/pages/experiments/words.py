"""What people add to a run: its note and its tags."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from app.tables.view import Table
from app.widgets.layout import button, row
from app.widgets.text import Label


class Words(QWidget):
    """Shows and edits; ``noted(text)`` and ``tagged(tags)`` when somebody saves."""

    noted = Signal(str)
    tagged = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self._run = ""
        self.note = QPlainTextEdit()
        self.note.setAccessibleName("Note")
        self.note.setPlaceholderText("What was learnt from this run")
        self.note.setMaximumHeight(120)
        save = button("Save note")
        save.clicked.connect(self._save)
        self.tags = Table("Tags of the run")
        self.tag = QLineEdit()
        self.tag.setAccessibleName("Tag")
        self.tag.setPlaceholderText("key=value adds a tag, key= takes it away")
        self.tag.returnPressed.connect(self._tag)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 12, 0, 0)
        outer.setSpacing(8)
        for item in (Label("Note", "muted"), self.note):
            outer.addWidget(item)
        outer.addLayout(row(None, save))
        for item in (Label("Tags", "muted"), self.tag, self.tags):
            outer.addWidget(item)

    def show_run(self, answer: dict[str, Any]) -> None:
        """The words of a run; a note of the same run that is being written stays."""
        run = str(answer.get("run"))
        if run != self._run or not self.note.document().isModified():
            self.note.setPlainText(str(answer.get("note") or ""))
        self._run = run
        rows = [{"name": name, "value": value} for name, value in (answer.get("tags") or {}).items()]
        frame = pl.DataFrame(rows, schema={"name": pl.String, "value": pl.String})
        self.tags.show_frame(frame, {"name": "Tag", "value": "Value"})

    def _save(self) -> None:
        self.note.document().setModified(False)
        self.noted.emit(self.note.toPlainText())

    def _tag(self) -> None:
        name, _, value = self.tag.text().partition("=")
        if name.strip():
            self.tagged.emit({name.strip(): value.strip() or None})
            self.tag.clear()
