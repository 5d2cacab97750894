"""Dialogs for acts that can't be undone: what changes, a typed name, a reason, a passphrase.

They never run a loop of their own: ``open()`` them and connect to their signals.
"""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QLineEdit, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.widgets.figure import KeyValueGrid
from app.widgets.layout import Line, button, row
from app.widgets.text import Label


class Sheet(QDialog):
    """A modal sheet with a heading, a body and two buttons."""

    def __init__(self, parent: QWidget | None, title: str, text: str, verb: str, kind: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(True)
        self.setMinimumWidth(480)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(24, 24, 24, 24)
        self.body.setSpacing(8)
        self.body.addWidget(Label(title, "title", wrap=True))
        if text:
            self.body.addWidget(Label(text, "muted", wrap=True))
        self.error = Label("", "error", wrap=True)
        self.error.hide()
        self.go: QPushButton = button(verb, kind)
        self.go.setDefault(True)
        self.stop = button("Cancel")
        self.stop.clicked.connect(self.reject)

    def finish(self) -> None:
        """Add the row of buttons below everything else."""
        self.body.addWidget(self.error)
        self.body.addSpacing(8)
        self.body.addWidget(Line())
        self.body.addLayout(row(None, self.stop, self.go, margins=(0, 8, 0, 0)))

    def refuse(self, text: str) -> None:
        """Say why it did not work and let the person try again."""
        self.error.setText(text)
        self.error.show()
        self.setEnabled(True)

    def field(self, name: str, widget: QWidget) -> None:
        """A named input."""
        label = Label(name, "strong")
        label.setBuddy(widget)
        widget.setAccessibleName(name)
        self.body.addSpacing(4)
        self.body.addWidget(label)
        self.body.addWidget(widget)


class ConfirmDialog(Sheet):
    """Confirm by typing a name and giving a reason; emits ``confirmed(reason)``."""

    confirmed = Signal(str)

    def __init__(
        self,
        parent: QWidget | None,
        title: str,
        text: str,
        verb: str,
        *,
        typed: str = "",
        facts: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(parent, title, text, verb, "danger")
        self._typed = typed
        if facts:
            self.body.addWidget(KeyValueGrid(facts))
        self.name = QLineEdit()
        self.name.setPlaceholderText(typed)
        if typed:
            self.field(f"Type {typed} to confirm", self.name)
        self.reason = QPlainTextEdit()
        self.reason.setFixedHeight(72)
        self.reason.setTabChangesFocus(True)
        self.field("Reason (recorded in the ledger)", self.reason)
        self.name.textChanged.connect(self._judge)
        self.reason.textChanged.connect(self._judge)
        self.go.clicked.connect(self._confirm)
        self.finish()
        self._judge()

    def _judge(self) -> None:
        named = not self._typed or self.name.text().strip() == self._typed
        self.go.setEnabled(named and bool(self.reason.toPlainText().strip()))

    def _confirm(self) -> None:
        self.confirmed.emit(self.reason.toPlainText().strip())


class PassphraseDialog(Sheet):
    """Sign by passphrase; emits ``signed(comment, passphrase)``.

    The passphrase leaves the field as soon as it is handed over (21 CFR 11.200: a signature is
    executed with the signer's own secret each time).
    """

    signed = Signal(str, str)

    def __init__(
        self,
        parent: QWidget | None,
        title: str,
        text: str,
        verb: str,
        *,
        facts: tuple[tuple[str, str], ...],
        statement: str,
        comment_needed: bool,
        danger: bool = False,
    ) -> None:
        super().__init__(parent, title, text, verb, "danger" if danger else "primary")
        self._comment_needed = comment_needed
        self.body.addWidget(KeyValueGrid(facts))
        self.comment = QPlainTextEdit()
        self.comment.setFixedHeight(72)
        self.comment.setTabChangesFocus(True)
        self.field("Reason" if comment_needed else "Comment (optional)", self.comment)
        self.passphrase = QLineEdit()
        self.passphrase.setEchoMode(QLineEdit.EchoMode.Password)
        self.field("Passphrase of your signing key", self.passphrase)
        self.agree = QCheckBox(statement)
        self.body.addSpacing(4)
        self.body.addWidget(self.agree)
        self.comment.textChanged.connect(self._judge)
        self.passphrase.textChanged.connect(self._judge)
        self.agree.toggled.connect(self._judge)
        self.go.clicked.connect(self._sign)
        self.finish()
        self._judge()

    def _judge(self) -> None:
        said = bool(self.comment.toPlainText().strip()) or not self._comment_needed
        self.go.setEnabled(said and bool(self.passphrase.text()) and self.agree.isChecked())

    def _sign(self) -> None:
        comment, secret = self.comment.toPlainText().strip(), self.passphrase.text()
        self.passphrase.clear()
        self.setEnabled(False)
        self.signed.emit(comment, secret)
