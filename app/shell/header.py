"""Title of the page, its line of facts, its actions, search and theme."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.theme.icons import icon
from app.widgets.layout import button, row
from app.widgets.text import ElidedLabel, Label


class Header(QWidget):
    """The strip above a page; the buttons at its right run commands."""

    command = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("header")
        self._title = Label("", "title")
        self._note = ElidedLabel("", "muted")
        self._slots = QHBoxLayout()
        self._slots.setSpacing(8)
        self._search = button("Search   Ctrl K", "quiet", tip="Command palette (Ctrl+K)")
        self._refresh = button("", "quiet", tip="Refresh this page (F5)")
        self._theme = button("", "quiet", tip="Switch between light and dark (Ctrl+Shift+L)")
        self._search.clicked.connect(self._palette)
        self._refresh.clicked.connect(self._reload)
        self._theme.clicked.connect(self._switch)
        line = row(
            self._title,
            self._note,
            self._slots,
            self._search,
            self._refresh,
            self._theme,
            gap=12,
            margins=(24, 16, 20, 12),
        )
        line.setStretch(1, 1)
        line.setSpacing(12)
        self.setLayout(line)

    def dress(self) -> None:
        """Icons in the theme's ink."""
        for made, name in ((self._search, "search"), (self._refresh, "refresh"), (self._theme, "theme")):
            made.setIcon(icon(name))

    def show_page(self, title: str, widgets: list[QWidget]) -> None:
        """Title and actions of another page."""
        self._title.setText(title)
        while self._slots.count():
            old = self._slots.takeAt(0).widget()
            if old is not None:
                old.setParent(None)
        for widget in widgets:
            self._slots.addWidget(widget)
            widget.show()
        self.say("")

    def say(self, note: str) -> None:
        """The page's line of facts."""
        self._note.say(note)

    def _palette(self) -> None:
        self.command.emit("palette")

    def _reload(self) -> None:
        self.command.emit("refresh")

    def _switch(self) -> None:
        self.command.emit("theme")
