"""What the governance page asks."""

from __future__ import annotations

from app.pages.base import PageModel, Then

MOST = 500


class GovernanceModel(PageModel):
    """The ledger, its verification, the people, and exceptions from gates."""

    questions = ("ledger", "ledger_verify", "users", "exceptions")

    def ledger(self, where: str, then: Then) -> None:
        """The newest entries, or those that hold a text."""
        self.ask("ledger", then, where=where or None, limit=MOST)

    def verify(self, then: Then) -> None:
        """Check the whole chain and its checkpoints."""
        self.ask("ledger_verify", then)

    def users(self, then: Then) -> None:
        """People, roles and keys."""
        self.ask("users", then)

    def exceptions(self, then: Then) -> None:
        """Exceptions from gates, the newest first."""
        self.ask("exceptions", then)
