"""The rows of a snapshot, page by page, in any order."""

from __future__ import annotations

import polars as pl
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.pages.data.model import DataModel
from app.tables.model import RemoteModel
from app.tables.view import Table

PAGE = 256


class RowsTab(QWidget):
    """A table of which only the visible pages are fetched."""

    def __init__(self, model: DataModel) -> None:
        super().__init__()
        self._model = model
        self._shown = ""
        self.table = Table("Rows of the snapshot")
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.table)

    def clear(self) -> None:
        """No snapshot, no rows."""
        self._shown = ""
        self.table.show_frame(pl.DataFrame())

    def show_rows(self, snapshot: str, total: int) -> None:
        """The rows of another snapshot; the same one stays where it was scrolled to."""
        if snapshot == self._shown:
            return
        self._shown = snapshot
        self._model.rows(snapshot, 0, PAGE, "", False, lambda part: self._open(snapshot, total, part))

    def _open(self, snapshot: str, total: int, part: pl.DataFrame) -> None:
        if snapshot != self._shown:
            return
        model: RemoteModel

        def fetch(offset: int, limit: int, by: str, descending: bool) -> None:
            self._model.rows(
                snapshot, offset, limit, by, descending, lambda rows: self._receive(model, offset, by, descending, rows)
            )

        model = RemoteModel(total, part.clear(), fetch, self.table)
        model.receive(0, "", False, part)
        self.table.show_model(model)

    def _receive(self, model: RemoteModel, offset: int, by: str, descending: bool, rows: pl.DataFrame) -> None:
        if self.table.model() is model:
            model.receive(offset, by, descending, rows)
