"""What the experiments page asks."""

from __future__ import annotations

from app.pages.base import PageModel, Then

POINTS = 4000


class ExperimentsModel(PageModel):
    """Runs, one run, and the curves of some."""

    questions = ("runs", "run", "run_metrics")

    def runs(self, then: Then) -> None:
        """All runs, newest first."""
        self.ask("runs", then)

    def run(self, name: str, then: Then) -> None:
        """One run with parameters, inputs and metrics."""
        self.ask("run", then, id=name)

    def curves(self, name: str, then: Then) -> None:
        """The curves of a run, decimated by the engine."""
        self.ask("run_metrics", then, slot=f"curves {name}", id=name, points=POINTS)
