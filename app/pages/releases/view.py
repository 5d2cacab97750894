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
    "what": "Model",
    "state": "State",
    "signed": "Signed",
    "environment": "Environment",
    "proposed_at": "Proposed (UTC)",
}
DEPLOYMENTS = {"target": "Target", "release": "Release", "at": "When", "strategy": "How", "seconds": "Took", "by": "By"}
TARGETS = {"name": "Target", "state": "State", "environment": "Environment", "release": "Runs", "url": "Reached at"}
AWAITING = ("proposed", "pending", "awaiting", "in_review", "partial")


class View(Page):
    """What was proposed, signed and pushed where."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = ReleasesModel(bridge, self)
        self.model.failed.connect(self.show_error)
        self._wanted = ""
        self._people: dict[str, str] = {}
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
        self.signatures, self.pushes = Timeline("Nobody has signed yet"), Timeline("Not deployed yet")
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
        self.model.users(self._show_people)

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
        named = pl.format("{} v{}", "model", "version").alias("what")
        self.releases.show_frame(frame.with_columns(signed, named), RELEASES, key="release")
        self.states.full()
        if not (self._wanted and self.releases.select("release", self._wanted)):
            self.releases.choose_first()

    def _show_targets(self, frame: pl.DataFrame) -> None:
        self.targets.show_frame(frame, TARGETS, key="name")
        self.tabs.setTabText(2, f"Targets ({frame.height})")

    def _show_deployments(self, frame: pl.DataFrame) -> None:
        self.deployments.show_frame(self._named(frame), DEPLOYMENTS)
        self.tabs.setTabText(1, f"Deployments ({frame.height})")

    def _named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Names instead of user ids, once they are known."""
        return frame.with_columns(pl.col("by").replace(self._people)) if "by" in frame.columns else frame

    def _show_people(self, frame: pl.DataFrame) -> None:
        self._people = dict(frame.select("user", "name").iter_rows())
        self.model.deployments(self._show_deployments)

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
                ("Author", str(answer.get("author_name") or dossier.get("author_person"))),
                ("Proposed", f"{fmt.when(dossier.get('proposed_at'))} UTC"),
                ("Policy", str(dossier.get("policy"))),
                ("Replaces", str(dossier.get("previous") or "nothing")),
            ]
        )
        self.digests.show_pairs(
            [
                ("Dossier", str(answer.get("dossier_digest") or "–")),
                ("Payload", str(dossier.get("payload") or "–")),
                ("Package", str(answer.get("package_digest") or "not built yet")),
                ("Package size", fmt.size(answer.get("package_bytes"))),
            ]
        )
        self.signatures.show_items(_signature(one) for one in answer.get("sign_offs") or [])
        self.pushes.show_items(_push(d) for d in reversed(answer.get("deployments") or []))

    def _open_dossier(self) -> None:
        self.go.emit("approvals", self._wanted)

    def _open_lineage(self) -> None:
        self.go.emit("lineage", self._wanted)


def _signature(one: dict[str, Any]) -> Happening:
    meaning = "approved" if one.get("meaning") == "approve" else "rejected"
    valid = one.get("valid", True)
    lines = [f"“{one['comment']}”"] if one.get("comment") else []
    until = f", counts until {fmt.day(one.get('expires_at'))}" if one.get("expires_at") else ""
    lines.append(fmt.when(one.get("signed_at")) + (until if valid else f", does not count: {one.get('reason')}"))
    who = one.get("signer_name") or one.get("signer")
    return Happening(meaning if valid else "invalid", f"{who} {meaning}", "\n".join(lines))


def _push(one: dict[str, Any]) -> Happening:
    """A deployment: where, how, how long, and what the target said afterwards."""
    status = one.get("status") or {}
    ready = "ready" if status.get("ready") else "not ready"
    steps = ", ".join(str(step.get("step")) for step in one.get("steps") or [])
    text = f"{one.get('target')}: {ready} after {fmt.seconds(one.get('seconds'))}"
    return Happening("done" if status.get("ready") else "failed", text, f"{steps}\n{fmt.when(one.get('at'))}")
