"""What changed from an earlier snapshot of the same table: schema, rows, cells and the shape of each column."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.figure import KeyFigure
from app.widgets.layout import row
from app.widgets.states import EmptyState
from app.widgets.text import Label

COLUMNS = [
    Column("column", "Column"),
    Column("change", "Change", kind="badge"),
    Column("cells", "Cells changed", fmt.number, "number"),
    Column("says", "How its values moved"),
]
SCHEMA = {"column": pl.String, "change": pl.String, "cells": pl.Int64, "says": pl.String}
ROWS = {"Rows added": "rows_added", "Rows removed": "rows_removed", "Rows changed": "rows_changed"}


class ChangesTab(QWidget):
    """Four figures and a row for each column that differs; ``chosen(column)``."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._diff: dict[str, Any] = {}
        self._shapes: dict[str, Any] = {}
        self.figures = {name: KeyFigure(name) for name in (*ROWS, "Schema")}
        self.words = Label("", "muted", wrap=True)
        self.table = Table("Columns that differ")
        self.table.opened.connect(self._open)
        full = QWidget()
        inner = QVBoxLayout(full)
        inner.setContentsMargins(0, 8, 0, 0)
        inner.setSpacing(10)
        inner.addLayout(row(*self.figures.values(), gap=12))
        inner.addWidget(self.words)
        inner.addWidget(self.table, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(
            EmptyState("Nothing to compare with", "This is the first snapshot of the table. The next one shows here.")
        )
        self.stack.addWidget(full)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.stack)

    def nothing(self) -> None:
        """There is no snapshot before."""
        self.stack.setCurrentIndex(0)

    def begin(self, drift: list[str]) -> None:
        """Another pair of snapshots: what comes in is of them. ``drift`` are the lines of the schema's drift."""
        self._diff, self._shapes = {}, {}
        for figure in self.figures.values():
            figure.say("–", "comparing")
        self.words.setText("; ".join(drift))
        self.words.setVisible(bool(drift))
        self.table.show_frame(pl.DataFrame(schema=SCHEMA), COLUMNS, key="column")
        self.stack.setCurrentIndex(1)

    def show_diff(self, diff: dict[str, Any]) -> None:
        """The rows and cells that differ."""
        self._diff = diff
        total = diff.get("rows_after") or 0
        for name, key in ROWS.items():
            count = int(diff.get(key) or 0)
            self.figures[name].say(fmt.integer(count), f"{fmt.share(count / total)} of the rows now" if total else "")
        altered = [*diff.get("columns_added", []), *diff.get("columns_removed", []), *diff.get("retyped", {})]
        words = f"{len(altered)} columns differ" if altered else "columns and types as before"
        self.figures["Schema"].say("changed" if altered else "same", words)
        self._draw()

    def no_diff(self, why: str) -> None:
        """Rows cannot be matched; the shapes of the columns still can."""
        for figure in self.figures.values():
            figure.say("–", "not compared")
        self.words.setText(why)
        self.words.setVisible(True)

    def show_shapes(self, comparison: dict[str, Any]) -> None:
        """How the profile of each column moved."""
        self._shapes = comparison
        self._draw()

    def _draw(self) -> None:
        self.table.show_frame(changes_frame(self._diff, self._shapes), COLUMNS, key="column")

    def _open(self, one: dict[str, Any]) -> None:
        self.chosen.emit(str(one["column"]))


def changes_frame(diff: dict[str, Any], comparison: dict[str, Any]) -> pl.DataFrame:
    """One row a column that differs in type, cells or shape: the schema first, then the most moved."""
    cells = {str(one["name"]): int(one["cells"]) for one in diff.get("cells", [])}
    found: dict[str, dict[str, Any]] = {}
    for word, names in (("added", diff.get("columns_added", [])), ("removed", diff.get("columns_removed", []))):
        found |= {name: {"column": name, "change": word, "says": ""} for name in names}
    for name, (old, new) in diff.get("retyped", {}).items():
        found[name] = {"column": name, "change": "retyped", "says": f"was {old}, is {new}"}
    for one in comparison.get("columns") or []:
        if one["state"] != "same" and one["name"] not in found:
            found[one["name"]] = {"column": one["name"], "change": one["state"], "says": one["says"]}
    for name in cells:
        found.setdefault(name, {"column": name, "change": "changed", "says": ""})
    rows = [{**entry, "cells": cells.get(name)} for name, entry in found.items()]
    return pl.DataFrame(rows, schema=SCHEMA)
