"""The navigation rail at the left."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QPushButton, QVBoxLayout, QWidget

from app.actions import PAGES, page_key
from app.theme import style
from app.theme.icons import icon
from app.theme.logo import paint_logo
from app.widgets.layout import row
from app.widgets.text import Label

WIDE, NARROW = 200, 64


class Mark(QWidget):
    """The logo."""

    def __init__(self, size: int = 28) -> None:
        super().__init__()
        self.setFixedSize(size, size)
        self.setAccessibleName("Plimsoll")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        style.themed(event, self)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_logo(painter, QRectF(self.rect()), QColor(style.current().accent))


class Rail(QFrame):
    """One button a page; ``chosen(page id)``."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.setAccessibleName("Navigation")
        self._buttons: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        self._name = Label("Plimsoll", "heading")
        self._narrow = False
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 14, 12, 12)
        box.setSpacing(2)
        box.addLayout(row(6, Mark(), self._name, None, gap=8))
        box.addSpacing(14)
        for number, page in enumerate(PAGES, 1):
            made = QPushButton(f"  {page.title}")
            made.setCheckable(True)
            made.setIconSize(QSize(18, 18))
            made.setToolTip(f"{page.title}: {page.about} ({page_key(number)})")
            made.setAccessibleName(page.title)
            made.setAccessibleDescription(page.about)
            made.setProperty("page", page.id)
            self._group.addButton(made)
            self._buttons[page.id] = made
            box.addWidget(made)
        box.addStretch(1)
        self._group.buttonClicked.connect(self._clicked)
        self.setFixedWidth(WIDE)

    def dress(self) -> None:
        """Give the buttons icons in the theme's ink."""
        palette = style.current()
        for page, made in self._buttons.items():
            made.setIcon(icon(page, palette.muted, palette.accent))

    def mark(self, page: str) -> None:
        """Show which page is open."""
        self._buttons[page].setChecked(True)

    @property
    def narrow(self) -> bool:
        """Icons only."""
        return self._narrow

    def set_narrow(self, narrow: bool) -> None:
        """Icons only, or icons with names."""
        self._narrow = narrow
        self._name.setVisible(not narrow)
        for page in PAGES:
            self._buttons[page.id].setText("" if narrow else f"  {page.title}")
        self.setFixedWidth(NARROW if narrow else WIDE)

    def _clicked(self, pressed: QPushButton) -> None:
        self.chosen.emit(str(pressed.property("page")))
