"""What the overview asks."""

from __future__ import annotations

from app.pages.base import PageModel, Then


class OverviewModel(PageModel):
    """One question answers the whole page."""

    questions = ("overview",)

    def load(self, then: Then) -> None:
        """Everything at a glance."""
        self.ask("overview", then)
