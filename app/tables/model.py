"""A paged Qt model: pages of 256 rows are turned to text once and kept in a small cache.

Sorting orders row numbers in Polars; Python never compares values (a proxy model over a million
rows does not finish).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import polars as pl
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal

from app.tables.columns import Column, columns_for

PAGE = 256
KEPT = 64
NO_PARENT = QModelIndex()
DISPLAY = int(Qt.ItemDataRole.DisplayRole)
ACCESSIBLE = int(Qt.ItemDataRole.AccessibleTextRole)
TOOLTIP = int(Qt.ItemDataRole.ToolTipRole)
Page = list[list[str]]


class FrameModel(QAbstractTableModel):
    """Rows of a frame at hand."""

    def __init__(
        self, frame: pl.DataFrame | None = None, columns: list[Column] | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._frame = pl.DataFrame() if frame is None else frame
        self.columns = columns if columns is not None else columns_for(self._frame)
        self._pages: OrderedDict[int, Page] = OrderedDict()

    @property
    def frame(self) -> pl.DataFrame:
        """The rows in the order shown."""
        return self._frame

    def rowCount(self, parent: QModelIndex = NO_PARENT) -> int:
        return 0 if parent.isValid() else self._frame.height

    def columnCount(self, parent: QModelIndex = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def row(self, index: int) -> dict[str, Any]:
        """One row as values."""
        return self._frame.row(index, named=True) if 0 <= index < self._frame.height else {}

    def value(self, row: int, column: int) -> Any:
        """The value of a cell."""
        return self._frame[self.columns[column].name][row]

    def text(self, row: int, column: int) -> str:
        """The text of a cell."""
        number, place = divmod(row, PAGE)
        page = self._pages.get(number)
        if page is None:
            page = self._remember(number, self._make(self._frame.slice(number * PAGE, PAGE)))
        else:
            self._pages.move_to_end(number)
        return page[column][place]

    def _remember(self, number: int, page: Page) -> Page:
        self._pages[number] = page
        while len(self._pages) > KEPT:
            self._pages.popitem(last=False)
        return page

    def _make(self, part: pl.DataFrame) -> Page:
        return [[column.text(value) for value in part[column.name].to_list()] for column in self.columns]

    def data(self, index: QModelIndex, role: int = DISPLAY) -> Any:
        if role in (DISPLAY, ACCESSIBLE, TOOLTIP) and index.isValid():
            return self.text(index.row(), index.column())
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = DISPLAY) -> Any:
        if orientation == Qt.Orientation.Horizontal and section < len(self.columns):
            column = self.columns[section]
            if role == DISPLAY:
                return column.title
            if role == int(Qt.ItemDataRole.TextAlignmentRole):
                side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
                return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order rows by a column, missing values last, ties in their present order."""
        if not 0 <= column < len(self.columns):
            return
        self.layoutAboutToBeChanged.emit()
        self._frame = self._frame.sort(
            self.columns[column].name,
            descending=order == Qt.SortOrder.DescendingOrder,
            nulls_last=True,
            maintain_order=True,
        )
        self._pages.clear()
        self.layoutChanged.emit()


Fetch = Callable[[int, int, str, bool], None]


class RemoteModel(FrameModel):
    """Rows that stay with the engine: pages are asked for when they come into view."""

    wanted = Signal(int)

    def __init__(self, total: int, schema: pl.DataFrame, fetch: Fetch, parent: QObject | None = None) -> None:
        super().__init__(schema, columns_for(schema), parent)
        self._total = total
        self._fetch = fetch
        self._asked: set[int] = set()
        self._by = ""
        self._descending = False
        self._blank: Page = [["…"] * PAGE for _ in self.columns]

    def rowCount(self, parent: QModelIndex = NO_PARENT) -> int:
        return 0 if parent.isValid() else self._total

    def row(self, index: int) -> dict[str, Any]:
        return {column.name: self.text(index, place) for place, column in enumerate(self.columns)}

    def text(self, row: int, column: int) -> str:
        number, place = divmod(row, PAGE)
        page = self._pages.get(number)
        if page is None:
            if number not in self._asked:
                self._asked.add(number)
                self._fetch(number * PAGE, PAGE, self._by, self._descending)
            return self._blank[column][place]
        return page[column][place]

    def receive(self, offset: int, by: str, descending: bool, part: pl.DataFrame) -> None:
        """A page arrived; one for an older order is dropped."""
        if (by, descending) != (self._by, self._descending):
            return
        number = offset // PAGE
        self._remember(number, self._make(part))
        self._asked.discard(number)
        if part.height:
            self.dataChanged.emit(self.index(offset, 0), self.index(offset + part.height - 1, len(self.columns) - 1))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Ask the engine for another order."""
        if not 0 <= column < len(self.columns):
            return
        self._by, self._descending = self.columns[column].name, order == Qt.SortOrder.DescendingOrder
        self._pages.clear()
        self._asked.clear()
        self.layoutChanged.emit()
