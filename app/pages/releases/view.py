"""Releases at the left, the chosen one at the right; targets and deployments behind tabs."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QTabWidget

from app.bridge import Bridge
from app.pages.base import Page
from app.pages.releases.model import ReleasesModel
from app.tables import format as fmt
from app.tables.view import Table
from app.widgets.badge import StateBadge
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import Card, Line, Scrolled, Section, button, row
from app.widgets.states import EmptyState
from app.widgets.text import Label
from app.widgets.timeline import Happening, Timeline

RELEASES = {
    "release": "Release",
    "model": "Model",
    "version": "Version",
    "state": "State",
    "signed": "Signed",
    "environment": "Environment",
    "author": "Author",
    "proposed_at": "Proposed",
}
AWAITING = ("proposed", "pending", "awaiting", "in_review", "partial")


class View(Page):
    """What was proposed, signed and pushed where."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = ReleasesModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self.releases, self.targets, self.deployments = Table("Releases"), Table("Targets"), Table("Deployments")
        self.releases.chosen.connect(self._choose)
        self.tabs = QTabWidget()
        for table, title in ((self.releases, "Releases"), (self.deployments, "Deployments"), (self.targets, "Targets")):
            self.tabs.addTab(table, title)
        content = self.split(Card().add(self.tabs), self._side(), sizes=(3, 2))
        self.build(
            content,
            EmptyState(
                "Nothing has been released",
                "Propose a model that passes its gates with 'plimsoll release propose MODEL'.",
            ),
        )

    def _side(self) -> Card:
        self.name = Label("", "heading", select=True)
        self.badge = StateBadge()
        self.facts, self.digests = KeyValueGrid(), KeyValueGrid()
        self.signatures, self.pushes = Timeline(), Timeline()
        self.visit = button("Open dossier", tip="Review and sign this release")
        self.visit.clicked.connect(self._open_dossier)
        self.origin = button("Lineage")
        self.origin.clicked.connect(self._open_lineage)
        scrolled = Scrolled()
        for part in (
            self.facts,
            Line(),
            Section("Signatures", self.signatures),
            Line(),
            Section("Deployments", self.pushes),
            Line(),
            Section("Digests", self.digests),
        ):
            scrolled.body.addWidget(part)
        scrolled.body.addStretch(1)
        card = Card()
        card.setMinimumWidth(360)
        card.add(row(self.name, self.badge, None, gap=10))
        card.body.addWidget(scrolled, 1)
        card.add(row(self.visit, self.origin, None))
        return card

    def load(self) -> None:
        self.states.loading()
        self.model.releases(self._show)
        self.model.targets(self._show_targets)
        self.model.deployments(self._show_deployments)

    def open_item(self, item: str) -> None:
        self._wanted = item
        if self.releases.model() is not None:
            self.releases.select("release", item)

    def _show(self, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            self.states.empty()
            return
        waiting = frame.filter(pl.col("state").is_in(AWAITING)).height
        self.describe(f"{frame.height} releases" + (f", {waiting} waiting for signatures" if waiting else ""))
        signed = pl.format("{} of {}", "approvals", "approvals_needed").alias("signed")
        self.releases.show_frame(frame.with_columns(signed), RELEASES, key="release")
        self.states.full()
        if not (self._wanted and self.releases.select("release", self._wanted)):
            self.releases.choose_first()

    def _show_targets(self, frame: pl.DataFrame) -> None:
        self.targets.show_frame(frame, key="name")
        self.tabs.setTabText(2, f"Targets ({frame.height})")

    def _show_deployments(self, frame: pl.DataFrame) -> None:
        self.deployments.show_frame(frame)
        self.tabs.setTabText(1, f"Deployments ({frame.height})")

    def _choose(self, chosen: dict[str, Any]) -> None:
        self._wanted = str(chosen["release"])
        self.name.setText(self._wanted)
        self.badge.show_state(chosen.get("state"))
        self.model.release(self._wanted, self._show_release)

    def _show_release(self, answer: dict[str, Any]) -> None:
        dossier = answer.get("dossier") or {}
        self.facts.show_pairs(
            [
                ("Model", f"{dossier.get('model')} version {dossier.get('version')}"),
                ("Environment", str(dossier.get("environment"))),
                ("Author", str(dossier.get("author_person"))),
                ("Proposed", fmt.when(dossier.get("proposed_at"))),
                ("Policy", str(dossier.get("policy"))),
                ("Replaces", str(dossier.get("previous") or "nothing")),
            ]
        )
        self.digests.show_pairs(
            [
                ("Dossier", str(answer.get("dossier_digest") or "–")),
                ("Payload", str(dossier.get("payload") or "–")),
                ("Package", str(answer.get("package_digest") or "–")),
            ]
        )
        self.signatures.show_items(_signature(one) for one in answer.get("sign_offs") or [])
        self.pushes.show_items(
            Happening(
                str(d.get("state")),
                f"{d.get('target')}: {d.get('state')}",
                fmt.when(d.get("at") or d.get("started_at")),
            )
            for d in answer.get("deployments") or []
        )

    def _open_dossier(self) -> None:
        self.go.emit("approvals", self._wanted)

    def _open_lineage(self) -> None:
        self.go.emit("lineage", self._wanted)


def _signature(one: dict[str, Any]) -> Happening:
    meaning = "approved" if one.get("meaning") == "approve" else "rejected"
    state = meaning if one.get("valid", True) else "invalid"
    why = f"   no longer counts: {one.get('reason')}" if not one.get("valid", True) else ""
    comment = f"   “{one['comment']}”" if one.get("comment") else ""
    return Happening(
        state,
        f"{one.get('signer_name') or one.get('signer')} {meaning}{comment}",
        f"{fmt.when(one.get('signed_at'))}{why}",
    )
