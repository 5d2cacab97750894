"""The request, its evidence, what changed, who signed, and the two buttons that sign."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QWidget

from app.bridge import Bridge, message_of
from app.pages.approvals.evidence import EvidenceList
from app.pages.approvals.model import DECIDED, ApprovalsModel, obstacle
from app.pages.base import Page
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.badge import StateBadge
from app.widgets.dialogs import PassphraseDialog
from app.widgets.figure import KeyFigure, KeyValueGrid
from app.widgets.layout import Card, Scrolled, button, column, row
from app.widgets.states import EmptyState
from app.widgets.text import ElidedLabel, Label
from app.widgets.timeline import Happening, Timeline
from core.kernel.errors import PlimsollError

QUEUE = [Column("release", "Release"), Column("state", "State", kind="badge")]
GATES = {"state": "Outcome", "rule": "Rule", "asked": "Asked", "observed": "Observed"}
PLACES = {
    "evaluation": "evaluation",
    "validation": "data",
    "snapshot": "data",
    "run": "experiments",
    "drift": "monitoring",
    "lineage": "lineage",
    "training": "experiments",
    "leakage": "data",
}


class View(Page):
    """Releases that wait for a signature."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = ApprovalsModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self._answer: dict[str, Any] = {}
        self._opened: dict[str, set[str]] = {}
        self._dialog: PassphraseDialog | None = None
        self.queue = Table("Releases to sign")
        self.queue.chosen.connect(self._choose)
        self.queue.setMinimumWidth(256)
        content = self.split(Card("Queue").add(self.queue), self._dossier(), sizes=(1, 3))
        self.build(
            content,
            EmptyState(
                "Nothing waits for a signature", "When somebody proposes a release, it comes here with its evidence."
            ),
        )

    def _dossier(self) -> QWidget:
        self.name, self.badge = Label("", "title", select=True), StateBadge()
        self.tally, self.gate_figure = KeyFigure("Signatures"), KeyFigure("Gates")
        self.score = KeyFigure("ROC-AUC")
        self.facts, self.changes = KeyValueGrid(columns=2), Label("", wrap=True, select=True)
        self.evidence, self.gates = EvidenceList(), Table("Gates of the release")
        self.gates.setMinimumHeight(176)
        self.signatures = Timeline()
        self.evidence.opened.connect(self._open_evidence)
        scrolled = Scrolled()
        scrolled.body.addLayout(row(self.tally, self.gate_figure, self.score, gap=16))
        scrolled.body.addWidget(Card("Request").add(self.facts))
        scrolled.body.addWidget(Card("Evidence", "all of it must be opened before approving").add(self.evidence))
        scrolled.body.addWidget(Card("Changes since the previous release").add(self.changes))
        scrolled.body.addWidget(Card("Gates").add(self.gates))
        scrolled.body.addWidget(Card("Signatures and comments").add(self.signatures))
        scrolled.body.addStretch(1)
        whole = QWidget()
        box = column(row(self.name, self.badge, None, gap=12), scrolled, self._decision(), gap=12)
        box.setStretch(1, 1)
        whole.setLayout(box)
        return whole

    def _decision(self) -> Card:
        self.hint = ElidedLabel("", "muted")
        self.approve, self.reject = button("Approve and sign…", "primary"), button("Reject…", "danger")
        self.approve.clicked.connect(self._ask_approval)
        self.reject.clicked.connect(self._ask_rejection)
        line = row(self.hint, self.reject, self.approve, gap=12)
        line.setStretch(0, 1)
        return Card().add(line)

    def load(self) -> None:
        self.states.loading()
        self.model.releases(self._show)

    def open_item(self, item: str) -> None:
        self._wanted = item
        if self.queue.model() is not None:
            self.queue.select("release", item)

    def run_command(self, name: str) -> None:
        if name == "approvals.sign" and self.approve.isEnabled():
            self._ask_approval()
        elif name == "approvals.reject" and self.reject.isEnabled():
            self._ask_rejection()

    def _show(self, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            self.states.empty()
            return
        frame = frame.with_columns(pl.col("state").is_in(DECIDED).alias("decided")).sort("decided", maintain_order=True)
        waiting = frame.filter(~pl.col("decided")).height
        self.describe(f"{waiting} waiting" if waiting else "nothing waits; earlier releases are listed")
        self.queue.show_frame(frame, QUEUE, key="release")
        self.states.full()
        if not (self._wanted and self.queue.select("release", self._wanted)):
            self.queue.choose_first()

    def _choose(self, chosen: dict[str, Any]) -> None:
        self._wanted = str(chosen["release"])
        self.model.release(self._wanted, self._show_release)

    def _show_release(self, answer: dict[str, Any]) -> None:
        self._answer = answer
        dossier = answer.get("dossier") or {}
        self.name.setText(str(dossier.get("release") or self._wanted))
        self.badge.show_state(answer.get("state"))
        self._show_figures(answer, dossier)
        self.facts.show_pairs(
            [
                ("Model", f"{dossier.get('model')} version {dossier.get('version')}"),
                ("Environment", str(dossier.get("environment"))),
                ("Author", str(dossier.get("author_person"))),
                ("Proposed", fmt.when(dossier.get("proposed_at"))),
                ("Policy", str(dossier.get("policy"))),
                ("Replaces", str(dossier.get("previous") or "nothing")),
                ("Payload", str(dossier.get("payload"))),
                ("Dossier", str(answer.get("dossier_digest"))),
            ]
        )
        self.changes.setText(
            "\n".join(f"• {c}" for c in dossier.get("changes") or [])
            or "This is the first release: there is nothing to compare with."
        )
        rows = [
            {
                "state": "passed" if g["passed"] else "blocked" if g.get("severity") == "block" else "warned",
                "rule": g["rule"],
                "asked": f"{g['fact']} {g['op']} {g['expected']}",
                "observed": str(g["observed"]),
            }
            for g in dossier.get("gates") or []
        ]
        self.gates.show_frame(pl.DataFrame(rows, schema=dict.fromkeys(GATES, pl.String)), GATES)
        self.gates.setMinimumHeight(min(8, max(2, len(rows))) * 34 + 36)
        self.signatures.show_items(_signature(one) for one in answer.get("sign_offs") or [])
        self._judge()

    def _show_figures(self, answer: dict[str, Any], dossier: dict[str, Any]) -> None:
        needed = int(dossier.get("approvals_needed") or 0)
        good = [s for s in answer.get("sign_offs") or [] if s.get("valid", True) and s.get("meaning") == "approve"]
        roles = ", ".join(dossier.get("approver_roles") or [])
        self.tally.say(f"{len(good)} of {needed}", f"by distinct people in the role {roles}")
        gates = dossier.get("gates") or []
        failed = [g for g in gates if not g["passed"]]
        state = "blocked" if any(g.get("severity") == "block" for g in failed) else "warned" if failed else "passed"
        self.gate_figure.say(f"{len(gates) - len(failed)} of {len(gates)}", str(dossier.get("policy") or ""), state)
        metrics = dossier.get("metrics") or {}
        low, high = metrics.get("roc_auc.low"), metrics.get("roc_auc.high")
        self.score.say(fmt.score(metrics.get("roc_auc", metrics.get("roc_auc.value"))), fmt.interval(low, high))

    def _judge(self) -> None:
        seen = self._opened.setdefault(self._wanted, set())
        evidence = (self._answer.get("dossier") or {}).get("evidence") or []
        self.evidence.show_evidence(evidence, seen)
        why = obstacle(self._answer, self.bridge.actor, seen)
        final = bool(why) and not why.startswith(("Open the evidence", "The policy"))
        self.approve.setEnabled(not why)
        self.reject.setEnabled(not final)
        self.hint.say(why or "You have seen all evidence. Your signature is bound to this dossier's digest.")

    def _open_evidence(self, kind: str, piece: str) -> None:
        self._opened.setdefault(self._wanted, set()).add(piece)
        self._judge()
        self.go.emit(PLACES.get(kind, "lineage"), piece)

    def _ask_approval(self) -> None:
        self._open_dialog("approve")

    def _ask_rejection(self) -> None:
        self._open_dialog("reject")

    def _open_dialog(self, meaning: str) -> None:
        approving = meaning == "approve"
        facts = (
            ("Release", self._wanted),
            ("Signing as", self.bridge.actor),
            ("Meaning", "I approve this release" if approving else "I reject this release"),
            ("Dossier", str(self._answer.get("dossier_digest"))),
        )
        dialog = PassphraseDialog(
            self,
            "Approve and sign" if approving else "Reject and sign",
            "Your signature covers the dossier below, byte by byte, and can't be taken back.",
            "Sign approval" if approving else "Sign rejection",
            facts=facts,
            statement="I have reviewed the evidence" if approving else "I have reviewed the request",
            comment_needed=not approving,
            danger=not approving,
        )
        dialog.signed.connect(lambda comment, secret: self._sign(meaning, comment, secret))
        dialog.finished.connect(dialog.deleteLater)
        self._dialog = dialog
        dialog.open()

    def _sign(self, meaning: str, comment: str, secret: str) -> None:
        opened = sorted(self._opened.get(self._wanted, set()))
        self.model.sign(self._wanted, meaning, comment, opened, secret, self._signed, self._not_signed)

    def _signed(self, _answer: dict[str, Any]) -> None:
        if self._dialog is not None:
            self._dialog.accept()
            self._dialog = None
        self.said.emit("good", f"Your signature on {self._wanted} is recorded", "")
        self.load()

    def _not_signed(self, error: PlimsollError) -> None:
        if self._dialog is not None:
            self._dialog.refuse("\n".join(part for part in message_of(error) if part))
        else:
            self.tell_error(error)


def _signature(one: dict[str, Any]) -> Happening:
    meaning = "approved" if one.get("meaning") == "approve" else "rejected"
    valid = one.get("valid", True)
    note = "" if valid else f"   no longer counts: {one.get('reason')}"
    comment = f": “{one['comment']}”" if one.get("comment") else ""
    return Happening(
        meaning if valid else "invalid",
        f"{one.get('signer_name') or one.get('signer')} {meaning}{comment}",
        f"{fmt.when(one.get('signed_at'))}{note}",
    )
