"""The window as a person meets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from PySide6.QtCore import Qt, SignalInstance
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.actions import COMMANDS, PAGES
from app.bridge import Bridge
from app.pages.approvals.model import obstacle
from app.pictures import settle
from app.shell.memory import Memory
from app.shell.window import Window
from app.theme import style
from app.widgets.badge import StateBadge
from app.widgets.dialogs import ConfirmDialog, PassphraseDialog
from app.widgets.login import LoginDialog

from .fake import FakeClient, answers


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
    first = ("overview", "data_tables", "feature_catalogue", "runs_found", "evaluations", "releases")
    first += ("monitoring", "lineage", "ledger")
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
        qtbot.keyClick(window, Qt.Key(Qt.Key.Key_0 + number % 10), Qt.KeyboardModifier.ControlModifier)
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


def test_jobs_show_progress_pause_and_cancel(window: Window, client: FakeClient, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: "Train boosting" in window.foot.jobs.text())
    window.run("jobs")
    shown = window.jobs._rows["job-1"]
    assert shown.bar.value() == 648
    assert "loss 0.4213" in shown.note.text()
    qtbot.mouseClick(shown.pause, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: client.paused == [("job-1", True)])
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
    assert set(request["evidence_opened"]) == {piece["id"] for piece in page._answer["dossier"]["evidence"]}
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


def test_each_is_told_why_not() -> None:
    answer = next(r for r in answers()["release"].values() if r["state"] == "proposed")
    reviewer = {"roles": ["reviewer"]}

    def why(name: str, opened: set[str], **me: object) -> str:
        return obstacle(answer, {"user": f"user-{name}", "name": name, "person": name, **reviewer, **me}, opened)

    assert "proposed this release" in why("ada", set())
    assert "signed this release already" in why("katherine", set())
    assert "role reviewer" in why("oscar", set(), roles=["operator"])
    count = len(answer["dossier"]["evidence"])
    assert count >= 9
    assert f"{count} of {count} left" in why("grace", set())
    assert why("grace", {piece["id"] for piece in answer["dossier"]["evidence"]}) == ""
    gate = {"rule": "ece", "severity": "block", "passed": False}
    answer["dossier"]["gates"].append(gate)
    assert why("grace", set()) == "The policy blocks it: ece."
    answer["exceptions"] = [{"rule": "ece", "stands": True}]
    assert "evidence first" in why("grace", set())
    answer["exceptions"][0]["stands"] = False
    assert why("grace", set()) == "The policy blocks it: ece."
    assert "nothing left to sign" in obstacle({**answer, "state": "deployed"}, reviewer, set())


def test_evidence_opens_its_report(window: Window, client: FakeClient) -> None:
    window.go("approvals")
    settle(window.bridge, "approvals")
    page = window.page("approvals")
    evidence = page._answer["dossier"]["evidence"]
    gates = next(piece for piece in evidence if piece["kind"] == "gates")
    page._open_evidence("gates", gates["id"])
    settle(window.bridge, "gates")
    assert window._current == "evaluation"
    judged = next(piece["id"] for piece in evidence if piece["kind"] == "evaluation")
    assert ("evaluation", {"id": judged}) in client.asked
    checks = next(piece for piece in evidence if piece["kind"] == "validation")
    page._open_evidence("validation", checks["id"])
    settle(window.bridge, "checks")
    assert window._current == "data"
    data = window.page("data")
    assert data.tabs.tabText(data.tabs.currentIndex()).startswith("Checks")
    assert data.tables.current()["table"] == checks["summary"].split(":")[0]


def test_lineage_draws_alike_things_as_one(window: Window) -> None:
    window.go("lineage")
    settle(window.bridge, "lineage")
    page = window.page("lineage")
    kinds = page._rows["kind"].to_list()
    many = next(kind for kind in kinds if kind.endswith(" sources"))
    assert not set(kinds) & {"validation", "profile"}
    group = page._rows.filter(pl.col("kind") == many)["id"][0]
    alone = kinds.count("source")
    page._focus(group)
    assert page._rows["kind"].to_list().count("source") == alone + int(many.split()[0])
    page.reports.setChecked(True)
    assert any("validation" in kind for kind in page._rows["kind"].to_list())


def test_login_is_asked_again_after_a_refusal(qtbot: QtBot) -> None:
    dialog = LoginDialog(None, "grace")
    qtbot.addWidget(dialog)
    assert not dialog.go.isEnabled()
    dialog.secret.setText("wrong")
    with qtbot.waitSignal(dialog.entered) as caught:
        dialog.go.click()
    assert caught.args == ["grace", "wrong"]
    assert dialog.secret.text() == ""
    dialog.refuse("The passphrase does not open your key")
    assert dialog.isEnabled()


def test_an_unforeseen_answer_is_told(window: Window, client: FakeClient) -> None:
    client.answers["monitoring"] = {"windows": "not a list", "slos": 3}
    window.go("monitoring")
    settle(window.bridge, "monitoring")
    assert not window.message.isHidden()


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
