"""Key figures and the facts of one thing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from app.widgets.badge import StateBadge
from app.widgets.layout import Card, button, clear, row
from app.widgets.text import ElidedLabel, Label

HEX = re.compile(r"[0-9a-f]{40,}")


class KeyFigure(Card):
    """A name, a large value and a note."""

    def __init__(self, name: str, value: str = "–", note: str = "", state: str = "") -> None:
        super().__init__()
        self._name = name
        self.name_line = Label(name, "muted")
        self.value = Label(value, "figure")
        self.note_line = ElidedLabel(note, "caption")
        self.badge = StateBadge()
        self.badge.setVisible(False)
        self.body.setSpacing(4)
        self.add(self.name_line, row(self.value, self.badge, None, gap=10), self.note_line)
        self.say(value, note, state)

    def rename(self, name: str) -> None:
        """Give the figure another name; say its value after."""
        self._name = name
        self.name_line.setText(name)

    def say(self, value: str, note: str = "", state: str = "", word: str = "") -> None:
        """Show a value, what it means, and its state if it has one."""
        self.value.setText(value)
        self.note_line.say(note)
        self.badge.setVisible(bool(state))
        if state:
            self.badge.show_state(state, word)
        self.setAccessibleName(f"{self._name}: {value}. {note}")


def is_digest(value: str) -> bool:
    """Whether a value is a digest or key id: something to compare and copy, not to read."""
    return value.startswith(("b3:", "sha256:")) or bool(HEX.fullmatch(value))


class Digest(QWidget):
    """The start of a digest with a button that copies the whole."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self._value = value
        text = Label(f"{value.removeprefix('b3:')[:12]}…", "mono", select=True)
        self.setToolTip(value)
        copy = button("", "tiny", picture="copy", tip="Copy the whole digest")
        copy.clicked.connect(self._copy)
        self.setLayout(row(text, copy, None, gap=4))
        self.setAccessibleName(value)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._value)


class KeyValueGrid(QWidget):
    """Facts as name and value; values can be selected and copied."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), *, columns: int = 1) -> None:
        super().__init__()
        self._columns = columns
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(6)
        outer.addLayout(self._grid)
        self.show_pairs(pairs)

    def show_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Replace all facts."""
        clear(self._grid)
        for index, (name, value) in enumerate(pairs):
            line, place = divmod(index, self._columns)
            key = Label(name, "muted")
            key.setAlignment(Qt.AlignmentFlag.AlignTop)
            shown = Digest(value) if is_digest(value) else Label(value or "–", wrap=True, select=True)
            shown.setMinimumWidth(24)
            self._grid.addWidget(key, line, place * 2)
            self._grid.addWidget(shown, line, place * 2 + 1)
            self._grid.setColumnStretch(place * 2 + 1, 1)
