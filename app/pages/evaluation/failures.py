"""Kinds of error, what their rows have in common, and the rows themselves."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QWidget

from app.pages.evaluation.insight import clusters_frame, worst_frame
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.layout import row

KINDS = [
    Column("kind", "Kind of error"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("loss", "Of all loss", fmt.share, "number"),
    Column("traits", "More frequent among them than elsewhere"),
]


class Failures(QWidget):
    """Kinds of error at the left; the worst rows of the chosen one at the right."""

    def __init__(self) -> None:
        super().__init__()
        self._errors: list[dict[str, Any]] = []
        self.kinds, self.rows = Table("Kinds of error"), Table("Worst rows of the kind")
        self.kinds.chosen.connect(self._choose)
        box = row(self.kinds, self.rows, gap=16, margins=(0, 12, 0, 0))
        box.setStretch(0, 3)
        box.setStretch(1, 4)
        self.setLayout(box)

    def show_errors(self, errors: list[dict[str, Any]]) -> None:
        """Another report's errors; the kind that costs most is chosen."""
        self._errors = errors
        self.kinds.show_frame(clusters_frame(errors), KINDS, key="kind")
        self._choose({"kind": errors[0]["name"] if errors else ""})

    def _choose(self, one: dict[str, Any]) -> None:
        found = [cluster for cluster in self._errors if cluster["name"] == one["kind"]]
        self.rows.show_frame(worst_frame(found[0] if found else None))
