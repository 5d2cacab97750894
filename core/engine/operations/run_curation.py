"""What people add to runs: tags, notes, archive and return; and views of runs that they save."""

from __future__ import annotations

import json

from pydantic import Field

from core.engine.context import Context, Done
from core.engine.operations.tracking import Note, NoteThing, note_thing
from core.engine.registry import operation
from core.engine.run_language import split_column
from core.engine.tracking.draft import Draft
from core.engine.tracking.shelf import Shelf
from core.kernel.errors import InputError, NotFound
from core.kernel.records import Record
from core.store.run_query import parse

VIEW_KIND = "view of runs"
NOTE = "mlflow.note.content"  # where clients keep a run's description


class TagRun(Record):
    """Tags of a run: a value each, or none to take the tag away."""

    run: str
    tags: dict[str, str | None]


class WriteNote(Record):
    """Words about a run; the newest hold."""

    run: str
    text: str


class ArchiveRuns(Record):
    """Runs out of sight, or back in it."""

    runs: list[str]
    archived: bool = True


class SaveView(Record):
    """A search with its columns and order, under a name; ``removed`` takes it away."""

    name: str
    where: str = ""
    columns: list[str] = Field(default_factory=list)
    order: str = ""
    removed: bool = False


@operation("run.tag", "track.log", TagRun)
def tag_run(context: Context, request: TagRun) -> Done:
    """Tag a run, whoever made it."""
    notes = [
        Note(kind="tag", name=name, value=value or "", removed=value is None) for name, value in request.tags.items()
    ]
    return note_thing(context, NoteThing(subject=request.run, notes=notes))


@operation("run.note", "track.log", WriteNote)
def write_note(context: Context, request: WriteNote) -> Done:
    """Write a note about a run."""
    note = Note(kind="tag", name=NOTE, value=request.text)
    return note_thing(context, NoteThing(subject=request.run, notes=[note]))


@operation("run.archive", "track.log", ArchiveRuns)
def archive_runs(context: Context, request: ArchiveRuns) -> Done:
    """Take runs out of sight, or bring them back. Nothing of them is lost."""
    if not request.runs:
        raise InputError("No run was named")
    known = Shelf(context.session).runs(request.runs)
    missing = [run for run in request.runs if run not in known]
    if missing:
        raise NotFound(f"There is no run {', '.join(missing[:5])}")
    draft = Draft(context)
    for run in request.runs:
        draft.note(run, "state", "lifecycle", "deleted" if request.archived else "active")
    draft.keep()
    word = "Archived" if request.archived else "Restored"
    return Done(subject=request.runs[0], summary=f"{word} {len(request.runs)} runs")


@operation("run.save_view", "track.log", SaveView)
def save_view(context: Context, request: SaveView) -> Done:
    """Keep a view."""
    if not request.name.strip():
        raise InputError("A view needs a name")
    parse(request.where)
    for column in request.columns:
        split_column(column)
    kept = {"where": request.where, "columns": request.columns, "order": request.order}
    context.transition(VIEW_KIND, request.name, "" if request.removed else json.dumps(kept))
    return Done(subject=request.name, summary=f"View {request.name}{' removed' if request.removed else ''}")
