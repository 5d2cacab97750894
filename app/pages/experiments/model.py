"""What the experiments page asks and changes."""

from __future__ import annotations

from app.pages.base import PageModel, Then

POINTS = 4000


class ExperimentsModel(PageModel):
    """Runs that fit a search, one run, curves, comparisons; tags, notes, archive and views."""

    questions = ("runs_found", "run_names", "run_completions", "run_views", "run", "run_metrics", "runs_compared")
    operations = ("run.tag", "run.note", "run.archive", "run.save_view")

    def runs(self, where: str, columns: list[str] | None, archived: bool, then: Then, failed: Then) -> None:
        """Runs that fit, newest first."""
        lifecycle = "deleted" if archived else "active"
        self.ask("runs_found", then, failed=failed, where=where, columns=columns, lifecycle=lifecycle)

    def names(self, then: Then) -> None:
        """What runs can be searched by, and shown of them."""
        self.ask("run_names", then)

    def completions(self, text: str, then: Then) -> None:
        """What may follow a search that is being typed."""
        self.ask("run_completions", then, text=text)

    def views(self, then: Then) -> None:
        """Saved views."""
        self.ask("run_views", then)

    def run(self, name: str, then: Then) -> None:
        """One run with parameters, inputs and metrics."""
        self.ask("run", then, id=name)

    def compared(self, names: list[str], then: Then) -> None:
        """Some runs beside each other."""
        self.ask("runs_compared", then, names=names)

    def curves(self, name: str, smoothing: float, then: Then) -> None:
        """The curves of a run, smoothed and thinned by the engine."""
        self.ask("run_metrics", then, slot=f"curves {name}", id=name, points=POINTS, smoothing=smoothing)

    def tag(self, run: str, tags: dict[str, str | None], then: Then) -> None:
        """Tag a run, or take tags away."""
        self.change("run.tag", {"run": run, "tags": tags}, then)

    def note(self, run: str, text: str, then: Then) -> None:
        """Write the note of a run."""
        self.change("run.note", {"run": run, "text": text}, then)

    def archive(self, runs: list[str], archived: bool, then: Then) -> None:
        """Take runs out of sight, or bring them back."""
        self.change("run.archive", {"runs": runs, "archived": archived}, then)

    def save_view(self, name: str, where: str, columns: list[str], then: Then) -> None:
        """Keep the search and its columns under a name."""
        self.change("run.save_view", {"name": name, "where": where, "columns": columns}, then)
