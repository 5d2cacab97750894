"""What the approvals page asks, and the one change it makes: a signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.pages.base import PageModel, Then
from core.kernel.errors import PlimsollError

DECIDED = ("approved", "rejected", "withdrawn", "superseded", "deployed", "live", "expired", "rolled_back")


class ApprovalsModel(PageModel):
    """Releases that wait, their dossiers, and signing them."""

    questions = ("releases", "release")
    operations = ("release.sign",)

    def releases(self, then: Then) -> None:
        """All releases; the page puts the waiting ones first."""
        self.ask("releases", then)

    def release(self, name: str, then: Then) -> None:
        """One release with its dossier and signatures."""
        self.ask("release", then, id=name)

    def sign(
        self,
        release: str,
        meaning: str,
        comment: str,
        opened: list[str],
        passphrase: str,
        then: Then,
        failed: Callable[[PlimsollError], None],
    ) -> None:
        """Sign the dossier: ``approve`` or ``reject``; the ids of the evidence opened go along."""
        request = {"release": release, "meaning": meaning, "comment": comment, "evidence_opened": opened}
        self.change("release.sign", request, then, passphrase=passphrase, failed=failed)


def obstacle(answer: dict[str, Any], actor: str, opened: set[str]) -> str:
    """Why this person can't approve now; empty when nothing is in the way."""
    dossier = answer.get("dossier") or {}
    if str(answer.get("state")) in DECIDED:
        return f"This release is {answer.get('state')}: there is nothing left to sign."
    if actor in (dossier.get("author"), dossier.get("author_person")):
        return "You proposed this release. Whoever proposes can't approve: another reviewer must."
    mine = [one for one in answer.get("sign_offs") or [] if one.get("signer") == actor and one.get("valid", True)]
    if mine:
        return f"You signed this release already ({mine[0].get('meaning')})."
    blocked = [g["rule"] for g in dossier.get("gates") or [] if not g["passed"] and g.get("severity") == "block"]
    if blocked:
        return f"The policy blocks it: {', '.join(blocked)}."
    left = [e for e in dossier.get("evidence") or [] if e["id"] not in opened]
    if left:
        return f"Open the evidence first: {len(left)} of {len(dossier['evidence'])} left."
    return ""
