"""What clients of the tracking door change: experiments, runs, what is logged to them, and notes about them."""

from __future__ import annotations

import uuid
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl
from pydantic import Field

from core.engine.context import Context, Done
from core.engine.registry import operation
from core.engine.tracking.draft import Draft
from core.engine.tracking.known_runs import KnownRuns
from core.engine.tracking.shelf import DEFAULT, EXPERIMENT, LOGGED_MODEL, RUN, Shelf
from core.kernel.errors import Conflict, InputError, NotFound
from core.kernel.ids import new_id
from core.kernel.records import Record
from core.store.tracked import POINTS
from core.workspace.workspace import Workspace

FOREVER = ("param", "input", "model_input", "model_output")  # kinds that are said once
LIFECYCLES = ("active", "deleted")
KNOWN: WeakKeyDictionary[Workspace, KnownRuns] = WeakKeyDictionary()
POINT_COLUMNS = {name: kind for name, kind in POINTS.items() if name != "position"}


class CreateExperiment(Record):
    """A place for runs. ``id`` is given for the default one only."""

    name: str
    id: str = ""
    location: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    ms: int | None = None


class CreateRun(Record):
    """A run that a client logs to from now on."""

    experiment: str
    name: str = ""
    user: str = ""
    ms: int | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class CreateLoggedModel(Record):
    """A model that a client is about to upload the files of."""

    experiment: str
    name: str = ""
    type: str = ""
    run: str = ""
    params: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)


class Note(Record):
    """One note: kind (param, tag, state, input, file ...), name and value."""

    kind: str
    name: str
    value: str = ""
    removed: bool = False


class NoteThing(Record):
    """Notes about one thing that is tracked; what held before is still on record."""

    subject: str
    notes: list[Note]


class RunWrites(Record):
    """What one caller logs to one run: metric points column by column, parameters and tags."""

    run: str
    names: list[str] = Field(default_factory=list)
    values: list[float] = Field(default_factory=list)
    steps: list[int] = Field(default_factory=list)
    times: list[int] = Field(default_factory=list)
    models: list[str] = Field(default_factory=list)
    datasets: list[str] = Field(default_factory=list)
    params: list[tuple[str, str]] = Field(default_factory=list)
    tags: list[tuple[str, str]] = Field(default_factory=list)


class LogWrites(Record):
    """Writes of many callers of one user, kept in one transaction. One that is wrong stops none of the others."""

    writes: list[RunWrites]


@operation("tracking.create_experiment", "track.log", CreateExperiment)
def create_experiment(context: Context, request: CreateExperiment) -> Done:
    """Add an experiment under a name that none has, not even a deleted one."""
    shelf = Shelf(context.session)
    taken = shelf.experiment_named(request.name)
    if taken is not None:
        gone = " in deleted state: restore it, or choose another name" if taken["lifecycle"] == "deleted" else ""
        raise Conflict(f"Experiment(name={request.name}) already exists{gone}", where=taken["id"])
    draft = Draft(context)
    id = request.id or str(max((int(one) for one in shelf.ids(EXPERIMENT)), default=0) + 1)
    draft.thing(EXPERIMENT, id, name=request.name, ms=request.ms, detail={"location": request.location})
    for name, value in request.tags.items():
        draft.note(id, "tag", name, value)
    draft.keep()
    return Done(subject=id, summary=f"Experiment {request.name}", result={"experiment": id})


@operation("tracking.create_run", "track.log", CreateRun)
def create_run(context: Context, request: CreateRun) -> Done:
    """Start a run in an experiment."""
    experiment = Shelf(context.session).experiment(request.experiment)
    if experiment["lifecycle"] != "active":
        raise InputError(
            f"The experiment {experiment['id']} must be in the 'active' state. Current state is deleted.",
        )
    draft, id = Draft(context), new_id("run")
    detail = {"user": request.user} if request.user else {}
    draft.thing(RUN, id, parent=request.experiment, name=request.name, ms=request.ms, detail=detail)
    draft.note(id, "state", "status", "RUNNING", ms=request.ms)
    for name, value in request.tags.items():
        draft.note(id, "tag", name, value, ms=request.ms)
    draft.keep()
    return Done(subject=id, summary=f"Run {request.name or id} in {experiment['name']}", result={"run": id})


@operation("tracking.create_model", "track.log", CreateLoggedModel)
def create_logged_model(context: Context, request: CreateLoggedModel) -> Done:
    """Announce a model; its files follow, and are only kept: nothing here ever loads them."""
    Shelf(context.session).experiment(request.experiment)
    draft, id = Draft(context), f"m-{uuid.uuid4().hex}"
    detail = {"type": request.type, "run": request.run}
    draft.thing(LOGGED_MODEL, id, parent=request.experiment, name=request.name or id, detail=detail)
    draft.note(id, "state", "status", "PENDING")
    for kind, values in (("param", request.params), ("tag", request.tags)):
        for name, value in values.items():
            draft.note(id, kind, name, value)
    draft.keep()
    return Done(subject=id, summary=f"Logged model {request.name or id}", result={"model": id})


@operation("tracking.note", "track.log", NoteThing)
def note_thing(context: Context, request: NoteThing) -> Done:
    """Note tags, states, inputs, outputs and files of an experiment, a run or a logged model."""
    shelf = Shelf(context.session)
    thing = shelf.thing(request.subject)
    _must_take(thing, request.notes)
    held = {(row["kind"], row["name"]): row["value"] for row in shelf.notes([request.subject]).to_dicts()}
    draft = Draft(context)
    for note in request.notes:
        known = held.get((note.kind, note.name))
        if note.removed and known is None:
            raise NotFound(f"No {note.kind} with name: {note.name} in {request.subject}")
        if note.kind == "param" and known not in (None, note.value):
            raise _changed(request.subject, note.name, str(known), note.value)
        if known is None or note.kind not in FOREVER:
            draft.note(request.subject, note.kind, note.name, note.value, removed=note.removed)
    draft.keep()
    words = ", ".join(sorted({f"{note.kind} {note.name}" for note in request.notes})[:4])
    return Done(subject=request.subject, summary=f"{words} of {request.subject}"[:200], result={})


def _must_take(thing: dict[str, Any], notes: list[Note]) -> None:
    """Refuse notes about what is deleted, but for its return, and states that are none."""
    moves = [note.value for note in notes if (note.kind, note.name) == ("state", "lifecycle")]
    unknown = [move for move in moves if move not in LIFECYCLES]
    if unknown:
        raise InputError(f"A lifecycle is {' or '.join(LIFECYCLES)}, not {unknown[0]!r}")
    if thing["kind"] == EXPERIMENT and thing["id"] == DEFAULT and "deleted" in moves:
        raise InputError("The default experiment stays")
    if thing["lifecycle"] != "active" and not moves and thing["kind"] != LOGGED_MODEL:
        raise _inactive(thing)


@operation("tracking.log", "track.log", LogWrites)
def log_writes(context: Context, request: LogWrites) -> Done:
    """Keep points, parameters and tags. ``refused`` of the result says what is wrong with which write."""
    shelf, draft = Shelf(context.session), Draft(context)
    runs = KNOWN.setdefault(context.workspace, KnownRuns()).of(context, shelf, {write.run for write in request.writes})
    params = shelf.params({write.run for write in request.writes if write.params})
    refused: dict[str, dict[str, Any]] = {}
    pointed: list[RunWrites] = []
    for number, write in enumerate(request.writes):
        try:
            _check_write(runs.get(write.run), write, params)
        except InputError as error:
            refused[str(number)] = error.as_dict()
            continue
        if write.names:
            pointed.append(write)
        for name, value in write.params:
            if params.setdefault((write.run, name), "\0new") == "\0new":
                params[write.run, name] = value
                draft.note(write.run, "param", name, value)
        for name, value in write.tags:
            draft.note(write.run, "tag", name, value)
    if pointed:
        draft.points(_frame(pointed))
    batch = draft.keep()
    subjects = sorted(runs)
    points = batch.points if batch else 0
    notes = batch.notes if batch else 0
    return Done(
        subject=subjects[0] if len(subjects) == 1 else "",
        summary=f"{points:,} points and {notes:,} notes of {len(subjects)} runs",
        result={"refused": refused},
    )


def _check_write(run: dict[str, Any] | None, write: RunWrites, params: dict[tuple[str, str], str]) -> None:
    if run is None:
        raise NotFound(f"Run with id={write.run} not found")
    if run["lifecycle"] != "active":
        raise _inactive(run)
    if run["trained"] and (write.names or write.params):
        raise InputError(f"The run {write.run} was trained here and is finished: only tags can be added")
    lengths = {len(write.names), len(write.values), len(write.steps), len(write.times)}
    if len(lengths) > 1 or any(part and len(part) != len(write.names) for part in (write.models, write.datasets)):
        raise InputError("The columns of the points differ in length", where=write.run)
    seen: dict[str, str] = {}
    for name, value in write.params:
        known = params.get((write.run, name), seen.setdefault(name, value))
        if known != value:
            raise _changed(write.run, name, known, value)


def _changed(subject: str, name: str, old: str, new: str) -> InputError:
    return InputError(
        f"Changing param values is not allowed. Param with key='{name}' was already logged with value='{old}' "
        f"for run ID='{subject}'. Attempted logging new value '{new}'."
    )


def _inactive(thing: dict[str, Any]) -> InputError:
    words = {RUN: "run", EXPERIMENT: "experiment"}.get(thing["kind"], "model")
    return InputError(f"The {words} {thing['id']} must be in the 'active' state. Current state is deleted.")


def _frame(writes: list[RunWrites]) -> pl.DataFrame:
    """The points of all writes, one after the other: one frame, however many callers there were."""
    columns: dict[str, list[Any]] = {name: [] for name in POINT_COLUMNS}
    for write in writes:
        count = len(write.names)
        columns["run"] += [write.run] * count
        columns["name"] += write.names
        columns["value"] += write.values
        columns["step"] += write.steps
        columns["ms"] += write.times
        columns["model"] += [one or None for one in write.models] or [None] * count
        columns["dataset"] += [one or None for one in write.datasets] or [None] * count
    return pl.DataFrame(columns, schema=POINT_COLUMNS)
