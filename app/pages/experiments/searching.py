"""The bar above the runs: a search that completes as one types, columns, saved views, and what is archived."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QStringListModel, QTimer, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QCompleter, QHBoxLayout, QLineEdit, QMenu, QToolButton, QWidget

from app.widgets.layout import button
from app.widgets.text import Label

EXAMPLE = "Search, such as metrics.auc > 0.9 and params.depth = 6 and tags.team like '%x%'"
PAUSE_MS = 120
MOST_NAMES = 60  # in the menu of columns; others are typed


class SearchBar(QWidget):
    """Emits ``changed`` when other runs or columns are wanted, ``typing`` while one types, ``save`` with a name."""

    changed = Signal()
    typing = Signal(str)
    save = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[str] | None = None
        self._views: dict[str, dict[str, Any]] = {}
        self.field = QLineEdit()
        self.field.setPlaceholderText(EXAMPLE)
        self.field.setAccessibleName("Search runs")
        self.field.setClearButtonEnabled(True)
        self._texts = QStringListModel(self)
        self._completer = QCompleter(self._texts, self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.setMaxVisibleItems(12)
        self.field.setCompleter(self._completer)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._tell_typing)
        self.field.textEdited.connect(self._edited)
        self.field.textChanged.connect(self._emptied)
        self.field.returnPressed.connect(self.changed)
        self._menu = QMenu(self)
        self._chooser = QToolButton()
        self._chooser.setText("Columns")
        self._chooser.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._chooser.setMenu(self._menu)
        self.view = QComboBox()
        self.view.setAccessibleName("Saved view")
        self.view.setEditable(True)
        self.view.lineEdit().setPlaceholderText("View")
        self.view.setMinimumWidth(140)
        self.view.activated.connect(self._take_view)
        keep = button("Save view")
        keep.clicked.connect(self._save)
        self.archived = QCheckBox("Archived")
        self.archived.toggled.connect(self.changed)
        self.problem = Label("", "error", wrap=True)
        self.problem.hide()
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(8)
        for widget in (self.field, self._chooser, self.view, keep, self.archived):
            box.addWidget(widget, 1 if widget is self.field else 0)

    def offer(self, texts: list[str]) -> None:
        """Show what may follow."""
        self._texts.setStringList(texts)
        if texts and self.field.hasFocus():
            self._completer.complete()

    def show_names(self, names: dict[str, list[str]], shown: list[str]) -> None:
        """Offer columns: a few of each kind, those that are shown ticked."""
        self._menu.clear()
        for kind in ("metrics", "params", "tags"):
            self._menu.addSection(kind.capitalize())
            for name in names.get(kind, [])[:MOST_NAMES]:
                action = self._menu.addAction(name)
                action.setData(f"{kind}.{name}")
                action.setCheckable(True)
                action.setChecked(f"{kind}.{name}" in shown)
                action.triggered.connect(self._choose)

    def show_views(self, views: list[dict[str, Any]]) -> None:
        """Offer saved views."""
        self._views = {str(one["name"]): one for one in views}
        kept = self.view.currentText()
        self.view.clear()
        self.view.addItems([*self._views])
        self.view.setCurrentText(kept if kept in self._views else "")

    def refuse(self, text: str) -> None:
        """Say what is wrong with the search, or that nothing is."""
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def _edited(self) -> None:
        self._pause.start()

    def _tell_typing(self) -> None:
        self.typing.emit(self.field.text())

    def _emptied(self, text: str) -> None:
        if not text:
            self.changed.emit()

    def _choose(self) -> None:
        self.columns = [str(action.data()) for action in self._menu.actions() if action.isChecked()]
        self.changed.emit()

    def _take_view(self) -> None:
        view = self._views.get(self.view.currentText())
        if view is not None:
            self.columns = list(view["columns"]) or None
            self.field.setText(str(view["where"]))
            self.changed.emit()

    def _save(self) -> None:
        if self.view.currentText().strip():
            self.save.emit(self.view.currentText().strip())
