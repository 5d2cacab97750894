"""Runs above, searched and in columns of one's choice; below curves, differences, scatter, and the words of one run."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from app.bridge import Bridge, message_of
from app.pages.base import Page
from app.pages.experiments.curves import Curves
from app.pages.experiments.model import ExperimentsModel
from app.pages.experiments.relations import Parallel, Scatter
from app.pages.experiments.searching import SearchBar
from app.pages.experiments.words import Words
from app.tables import format as fmt
from app.tables.view import Table
from app.widgets.layout import Card, button
from app.widgets.states import EmptyState
from core.kernel.errors import InputError, PlimsollError

FIRST = {"name": "Run", "experiment": "Experiment", "trainer": "Trainer", "status": "State"}
LAST = {"model": "Registered as", "seconds": "Took", "started_at": "Started (UTC)", "author": "By"}
MOST = 6


def facts_frame(groups: dict[str, Any]) -> pl.DataFrame:
    """Nested facts as rows of group, name and value."""
    out = []
    for group, values in groups.items():
        pairs = values.items() if isinstance(values, dict) else enumerate(values or [])
        out += [{"group": group, "name": str(name), "value": fmt.anything(value)} for name, value in pairs]
    return pl.DataFrame(out, schema={"group": pl.String, "name": pl.String, "value": pl.String})


def columns_of(frame: pl.DataFrame) -> dict[str, str]:
    """Headings of the columns that the answer has: what a run is, the chosen figures, who and when."""
    chosen = {name: name.partition(".")[2] for name in frame.columns if "." in name}
    return {name: title for name, title in {**FIRST, **chosen, **LAST}.items() if name in frame.columns}


def differences(answer: dict[str, Any]) -> tuple[pl.DataFrame, dict[str, str]]:
    """What differs between runs as rows, a column a run, and the headings."""
    runs = [str(one["run"]) for one in answer["runs"]]
    titles = {str(one["run"]): str(one["name"]) for one in answer["runs"]}
    rows = []
    for part in ("parameters", "inputs", "metrics"):
        for name in answer["differ"][part]:
            values = dict(zip(runs, (fmt.anything(value) for value in answer[part][name]), strict=True))
            rows.append({"kind": part.removesuffix("s"), "name": name, **values})
    schema = dict.fromkeys(("kind", "name", *runs), pl.String)
    return pl.DataFrame(rows, schema=schema), {"kind": "Kind", "name": "Differs", **titles}


class View(Page):
    """Runs of every kind; select several to compare them."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.model = ExperimentsModel(bridge, self)
        self.model.failed.connect(self.tell_error)
        self._wanted = ""
        self._known: dict[str, list[str]] = {}
        self.bar = SearchBar()
        self.bar.changed.connect(self._search)
        self.bar.typing.connect(self._complete)
        self.bar.save.connect(self._save_view)
        self.runs = Table("Runs", many=True)
        self.runs.chosen.connect(self._choose)
        self.curves, self.scatter, self.parallel, self.words = Curves(), Scatter(), Parallel(), Words()
        self.curves.smoothed.connect(self._ask_curves)
        self.words.noted.connect(self._note)
        self.words.tagged.connect(self._tag)
        self.differ = Table("Differences of the chosen runs")
        self.facts = Table("Facts of the run")
        self.inputs = Table("Inputs and artefacts of the run")
        self.tabs = QTabWidget()
        for widget, title in (
            (self.curves, "Curves"),
            (self.differ, "Differences"),
            (self.scatter, "Scatter"),
            (self.parallel, "Parallel coordinates"),
            (self.facts, "Parameters and metrics"),
            (self.inputs, "Inputs and artefacts"),
            (self.words, "Note and tags"),
        ):
            self.tabs.addTab(widget, title)
        self.archive = button("Archive")
        self.archive.clicked.connect(self._archive)
        self.detail = Card("Run", actions=(self.archive,)).add(self.tabs)
        table = Card("Runs", f"select up to {MOST} to compare them").add(self._above(), self.runs)
        content = self.split(table, self.detail, sizes=(2, 3), vertical=True)
        self.build(content, EmptyState("No run yet", "Train with 'plimsoll train', or log with an MLflow client."))

    def _above(self) -> QWidget:
        above = QWidget()
        box = QVBoxLayout(above)
        box.setContentsMargins(0, 0, 0, 8)
        box.addWidget(self.bar)
        box.addWidget(self.bar.problem)
        return above

    def load(self) -> None:
        self.states.loading()
        self._search()
        self.model.names(self._show_names)
        self.model.views(self.bar.show_views)

    def open_item(self, item: str) -> None:
        self._wanted = item
        if self.runs.model() is not None:
            self.runs.select("run", item)

    def _search(self) -> None:
        self.model.runs(
            self.bar.field.text(), self.bar.columns, self.bar.archived.isChecked(), self._show, self._not_found
        )

    def _complete(self, text: str) -> None:
        self.model.completions(text, self.bar.offer)

    def _not_found(self, error: PlimsollError) -> None:
        """A search that makes no sense is told beside it; anything else takes the page's place."""
        if isinstance(error, InputError) and self.bar.field.text():
            self.bar.refuse("\n".join(part for part in message_of(error) if part))
        else:
            self.show_error(error)

    def _show(self, frame: pl.DataFrame) -> None:
        self.bar.refuse("")
        searched = bool(self.bar.field.text()) or self.bar.archived.isChecked()
        if frame.is_empty() and not searched:
            self.states.empty()
            return
        running = frame.filter(pl.col("status") == "running").height if "status" in frame.columns else 0
        words = f"{frame.height:,} {'archived ' if self.bar.archived.isChecked() else ''}runs"
        self.describe(words + (f", {running} running" if running else ""))
        self.runs.show_frame(frame, columns_of(frame), key="run")
        self.archive.setText("Restore" if self.bar.archived.isChecked() else "Archive")
        self._tick(frame)
        self.scatter.show_runs(frame)
        self.parallel.show_runs(frame)
        self.states.full()
        if not (self._wanted and self.runs.select("run", self._wanted)):
            self.runs.choose_first()

    def _show_names(self, names: dict[str, list[str]]) -> None:
        self._known = names
        model = self.runs.frame_model()
        if model is not None:
            self._tick(model.frame)

    def _tick(self, frame: pl.DataFrame) -> None:
        self.bar.show_names(self._known, [name for name in frame.columns if "." in name])

    def _choose(self, _row: dict[str, Any]) -> None:
        chosen = self.runs.selected()[:MOST]
        if not chosen:
            return
        self._wanted = str(chosen[0]["run"])
        names = {str(r["run"]): str(r.get("name") or r["run"]) for r in chosen}
        self.detail.heading.setText(" · ".join(names.values()))
        self.detail.note.say(self._wanted if len(chosen) == 1 else f"{len(chosen)} runs")
        self.curves.expect(names)
        self.model.run(self._wanted, self._show_run)
        self._ask_curves()
        if len(chosen) > 1:
            self.model.compared([*names], self._show_differences)
        else:
            self.differ.show_frame(*differences(ALONE))

    def _ask_curves(self) -> None:
        for row in self.runs.selected()[:MOST]:
            run = str(row["run"])
            self.model.curves(run, self.curves.smoothing, lambda frame, run=run: self.curves.receive(run, frame))

    def _show_differences(self, answer: dict[str, Any]) -> None:
        self.differ.show_frame(*differences(answer))

    def _show_run(self, answer: dict[str, Any]) -> None:
        environment = dict(answer.get("environment") or {})
        packages = environment.pop("packages", None) or {}
        groups = {
            "metric": answer.get("metrics") or {},
            "parameter": {"seed": answer.get("seed"), **(answer.get("parameters") or {})},
            "resource": answer.get("resources") or {},
            "environment": environment,
            "package": packages,
        }
        self.facts.show_frame(facts_frame(groups), {"group": "Kind", "name": "Name", "value": "Value"})
        given = {"input": answer.get("inputs") or {}, "artefact": answer.get("artefacts") or {}}
        self.inputs.show_frame(facts_frame(given), {"group": "Kind", "name": "Name", "value": "Digest"})
        self.words.show_run(answer)

    def _archive(self) -> None:
        runs = [str(row["run"]) for row in self.runs.selected()]
        if runs:
            self.model.archive(runs, not self.bar.archived.isChecked(), self._changed)

    def _note(self, text: str) -> None:
        if self._wanted:
            self.model.note(self._wanted, text, self._changed)

    def _tag(self, tags: dict[str, str | None]) -> None:
        if self._wanted:
            self.model.tag(self._wanted, tags, self._changed)

    def _save_view(self, name: str) -> None:
        model = self.runs.frame_model()
        columns = [one for one in model.frame.columns if "." in one] if model is not None else []
        self.model.save_view(name, self.bar.field.text(), columns, self._changed)

    def _changed(self, _answer: Any) -> None:
        self.load()


ALONE: dict[str, Any] = {
    "runs": [],
    "differ": {"parameters": [], "inputs": [], "metrics": []},
    "parameters": {},
    "inputs": {},
    "metrics": {},
}
