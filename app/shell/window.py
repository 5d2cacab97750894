"""The main window: rail, header, message bar, pages and status bar. It knows pages by name only."""

from __future__ import annotations

import importlib
from typing import Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QLineEdit, QMainWindow, QPlainTextEdit, QStackedWidget, QVBoxLayout, QWidget

from app.actions import COMMANDS, Command, command, page_entry
from app.bridge import Bridge, message_of
from app.pages.base import Page
from app.shell.header import Header
from app.shell.jobs import JobsPopup
from app.shell.memory import Memory
from app.shell.palette import CommandPalette, KeySheet
from app.shell.rail import Rail
from app.shell.statusbar import StatusBar
from app.theme import style
from app.widgets.layout import row
from app.widgets.message import MessageBar
from app.widgets.states import ErrorState, LoadingState
from core.kernel.errors import PlimsollError

SIZE = (1280, 800)


class Window(QMainWindow):
    """The shell. Pages are imported and made when first shown, once :meth:`begin` was called."""

    def __init__(self, bridge: Bridge, memory: Memory) -> None:
        super().__init__()
        self.bridge, self.memory = bridge, memory
        self._pages: dict[str, Page] = {}
        self._stale: set[str] = set()
        self._begun = False
        self._current = str(memory.get("page", "overview"))
        self.setWindowTitle("Plimsoll")
        self.rail, self.header, self.message, self.foot = Rail(), Header(), MessageBar(), StatusBar()
        self.jobs = JobsPopup(self)
        self.palette_box = CommandPalette(self)
        self.stack = QStackedWidget()
        self.stack.setMinimumSize(640, 360)
        self.stack.addWidget(LoadingState("Opening the workspace"))
        self._lay_out()
        self._connect()
        self._restore()

    def _lay_out(self) -> None:
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.header)
        right.addLayout(row(self.message, margins=(24, 0, 24, 8)))
        inner = QVBoxLayout()
        inner.setContentsMargins(24, 4, 20, 16)
        inner.addWidget(self.stack)
        right.addLayout(inner, 1)
        upper = row(self.rail, gap=0)
        upper.addLayout(right, 1)
        whole = QVBoxLayout()
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addLayout(upper, 1)
        whole.addWidget(self.foot)
        central = QWidget()
        central.setLayout(whole)
        self.setCentralWidget(central)

    def _connect(self) -> None:
        self.rail.chosen.connect(self.go)
        for source in (self.header.command, self.foot.command, self.palette_box.ran):
            source.connect(self.run)
        self.bridge.failed.connect(self.show_error)
        self.bridge.jobs_changed.connect(self._show_jobs)
        self.bridge.moved.connect(self._moved)
        self.bridge.ledger_at.connect(self.foot.show_ledger)
        self.jobs.cancelled.connect(self.bridge.cancel)
        self.jobs.paused.connect(self.bridge.pause)
        self._shortcuts: list[QShortcut] = []
        for entry in COMMANDS:
            for keys in entry.keys:
                self._add_shortcut(entry, keys)

    def _add_shortcut(self, entry: Command, keys: str) -> None:
        made = QShortcut(QKeySequence(keys), self)
        made.setProperty("command", entry.id)
        made.activated.connect(self._pressed)
        self._shortcuts.append(made)

    @Slot()
    def _pressed(self) -> None:
        source = self.sender()
        name = str(source.property("command")) if source is not None else ""
        typing = isinstance(QApplication.focusWidget(), QLineEdit | QPlainTextEdit)
        if name and not (typing and name == "keys"):
            self.run(name)

    # -- commands ------------------------------------------------------------------------------

    @Slot(str)
    def run(self, name: str) -> None:
        """Do a command of the table."""
        entry = command(name)
        if name.startswith("go."):
            self.go(name.removeprefix("go."))
        elif entry.page:
            self._run_on_page(entry)
        else:
            self._do[name](self)

    def _run_on_page(self, entry: Command) -> None:
        if self._current == entry.page and entry.page in self._pages:
            self._pages[entry.page].run_command(entry.id)

    def _open_palette(self) -> None:
        self.palette_box.open_for(self._current)

    def _open_keys(self) -> None:
        sheet = KeySheet(self)
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.open()

    def _refresh(self) -> None:
        self._stale.discard(self._current)
        if self._current in self._pages:
            self._pages[self._current].load()

    def _filter(self) -> None:
        if self._current in self._pages:
            self._pages[self._current].run_command("filter")

    def _open_jobs(self) -> None:
        self.jobs.open_above(self.foot.jobs)

    def _switch_theme(self) -> None:
        self.set_theme("light" if style.current().dark else "dark")

    def _system_theme(self) -> None:
        self.set_theme("system")

    def _toggle_rail(self) -> None:
        self.rail.set_narrow(not self.rail.narrow)

    def _reset_layout(self) -> None:
        self.memory.forget("geometry", "maximised", "splitters", "narrow")
        self.rail.set_narrow(False)
        self.resize(*SIZE)
        for page in self._pages.values():
            for splitter in page.splitters:
                splitter.setSizes([int(size) for size in splitter.property("first")])
        self.message.say("info", "The layout is back to its default")

    def _verify_ledger(self) -> None:
        self.go("governance")
        self._pages["governance"].run_command("governance.verify")

    def _quit(self) -> None:
        self.close()

    _do = {  # noqa: RUF012
        "palette": _open_palette,
        "keys": _open_keys,
        "refresh": _refresh,
        "filter": _filter,
        "theme": _switch_theme,
        "theme.system": _system_theme,
        "rail": _toggle_rail,
        "jobs": _open_jobs,
        "layout.reset": _reset_layout,
        "message.close": lambda self: self.message.hide(),
        "governance.verify": _verify_ledger,
        "quit": _quit,
    }

    # -- pages ---------------------------------------------------------------------------------

    def begin(self, workspace: str = "") -> None:
        """The client stands and the heavy imports are done: show the page."""
        self._begun = True
        self.foot.show_workspace(workspace)
        self.foot.show_actor(self.bridge.actor)
        self.bridge.ask(self, "whoami", self._show_me)
        self.go(self._current)

    def _show_me(self, me: dict[str, Any]) -> None:
        """Name and roles in the status bar."""
        roles = ", ".join(me.get("roles") or []) or "no role"
        self.foot.show_actor(f"{me.get('name') or self.bridge.actor} ({roles})")

    def page(self, name: str) -> Page:
        """The page with this id, made on first use."""
        if name not in self._pages:
            made: Page = importlib.import_module(page_entry(name).module).View(self.bridge)
            made.go.connect(self._follow)
            made.said.connect(self.message.say)
            made.subtitle_changed.connect(self._show_subtitle)
            self._pages[name] = made
            self.stack.addWidget(made)
            self._restore_splitters(name, made)
            self._stale.add(name)
        return self._pages[name]

    @Slot(str)
    def go(self, name: str, item: str = "") -> None:
        """Open a page, and on it the thing with this id."""
        page_entry(name)
        self._current = name
        self.rail.mark(name)
        if not self._begun:
            self.header.show_page(page_entry(name).title, [])
            return
        page = self.page(name)
        self.header.show_page(page_entry(name).title, page.header_widgets)
        self.header.say(page.subtitle)
        self.stack.setCurrentWidget(page)
        page.setFocus(Qt.FocusReason.OtherFocusReason)
        if item:
            page.open_item(item)
        if name in self._stale:
            self._refresh()

    @Slot(str, str)
    def _follow(self, name: str, item: str) -> None:
        self.go(name, item)

    @Slot()
    def _show_subtitle(self) -> None:
        if self._current in self._pages:
            self.header.say(self._pages[self._current].subtitle)

    @Slot(int)
    def _moved(self, _seq: int) -> None:
        """Something changed in the workspace: what is shown is asked again, the rest when it is opened."""
        self._stale = set(self._pages)
        if self._begun:
            self._refresh()

    @Slot(list)
    def _show_jobs(self, jobs: list[dict[str, Any]]) -> None:
        self.foot.show_jobs(jobs)
        self.jobs.show_jobs(jobs)

    @Slot(object)
    def show_error(self, error: PlimsollError) -> None:
        """An error that no page took."""
        self.message.say("bad", *message_of(error))

    def cannot_open(self, error: PlimsollError) -> None:
        """The workspace could not be opened: there is nothing else to show."""
        failed = ErrorState(self.close, "Close")
        failed.say(*message_of(error))
        self.stack.addWidget(failed)
        self.stack.setCurrentWidget(failed)

    # -- looks ---------------------------------------------------------------------------------

    def set_theme(self, choice: str) -> None:
        """``light``, ``dark`` or ``system``; remembered."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        style.apply(app, choice)
        self.memory.put("theme", choice)
        self.dress()

    def dress(self) -> None:
        """Icons in the ink of the theme."""
        self.rail.dress()
        self.header.dress()

    def _restore(self) -> None:
        self.resize(*SIZE)
        stored = self.memory.get("geometry")
        if isinstance(stored, list) and len(stored) == 2:
            self.resize(int(stored[0]), int(stored[1]))
        if self.memory.get("maximised", False):
            self.setWindowState(self.windowState() | Qt.WindowState.WindowMaximized)
        self.rail.set_narrow(bool(self.memory.get("narrow", False)))
        self.go(self._current)

    def _restore_splitters(self, name: str, page: Page) -> None:
        stored = self.memory.get("splitters", {}).get(name, [])
        for splitter, sizes in zip(page.splitters, stored, strict=False):
            if len(sizes) == splitter.count():
                splitter.setSizes([int(size) for size in sizes])

    def remember(self) -> None:
        """Write geometry, panels and page to the state file."""
        self.memory.put("maximised", self.isMaximized())
        if not self.isMaximized():
            self.memory.put("geometry", [self.width(), self.height()])
        self.memory.put("narrow", self.rail.narrow)
        self.memory.put("page", self._current)
        panels = dict(self.memory.get("splitters", {}))
        panels |= {name: [s.sizes() for s in page.splitters] for name, page in self._pages.items() if page.splitters}
        self.memory.put("splitters", panels)
        self.memory.save()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.remember()
        self.bridge.close()
        super().closeEvent(event)
