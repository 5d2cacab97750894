"""The window as a person meets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, SignalInstance
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.actions import COMMANDS, PAGES
from app.bridge import Bridge
from app.pages.approvals.model import obstacle
from app.pictures import render_pages, settle
from app.shell.memory import Memory
from app.shell.window import Window
from app.theme import style
from app.widgets.badge import StateBadge
from app.widgets.dialogs import ConfirmDialog, PassphraseDialog

from .fake import FakeClient


def open_window(qtbot: QtBot, tmp_path: Path, client: FakeClient) -> Window:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    style.apply(app, "light")
    window = Window(Bridge(), Memory(tmp_path / "window.json"))
    qtbot.addWidget(window)
    window.bridge.attach(client)
    window.show()
    window.dress()
    window.begin("flights")
    settle(window.bridge, "first")
    return window


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, client: FakeClient) -> Iterator[Window]:
    made = open_window(qtbot, tmp_path, client)
    yield made
    made.close()


def states_of(window: Window) -> dict[str, str]:
    """Visit every page; its state by its id."""
    for page in PAGES:
        window.go(page.id)
        settle(window.bridge, page.title)
    return {page.id: window.page(page.id).states.state for page in PAGES}


def test_every_page_fills(window: Window) -> None:
    assert set(states_of(window).values()) == {"full"}
    assert window.message.isHidden()


def test_every_page_has_an_empty_state(qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(qtbot, tmp_path, FakeClient(bare=True))
    assert set(states_of(window).values()) == {"empty"}
    window.close()


def test_every_page_shows_its_error_and_recovers(qtbot: QtBot, tmp_path: Path) -> None:
    first = ("overview", "snapshots", "runs", "evaluations", "releases", "monitoring", "lineage", "ledger")
    client = FakeClient(broken=first)
    window = open_window(qtbot, tmp_path, client)
    assert set(states_of(window).values()) == {"error"}
    client.broken = ()
    for page in PAGES:
        window.page(page.id).load()
        settle(window.bridge, page.title)
    assert {window.page(page.id).states.state for page in PAGES} == {"full"}
    window.close()


def test_pages_ask_only_what_they_declare(window: Window, client: FakeClient) -> None:
    for page in PAGES:
        window.go(page.id)
        settle(window.bridge, page.title)
    declared = {question for page in PAGES for question in window.page(page.id).model.questions}
    assert {name for name, _params in client.asked} <= declared


def test_a_change_refreshes_what_is_stale(window: Window, client: FakeClient, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: "1" in window.foot.ledger.text())
    before = len(client.asked)
    client.seq += 1
    qtbot.waitUntil(lambda: len(client.asked) > before)
    assert client.asked[-1][0] == "overview"


def test_every_page_by_keyboard(window: Window, qtbot: QtBot) -> None:
    for number, page in enumerate(PAGES, 1):
        qtbot.keyClick(window, Qt.Key(Qt.Key.Key_0 + number), Qt.KeyboardModifier.ControlModifier)
        assert window._current == page.id


def test_every_command_runs(window: Window) -> None:
    for entry in COMMANDS:
        if entry.id != "quit":
            window.run(entry.id)
            window.palette_box.hide()
            window.jobs.hide()
    settle(window.bridge, "last")


def test_buttons_say_their_name(window: Window) -> None:
    for page in PAGES:
        window.go(page.id)
        settle(window.bridge, page.title)
    silent = [b for b in window.findChildren(QPushButton) if not (b.accessibleName() or b.text())]
    assert not silent


def test_no_attribute_hides_a_qt_method(window: Window) -> None:
    """An attribute named like a virtual method (``metric``) is called by Qt and crashes the process."""
    for page in PAGES:
        window.go(page.id)
    settle(window.bridge, "all")
    for widget in [window, *window.findChildren(QWidget)]:
        hidden = [n for n, v in vars(widget).items() if hasattr(QWidget, n) and not isinstance(v, SignalInstance)]
        assert not hidden, (type(widget), hidden)


def test_jobs_show_progress_and_cancel(window: Window, client: FakeClient, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: "Train boosting" in window.foot.jobs.text())
    window.run("jobs")
    shown = window.jobs._rows["job-1"]
    assert shown.bar.value() == 648
    qtbot.mouseClick(shown.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: client.cancelled == ["job-1"])


def test_approval_needs_evidence_then_passphrase(window: Window, client: FakeClient, qtbot: QtBot) -> None:
    window.go("approvals")
    settle(window.bridge, "approvals")
    page = window.page("approvals")
    assert not page.approve.isEnabled()
    for piece in page._answer["dossier"]["evidence"]:
        page._open_evidence(piece["kind"], piece["id"])
    settle(window.bridge, "evidence")
    window.go("approvals")
    assert page.approve.isEnabled()
    window.run("approvals.sign")
    dialog = page._dialog
    assert isinstance(dialog, PassphraseDialog)
    assert not dialog.go.isEnabled()
    dialog.passphrase.setText("wrong")
    dialog.agree.setChecked(True)
    dialog.go.click()
    settle(window.bridge, "sign")
    assert "does not open your key" in dialog.error.text()
    assert dialog.passphrase.text() == ""
    dialog.passphrase.setText("correct horse")
    dialog.go.click()
    settle(window.bridge, "sign")
    name, request = client.changed[-1]
    assert name == "release.sign"
    assert request["meaning"] == "approve"
    assert len(request["evidence_opened"]) == 4
    assert page._dialog is None


def test_rejection_needs_a_reason(window: Window) -> None:
    window.go("approvals")
    settle(window.bridge, "approvals")
    page = window.page("approvals")
    window.run("approvals.reject")
    dialog = page._dialog
    dialog.passphrase.setText("correct horse")
    dialog.agree.setChecked(True)
    assert not dialog.go.isEnabled()
    dialog.comment.setPlainText("The slice floor fails")
    assert dialog.go.isEnabled()
    dialog.reject()


def test_the_author_is_told_why_not() -> None:
    answer = FakeClient()._release("rel-9d8c7b6a5f")
    assert "proposed this release" in obstacle(answer, "mina", set())
    assert "signed this release already" in obstacle(answer, "jo", set())
    assert "4 of 4 left" in obstacle(answer, "ravi", set())
    seen = {piece["id"] for piece in answer["dossier"]["evidence"]}
    assert obstacle(answer, "ravi", seen) == ""


def test_confirmation_needs_name_and_reason(qtbot: QtBot) -> None:
    dialog = ConfirmDialog(None, "Roll back", "Traffic goes back to v2", "Roll back", typed="gate-desk")
    qtbot.addWidget(dialog)
    dialog.name.setText("gate-desk")
    assert not dialog.go.isEnabled()
    dialog.reason.setPlainText("Errors doubled")
    with qtbot.waitSignal(dialog.confirmed) as caught:
        dialog.go.click()
    assert caught.args == ["Errors doubled"]


def test_layout_is_remembered(qtbot: QtBot, tmp_path: Path, client: FakeClient) -> None:
    first = open_window(qtbot, tmp_path, client)
    first.resize(1100, 720)
    first.go("lineage")
    first.run("rail")
    first.close()
    again = Window(Bridge(), Memory(tmp_path / "window.json"))
    qtbot.addWidget(again)
    assert again.size().width() == 1100
    assert again._current == "lineage"
    assert again.rail.narrow


def test_markup_is_shown_as_text(qtbot: QtBot) -> None:
    badge = StateBadge("<b>x</b>")
    qtbot.addWidget(badge)
    from app.widgets.text import Label

    label = Label("<img src='file:///etc/passwd'>")
    qtbot.addWidget(label)
    assert label.textFormat() == Qt.TextFormat.PlainText


def test_pictures_of_all_pages(qtbot: QtBot, tmp_path: Path, client: FakeClient) -> None:
    paths = render_pages(client, tmp_path, themes=("dark",), sizes=((1280, 800),))
    assert [p.name for p in paths] == [f"{page.id}-dark-1280x800.png" for page in PAGES]
    for path in paths:
        image = QImage(str(path))
        assert image.size().toTuple() == (1280, 800)
        colours = {image.pixel(x, y) for x in range(0, 1280, 7) for y in range(0, 800, 7)}
        assert len(colours) > 20, path.name
    assert not client.closed
