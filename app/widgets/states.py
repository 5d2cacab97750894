"""The four states of a view: loading, empty, error and full."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.theme import style
from app.theme.states import paint_glyph
from app.widgets.layout import button, column
from app.widgets.text import Label, ReadOnlyText


class _Glyph(QWidget):
    """A large quiet glyph above a message."""

    def __init__(self, glyph: str, tone: str) -> None:
        super().__init__()
        self._glyph, self._tone = glyph, tone
        self.setFixedSize(40, 40)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        style.themed(event, self)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = style.current().tone(self._tone)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.tint))
        painter.drawEllipse(0, 0, 40, 40)
        paint_glyph(painter, self._glyph, QRectF(11, 11, 18, 18), QColor(colours.text))


class _Spinner(QWidget):
    """An arc that turns while it is visible."""

    def __init__(self) -> None:
        super().__init__()
        self._angle = 0
        self._timer = QTimer(self)
        self._timer.setInterval(60)
        self._timer.timeout.connect(self._turn)
        self.setFixedSize(28, 28)

    def _turn(self) -> None:
        self._angle = (self._angle - 30) % 360
        self.update()

    def showEvent(self, _event: QEvent) -> None:
        self._timer.start()

    def hideEvent(self, _event: QEvent) -> None:
        self._timer.stop()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(3, 3, 22, 22)
        painter.setPen(QPen(QColor(style.current().border), 3))
        painter.drawArc(box, 0, 360 * 16)
        painter.setPen(QPen(QColor(style.current().accent), 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawArc(box, self._angle * 16, 90 * 16)


class _Centred(QWidget):
    """A short column in the middle of its space."""

    def __init__(self, *items: QWidget) -> None:
        super().__init__()
        middle = QVBoxLayout(self)
        middle.setContentsMargins(32, 24, 32, 24)
        middle.setSpacing(8)
        middle.addStretch(2)
        for item in items:
            middle.addWidget(item, 0, Qt.AlignmentFlag.AlignHCenter)
        middle.addStretch(3)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, 120)


class LoadingState(_Centred):
    """Something is on its way."""

    def __init__(self, text: str = "Loading") -> None:
        super().__init__(_Spinner(), Label(text, "muted"))


class EmptyState(_Centred):
    """Nothing is there yet, why, and what to do about it."""

    def __init__(self, headline: str, text: str, action: str = "", do: Callable[[], None] | None = None) -> None:
        body = Label(text, "muted", wrap=True)
        body.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        body.setMinimumWidth(320)
        items: list[QWidget] = [_Glyph("dash", "neutral"), Label(headline, "heading"), body]
        if action and do is not None:
            self.button = button(action, "primary")
            self.button.clicked.connect(do)
            items.append(self.button)
        super().__init__(*items)


class ErrorState(_Centred):
    """What happened, where, and what to do."""

    def __init__(self, retry: Callable[[], object], verb: str = "Try again") -> None:
        self._headline = Label("", "heading", wrap=True)
        self._detail = Label("", "muted", wrap=True, select=True)
        self._remedy = Label("", wrap=True)
        for label in (self._headline, self._detail, self._remedy):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setMinimumWidth(420)
        again = button(verb)
        again.clicked.connect(retry)
        super().__init__(_Glyph("cross", "bad"), self._headline, self._detail, self._remedy, again)

    def say(self, headline: str, detail: str = "", remedy: str = "") -> None:
        """Show an error's parts."""
        for label, text in ((self._headline, headline), (self._detail, detail), (self._remedy, remedy)):
            label.setText(text)
            label.setVisible(bool(text))


class FourStates(QStackedWidget):
    """Shows exactly one of loading, empty, error and full."""

    def __init__(self, full: QWidget, empty: EmptyState, retry: Callable[[], None]) -> None:
        super().__init__()
        self._loading, self._empty, self._error, self._full = LoadingState(), empty, ErrorState(retry), full
        for widget in (self._loading, self._empty, self._error, self._full):
            self.addWidget(widget)
        self.setCurrentWidget(self._loading)

    @property
    def state(self) -> str:
        """``loading``, ``empty``, ``error`` or ``full``."""
        return ("loading", "empty", "error", "full")[self.currentIndex()]

    def loading(self) -> None:
        """Wait, unless there is something to look at already."""
        if self.state != "full":
            self.setCurrentWidget(self._loading)

    def empty(self) -> None:
        """There is nothing."""
        self.setCurrentWidget(self._empty)

    def error(self, headline: str, detail: str = "", remedy: str = "") -> None:
        """It went wrong."""
        self._error.say(headline, detail, remedy)
        self.setCurrentWidget(self._error)

    def full(self) -> None:
        """There is something to show."""
        self.setCurrentWidget(self._full)


class Detail(QWidget):
    """A monospaced text below a heading, for playbooks and raw records."""

    def __init__(self, title: str, text: str, lines: int = 10) -> None:
        super().__init__()
        self.setLayout(column(Label(title, "strong"), ReadOnlyText(text, lines=lines)))
