"""The request, its figures, gates, slices, evidence, what changed, who signed, and the two buttons that sign."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QWidget

from app.bridge import Bridge, message_of
from app.pages.approvals.evidence import EvidenceList
from app.pages.approvals.model import (
    DECIDED,
    WORST,
    ApprovalsModel,
    figure_of,
    figures_frame,
    forbidden,
    obstacle,
    snapshot_of,
    worst_slices,
)
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

QUEUE = [Column("what", "Release"), Column("state", "State", kind="badge")]
GATES = [
    Column("state", "Outcome", kind="badge"),
    Column("rule", "Rule"),
    Column("asked", "Asked"),
    Column("observed", "Observed"),
]
FIGURES = [
    Column("figure", "Figure"),
    Column("value", "Value", fmt.number, "number"),
    Column("low", "Low", fmt.number, "number"),
    Column("high", "High", fmt.number, "number"),
]
SLICES = [
    Column("slice", "Slice"),
    Column("difference", "AUC", fmt.signed, "number"),
    Column("error", "Error rate", fmt.signed, "number"),
]
PLACES = {"run": "experiments", "monitoring": "monitoring", "exception": "governance"}


class View(Page):
    """Releases that wait for a signature."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = ApprovalsModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self._answer: dict[str, Any] = {}
        self._report: dict[str, Any] = {}
        self._me: dict[str, Any] = {}
        self._opened: dict[str, set[str]] = {}
        self._dialog: PassphraseDialog | None = None
        self.queue = Table("Releases to sign")
        self.queue.chosen.connect(self._choose)
        self.queue.setMinimumWidth(204)
        content = self.split(Card("Queue").add(self.queue), self._dossier(), sizes=(1, 5))
        self.build(
            content,
            EmptyState(
                "Nothing waits for a signature", "When somebody proposes a release, it comes here with its evidence."
            ),
        )

    def _dossier(self) -> QWidget:
        self.name, self.badge = Label("", "title", select=True), StateBadge()
        self.origin = ElidedLabel("", "muted")
        self.tally, self.gate_figure = KeyFigure("Signatures"), KeyFigure("Gates")
        self.score, self.ece = KeyFigure("ROC-AUC"), KeyFigure("Calibration error")
        self.facts, self.changes = KeyValueGrid(), Label("", wrap=True, select=True)
        self.evidence, self.gates = EvidenceList(), Table("Gates of the release")
        self.more, self.slices = Table("Further figures"), Table("Slices that stand out")
        self.signatures = Timeline("Nobody has signed yet")
        self.evidence.opened.connect(self._open_evidence)
        scrolled = Scrolled()
        scrolled.body.addLayout(row(self.tally, self.gate_figure, self.score, self.ece, gap=12))
        scrolled.body.addLayout(self._two_columns())
        scrolled.body.addStretch(1)
        whole = QWidget()
        head = row(self.name, self.badge, self.origin, gap=12)
        head.setStretch(2, 1)
        box = column(head, scrolled, self._decision(), gap=12)
        box.setStretch(1, 1)
        whole.setLayout(box)
        return whole

    def _two_columns(self) -> Any:
        left = column(
            Card("Evidence", "all of it must be opened before approving").add(self.evidence),
            Card("Gates").add(self.gates),
            None,
            gap=16,
        )
        right = column(
            Card("Changes since the previous release").add(self.changes),
            Card("Signatures").add(self.signatures),
            Card("Slices that stand out", "difference to the rest").add(self.slices),
            Card("Further figures", "95 % intervals").add(self.more),
            Card("Request").add(self.facts),
            None,
            gap=16,
        )
        both = row(gap=16)
        both.addLayout(left, 6)
        both.addLayout(right, 5)
        return both

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
        self.model.me(self._show_me)
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

    def _show_me(self, me: dict[str, Any]) -> None:
        self._me = me
        if self._answer:
            self._judge()

    def _show(self, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            self.states.empty()
            return
        named = pl.format("{} v{}", "model", "version").alias("what")
        decided = pl.col("state").is_in(DECIDED).alias("decided")
        frame = frame.with_columns(decided, named).sort("decided", maintain_order=True)
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
        self._answer, self._report = answer, {}
        dossier = answer.get("dossier") or {}
        self.name.setText(f"{dossier.get('model')} v{dossier.get('version')}")
        self.badge.show_state(answer.get("state"))
        author = answer.get("author_name") or dossier.get("author_person")
        self.origin.say(
            f"for {dossier.get('environment')}, proposed by {author} on {fmt.when(dossier.get('proposed_at'))} UTC"
        )
        self._show_request(answer, dossier)
        self._show_gates(dossier.get("gates") or [])
        self.changes.setText("\n".join(f"• {c}" for c in dossier.get("changes") or []) or "None.")
        self.signatures.show_items(signature(one) for one in answer.get("sign_offs") or [])
        self._show_figures(answer, dossier)
        self._judge()
        reports = [e["id"] for e in dossier.get("evidence") or [] if e["kind"] == "evaluation"]
        if reports:
            self.model.evaluation(reports[0], self._show_report)

    def _show_report(self, report: dict[str, Any]) -> None:
        self._report = report
        self._show_figures(self._answer, self._answer.get("dossier") or {})

    def _show_request(self, answer: dict[str, Any], dossier: dict[str, Any]) -> None:
        intact = "as proposed" if answer.get("dossier_intact", True) else "CHANGED since it was proposed"
        self.facts.show_pairs(
            [
                ("Release", str(dossier.get("release"))),
                ("Replaces", str(dossier.get("previous") or "nothing")),
                ("Policy", str(dossier.get("policy"))),
                ("Run", str(dossier.get("run"))),
                ("Payload", str(dossier.get("payload"))),
                ("Dossier", str(answer.get("dossier_digest"))),
                ("Dossier is", intact),
            ]
        )

    def _show_gates(self, gates: list[dict[str, Any]]) -> None:
        until = {one["rule"]: fmt.when(one["expires_at"]) for one in self._standing()}
        rows = [
            {
                "state": self._state_of(g),
                "rule": str(g["rule"]).replace("_", " "),
                "asked": f"{g['op']} {g['expected']}",
                "observed": f"{g['observed']}, exception to {until[g['rule']]}"
                if g["rule"] in until
                else str(g["observed"]),
            }
            for g in gates
        ]
        rows.sort(key=lambda one: ("blocked", "warned", "passed").index(one["state"]))
        schema = dict.fromkeys(("state", "rule", "asked", "observed"), pl.String)
        self.gates.show_frame(pl.DataFrame(rows, schema=schema), GATES)
        self.gates.show_all()

    def _standing(self) -> list[dict[str, Any]]:
        return [one for one in self._answer.get("exceptions") or [] if one["stands"]]

    def _state_of(self, gate: dict[str, Any]) -> str:
        """A failed gate that an exception lets stand warns; it blocks again when the exception ends."""
        if gate["passed"]:
            return "passed"
        stands = gate["rule"] in {one["rule"] for one in self._standing()}
        return "blocked" if gate.get("severity") == "block" and not stands else "warned"

    def _show_figures(self, answer: dict[str, Any], dossier: dict[str, Any]) -> None:
        needed = int(dossier.get("approvals_needed") or 0)
        good = (answer.get("tally") or {}).get("approved_by") or []
        self.tally.say(f"{len(good)} of {needed}", f"by {' or '.join(dossier.get('approver_roles') or [])}s")
        gates = dossier.get("gates") or []
        failed = [g for g in gates if not g["passed"]]
        states = {self._state_of(g) for g in gates}
        state = next((one for one in ("blocked", "warned") if one in states), "passed")
        note = ", ".join(str(g["rule"]) for g in failed) or str(dossier.get("policy") or "")
        self.gate_figure.say(f"{len(gates) - len(failed)} of {len(gates)}", note, state)
        value, low, high = figure_of(dossier, self._report, "roc_auc")
        self.score.say(fmt.score(value), fmt.interval(low, high))
        calibration = self._report.get("calibration") or {}
        ece = (dossier.get("metrics") or {}).get("calibration.ece", calibration.get("ece"))
        self.ece.say(fmt.score(ece), f"largest in one bin {fmt.score(calibration.get('mce'))}")
        self.more.show_frame(figures_frame(dossier, self._report), FIGURES)
        slices = worst_slices(self._report)
        self.slices.show_frame(slices.head(WORST), SLICES)
        for table in (self.more, self.slices):
            table.show_all()

    def _judge(self) -> None:
        seen = self._opened.setdefault(self._wanted, set())
        evidence = (self._answer.get("dossier") or {}).get("evidence") or []
        self.evidence.show_evidence(evidence, seen)
        why = obstacle(self._answer, self._me, seen)
        self.approve.setEnabled(not why)
        self.reject.setEnabled(not forbidden(self._answer, self._me))
        self.hint.say(why or "You have seen all evidence. Your signature is bound to this dossier's digest.")

    def _open_evidence(self, kind: str, piece: str) -> None:
        self._opened.setdefault(self._wanted, set()).add(piece)
        self._judge()
        if kind in ("evaluation", "gates"):
            evidence = (self._answer.get("dossier") or {}).get("evidence") or []
            judged = next((e["id"] for e in evidence if e["kind"] == "evaluation"), piece)
            self.go.emit("evaluation", f"{judged}#{kind}")
        elif kind in PLACES:
            self.go.emit(PLACES[kind], piece)
        else:
            self.model.subject(piece, lambda graph: self._open_subject(graph, kind, piece))

    def _open_subject(self, graph: dict[str, Any], kind: str, piece: str) -> None:
        about = snapshot_of(graph, piece)
        self.go.emit("data" if about else "lineage", f"{about}#{kind}" if about else piece)

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


def signature(one: dict[str, Any]) -> Happening:
    """A sign-off as an entry: who, what they said, until when it counts, or why it does not."""
    meaning = "approved" if one.get("meaning") == "approve" else "rejected"
    valid = one.get("valid", True)
    lines = [f"“{one['comment']}”"] if one.get("comment") else []
    until = f", counts until {fmt.day(one['expires_at'])}" if one.get("expires_at") else ""
    reason = f", does not count: {one.get('reason')}"
    lines.append(f"{fmt.when(one.get('signed_at'))}{until if valid else reason}")
    who = one.get("signer_name") or one.get("signer")
    return Happening(meaning if valid else "invalid", f"{who} {meaning}", "\n".join(lines))
