"""The sheet that asks who acts and for their passphrase."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from app.widgets.dialogs import Sheet


class LoginDialog(Sheet):
    """Name and passphrase; emits ``entered(name, passphrase)``. The passphrase leaves its field at once."""

    entered = Signal(str, str)

    def __init__(self, parent: QWidget | None, user: str) -> None:
        text = "Your passphrase opens your own signing key on this workstation. It is not stored."
        super().__init__(parent, f"Log in as {user}" if user else "Log in", text, "Log in", "primary")
        self.name = QLineEdit(user)
        self.field("Name", self.name)
        self.secret = QLineEdit()
        self.secret.setEchoMode(QLineEdit.EchoMode.Password)
        self.field("Passphrase", self.secret)
        self.name.textChanged.connect(self._judge)
        self.secret.textChanged.connect(self._judge)
        self.go.clicked.connect(self._enter)
        self.finish()
        self._judge()
        (self.secret if user else self.name).setFocus()

    def _judge(self) -> None:
        self.go.setEnabled(bool(self.name.text().strip()) and bool(self.secret.text()))

    def _enter(self) -> None:
        name, secret = self.name.text().strip(), self.secret.text()
        self.secret.clear()
        self.setEnabled(False)
        self.entered.emit(name, secret)
