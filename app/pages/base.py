"""What every page has: a model that asks, four states, and a way to speak to the window."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from app.bridge import Bridge, message_of
from app.widgets.states import EmptyState, FourStates
from core.kernel.errors import PlimsollError

Then = Callable[[Any], None]


class PageModel(QObject):
    """Asks the questions and makes the changes that it declares, and no others."""

    questions: ClassVar[tuple[str, ...]] = ()
    operations: ClassVar[tuple[str, ...]] = ()
    failed = Signal(object)

    def __init__(self, bridge: Bridge, parent: QObject) -> None:
        super().__init__(parent)
        self.bridge = bridge

    def ask(
        self,
        name: str,
        then: Then,
        /,
        *,
        slot: str = "",
        failed: Callable[[PlimsollError], None] | None = None,
        **params: Any,
    ) -> None:
        """Ask; a failure goes to ``failed`` or the page's error state."""
        assert name in self.questions, name
        self.bridge.ask(self, name, then, slot=slot, failed=failed or self.failed.emit, **params)

    def change(
        self,
        name: str,
        request: dict[str, Any],
        then: Then,
        *,
        passphrase: str | None = None,
        failed: Callable[[PlimsollError], None] | None = None,
    ) -> None:
        """Dispatch an operation; a failure goes to ``failed`` or the window's message bar."""
        assert name in self.operations, name
        self.bridge.change(self, name, request, then, passphrase=passphrase, failed=failed)


class Page(QWidget):
    """Base of the pages.

    A page fills :attr:`content`, sets ``self.states`` through :meth:`build` and implements
    :meth:`load`, which asks for all that it shows.
    """

    go = Signal(str, str)
    said = Signal(str, str, str)
    subtitle_changed = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.bridge = bridge
        self.subtitle = ""
        self.header_widgets: list[QWidget] = []
        self.splitters: list[QSplitter] = []

    def build(self, content: QWidget, empty: EmptyState) -> None:
        """Put the content behind the four states."""
        self.states = FourStates(content, empty, self.load)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.states)

    @abstractmethod
    def load(self) -> None:
        """Ask for everything shown."""

    def open_item(self, item: str) -> None:
        """Show the thing with this id."""

    def run_command(self, name: str) -> None:
        """Do a command that belongs to this page."""

    def show_error(self, error: PlimsollError) -> None:
        """The page can't be shown: say why in its place."""
        headline, text = message_of(error)
        self.states.error(headline, text)

    def tell_error(self, error: PlimsollError) -> None:
        """A part went wrong: say so in the message bar."""
        self.said.emit("bad", *message_of(error))

    def describe(self, text: str) -> None:
        """The line beside the page's title: counts and the time of the data."""
        self.subtitle = text
        self.subtitle_changed.emit()

    def split(self, *parts: QWidget, sizes: tuple[int, ...], vertical: bool = False) -> QSplitter:
        """Parts whose border can be dragged; the sizes are remembered."""
        made = QSplitter(Qt.Orientation.Vertical if vertical else Qt.Orientation.Horizontal)
        made.setHandleWidth(16)
        made.setChildrenCollapsible(False)
        for part in parts:
            made.addWidget(part)
        made.setProperty("first", [size * 400 for size in sizes])
        made.setSizes([size * 400 for size in sizes])
        for index, size in enumerate(sizes):
            made.setStretchFactor(index, size)
        self.splitters.append(made)
        return made
