"""The table that every page uses."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtCore import QItemSelection, QModelIndex, Qt, Signal
from PySide6.QtGui import QFontMetrics, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from app.tables.columns import Column, columns_for
from app.tables.delegate import CellDelegate
from app.tables.model import FrameModel
from app.theme import style
from app.theme.states import look_of
from app.widgets.badge import badge_width

LOOKED_AT = 60
NARROWEST = 72


class Table(QTableView):
    """A sortable table of a frame; ``chosen(row)`` when another row is current, ``opened(row)`` on Enter."""

    chosen = Signal(dict)
    opened = Signal(dict)

    def __init__(self, name: str, *, many: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self._key = ""
        self._widths: list[int] = []
        self._quiet = False
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.ExtendedSelection if many else mode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setMouseTracking(True)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setItemDelegate(CellDelegate(self))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(34)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSortIndicatorClearable(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setMinimumSectionSize(48)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.activated.connect(self._open)

    def show_frame(
        self, frame: pl.DataFrame, columns: dict[str, str] | list[Column] | None = None, *, key: str = ""
    ) -> None:
        """Show a frame; ``key`` names the column by which the selection is kept over refreshes."""
        made = columns if isinstance(columns, list) else columns_for(frame, columns)
        self._key = key
        kept = self.current().get(key) if key else None
        self.show_model(FrameModel(frame, made, self))
        if kept is not None and key in frame.columns:
            self.select(key, kept, quiet=True)

    def show_model(self, model: FrameModel) -> None:
        """Show any frame model."""
        old = self.model()
        self.setSortingEnabled(False)
        self.setModel(model)
        if old is not None:
            old.deleteLater()
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self._measure()

    def show_all(self, most: int = 16) -> None:
        """Make the table as high as its rows, at most ``most``: for tables inside a page that scrolls."""
        rows = self.model().rowCount() if self.model() is not None else 0
        self.setFixedHeight(36 + 34 * max(1, min(most, rows)))

    def frame_model(self) -> FrameModel | None:
        """The model in use."""
        model = self.model()
        return model if isinstance(model, FrameModel) else None

    def current(self) -> dict[str, Any]:
        """The row that is current, or nothing."""
        model, index = self.frame_model(), self.currentIndex()
        return model.row(index.row()) if model is not None and index.isValid() else {}

    def selected(self) -> list[dict[str, Any]]:
        """All selected rows, top to bottom."""
        model = self.frame_model()
        if model is None or self.selectionModel() is None:
            return []
        return [model.row(index.row()) for index in sorted(self.selectionModel().selectedRows())]

    def select(self, key: str, value: object, *, quiet: bool = False) -> bool:
        """Make the row whose ``key`` has this value current; False when there is none."""
        model = self.frame_model()
        if model is None or key not in model.frame.columns:
            return False
        values = model.frame[key].to_list()
        if value not in values:
            return False
        self._quiet = quiet
        self.selectRow(values.index(value))
        self.scrollTo(model.index(values.index(value), 0), QAbstractItemView.ScrollHint.PositionAtCenter)
        self._quiet = False
        return True

    def choose_first(self) -> None:
        """Select the first row if none is."""
        if not self.currentIndex().isValid() and self.model() is not None and self.model().rowCount():
            self.selectRow(0)

    def selectionChanged(self, new: QItemSelection, old: QItemSelection) -> None:
        super().selectionChanged(new, old)
        if not self._quiet and new.indexes():
            model = self.frame_model()
            if model is not None:
                self.chosen.emit(model.row(new.indexes()[0].row()))

    def _open(self, index: QModelIndex) -> None:
        model = self.frame_model()
        if model is not None:
            self.opened.emit(model.row(index.row()))

    def _measure(self) -> None:
        """Natural width of each column from its heading and first rows."""
        model = self.frame_model()
        if model is None:
            return
        metrics = QFontMetrics(style.font())
        self._widths = []
        rows = min(LOOKED_AT, model.rowCount())
        for place, column in enumerate(model.columns):
            texts = [model.text(row, place) for row in range(rows)]
            widest = max((metrics.horizontalAdvance(text) for text in texts), default=0) + 26
            if column.kind == "badge":
                widest = round(max((badge_width(look_of(text).word) for text in texts), default=0)) + 20
            heading = metrics.horizontalAdvance(column.title) + 24
            self._widths.append(column.width or max(heading, min(widest, 340)))
        self._spread()

    def _spread(self) -> None:
        """Give spare room to the text columns, so that the table fills its card."""
        model = self.frame_model()
        if model is None or not self._widths or len(self._widths) != len(model.columns):
            return
        spare = self.viewport().width() - sum(self._widths)
        flexible = [i for i, c in enumerate(model.columns) if c.kind == "text"] or list(range(len(self._widths)))
        extra = dict.fromkeys(flexible, max(0, spare) // len(flexible))
        if spare < 0:
            room = {i: max(0, self._widths[i] - NARROWEST) for i in flexible}
            whole = sum(room.values())
            cut = min(whole, -spare)
            extra = {i: -(-cut * room[i] // whole) * -1 if whole else 0 for i in flexible}
        for place, width in enumerate(self._widths):
            self.setColumnWidth(place, width + extra.get(place, 0))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._spread()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            return
        super().keyPressEvent(event)

    def copy(self) -> None:
        """Selected rows as tab-separated text with headings."""
        model = self.frame_model()
        if model is None or self.selectionModel() is None:
            return
        lines = ["\t".join(column.title for column in model.columns)]
        for index in sorted(self.selectionModel().selectedRows()):
            lines.append("\t".join(model.text(index.row(), place) for place in range(len(model.columns))))
        QGuiApplication.clipboard().setText("\n".join(lines))
