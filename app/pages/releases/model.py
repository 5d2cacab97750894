"""What the releases page asks."""

from __future__ import annotations

from app.pages.base import PageModel, Then


class ReleasesModel(PageModel):
    """Releases, one release, targets and deployments."""

    questions = ("releases", "release", "targets", "deployments", "users")

    def releases(self, then: Then) -> None:
        """All releases, newest first."""
        self.ask("releases", then)

    def release(self, name: str, then: Then) -> None:
        """One release with its dossier, signatures and deployments."""
        self.ask("release", then, id=name)

    def targets(self, then: Then) -> None:
        """Where packages run."""
        self.ask("targets", then)

    def deployments(self, then: Then) -> None:
        """What was pushed where."""
        self.ask("deployments", then)

    def users(self, then: Then) -> None:
        """People, to show names instead of ids."""
        self.ask("users", then)
