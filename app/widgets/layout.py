"""Boxes on the 8 px grid."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.theme.icons import icon
from app.widgets.text import ElidedLabel, Label

UNIT = 8
Box = TypeVar("Box", QHBoxLayout, QVBoxLayout)


def row(
    *items: QWidget | QLayout | int | None, gap: int = UNIT, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QHBoxLayout:
    """Widgets side by side; ``None`` stretches, a number is space in pixels."""
    box = QHBoxLayout()
    return fill(box, items, gap, margins)


def column(
    *items: QWidget | QLayout | int | None, gap: int = UNIT, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QVBoxLayout:
    """Widgets below each other; ``None`` stretches, a number is space in pixels."""
    box = QVBoxLayout()
    return fill(box, items, gap, margins)


def fill(
    box: Box, items: tuple[QWidget | QLayout | int | None, ...], gap: int, margins: tuple[int, int, int, int]
) -> Box:
    """Put the items into a box layout."""
    box.setSpacing(gap)
    box.setContentsMargins(*margins)
    for item in items:
        if item is None:
            box.addStretch(1)
        elif isinstance(item, int):
            box.addSpacing(item)
        elif isinstance(item, QLayout):
            box.addLayout(item)
        else:
            box.addWidget(item)
    return box


def clear(layout: QLayout) -> None:
    """Remove and delete all that a layout holds."""
    while layout.count():
        item = layout.takeAt(0)
        inner, widget = item.layout(), item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
        elif inner is not None:
            clear(inner)
            inner.deleteLater()


class Line(QFrame):
    """A hairline."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("line")
        self.setFixedHeight(1)


class Card(QFrame):
    """A bordered surface with an optional heading; content goes into :attr:`body`."""

    def __init__(self, title: str = "", note: str = "", *, actions: tuple[QWidget, ...] = ()) -> None:
        super().__init__()
        self.setObjectName("card")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 14, 16, 16)
        outer.setSpacing(12)
        self.heading = Label(title, "heading")
        self.note = ElidedLabel(note, "caption")
        if title:
            head = row(self.heading, self.note, *actions, gap=10)
            head.setStretch(1, 1)
            outer.addLayout(head)
            self.setAccessibleName(title)
        self.body = QVBoxLayout()
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(UNIT)
        outer.addLayout(self.body, 1)

    def add(self, *items: QWidget | QLayout) -> Card:
        """Add to the body; returns the card."""
        for item in items:
            if isinstance(item, QLayout):
                self.body.addLayout(item)
            else:
                self.body.addWidget(item)
        return self


class Section(QWidget):
    """A heading with content below it, without a border."""

    def __init__(self, title: str, *items: QWidget | QLayout) -> None:
        super().__init__()
        column_ = QVBoxLayout(self)
        column_.setContentsMargins(0, 0, 0, 0)
        column_.setSpacing(UNIT)
        column_.addWidget(Label(title, "strong"))
        for item in items:
            if isinstance(item, QLayout):
                column_.addLayout(item)
            else:
                column_.addWidget(item)


class Scrolled(QScrollArea):
    """A column that scrolls vertically when the window is small."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner = QWidget()
        inner.setObjectName("scrolled")
        self.body = QVBoxLayout(inner)
        self.body.setContentsMargins(0, 0, 4, 0)
        self.body.setSpacing(16)
        self.setWidget(inner)
        self.viewport().setAutoFillBackground(False)


class Grid(QGridLayout):
    """A grid with the usual gap."""

    def __init__(self, gap: int = 16) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(gap)


def button(text: str, kind: str = "plain", *, picture: str = "", tip: str = "") -> QPushButton:
    """A push button of kind ``primary``, ``plain``, ``quiet`` or ``danger``."""
    made = QPushButton(text)
    made.setProperty("kind", kind)
    made.setCursor(Qt.CursorShape.PointingHandCursor)
    if picture:
        made.setIcon(icon(picture))
        made.setIconSize(QSize(16, 16))
    if tip:
        made.setToolTip(tip)
    made.setAccessibleName(text or tip)
    return made
