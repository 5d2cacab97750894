"""The command palette and the sheet of keys, both from the table of commands."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QDialog, QGridLayout, QLineEdit, QListWidget, QListWidgetItem, QWidget

from app.actions import COMMANDS, Command
from app.widgets.layout import Scrolled, column
from app.widgets.text import Label

KEEP = 12


def shown_keys(keys: str) -> str:
    """A shortcut as the platform writes it."""
    return keys if keys == "?" else QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)


def rank(query: str, commands: list[Command]) -> list[Command]:
    """Commands that fit, best first; all of them in table order for an empty query."""
    if not query.strip():
        return commands
    from rapidfuzz import fuzz, process, utils

    names = [f"{command.title} {command.words}" for command in commands]
    found = process.extract(
        query, names, scorer=fuzz.partial_ratio, processor=utils.default_process, limit=KEEP, score_cutoff=55
    )
    return [commands[index] for _name, _score, index in found]


class CommandPalette(QDialog):
    """Type, arrow, Enter; ``ran(command id)``."""

    ran = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("popup")
        self.setAccessibleName("Command palette")
        self.setFixedWidth(560)
        self._commands = list(COMMANDS)
        self.query = QLineEdit()
        self.query.setPlaceholderText("What do you want to do?")
        self.query.setAccessibleName("Search commands")
        self.query.setMinimumHeight(36)
        self.list = QListWidget()
        self.list.setAccessibleName("Commands found")
        self.list.setFixedHeight(KEEP * 30)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setLayout(column(self.query, self.list, margins=(12, 12, 12, 12)))
        self.query.textChanged.connect(self._search)
        self.query.installEventFilter(self)
        self.list.itemClicked.connect(self._run)

    def open_for(self, page: str) -> None:
        """Show the commands that work on this page."""
        self._commands = [c for c in COMMANDS if c.page in ("", page) and c.id != "palette"]
        self.query.clear()
        self._search("")
        parent = self.parentWidget()
        corner = parent.mapToGlobal(parent.rect().topLeft())
        self.move(corner.x() + (parent.width() - self.width()) // 2, corner.y() + 88)
        self.show()
        self.query.setFocus()

    def _search(self, text: str) -> None:
        self.list.clear()
        for entry in rank(text, self._commands):
            keys = shown_keys(entry.keys[0]) if entry.keys else ""
            item = QListWidgetItem(f"{entry.title}    {keys}".rstrip())
            item.setData(Qt.ItemDataRole.UserRole, entry.id)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.query and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
                step = 1 if event.key() == Qt.Key.Key_Down else -1
                self.list.setCurrentRow((self.list.currentRow() + step) % max(1, self.list.count()))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.list.currentItem() is not None:
                self._run(self.list.currentItem())
                return True
        return super().eventFilter(watched, event)

    def _run(self, item: QListWidgetItem) -> None:
        self.accept()
        self.ran.emit(str(item.data(Qt.ItemDataRole.UserRole)))


class KeySheet(QDialog):
    """All shortcuts by group."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.resize(560, 620)
        body = Scrolled()
        for group in dict.fromkeys(entry.group for entry in COMMANDS):
            body.body.addWidget(Label(group, "heading"))
            grid = QGridLayout()
            grid.setVerticalSpacing(6)
            grid.setColumnStretch(0, 1)
            for line, entry in enumerate(c for c in COMMANDS if c.group == group and c.keys):
                grid.addWidget(Label(entry.title), line, 0)
                for place, keys in enumerate(entry.keys, 1):
                    key = Label(shown_keys(keys), "mono")
                    key.setObjectName("key")
                    grid.addWidget(key, line, place, Qt.AlignmentFlag.AlignRight)
            body.body.addLayout(grid)
        more = "In tables: arrows move, Enter opens, Ctrl+C copies. In the graph: arrows walk, F fits, Enter focuses."
        body.body.addWidget(Label(more, "muted", wrap=True))
        body.body.addStretch(1)
        self.setLayout(column(Label("Keyboard shortcuts", "title"), body, gap=16, margins=(24, 24, 16, 16)))
