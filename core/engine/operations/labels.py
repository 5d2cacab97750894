"""Labels: deliveries of true ones, and weak ones that functions vote for."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from sqlmodel import Session, col, select

from core.engine.context import Context, Done
from core.engine.jobs import submit
from core.engine.projects import newest_version, read_version
from core.engine.registry import JobOutcome, job_kind, operation
from core.kernel.clock import utc_text
from core.kernel.errors import InputError, NotFound
from core.kernel.records import Record
from core.store.tables import Snapshot


class AddLabels(Record):
    """Labels that arrived: a file with the key columns, ``label`` and ``known_at``, from a named source."""

    file: str
    source: str = Field(default="", pattern=r"^[A-Za-z0-9_. -]{0,63}$")
    allow_unknown: bool = Field(default=False, description="Keep labels of events that nobody knows yet")


class WeakRequest(Record):
    """Let the project's labelling functions vote on the newest training set's events."""


@operation("labels.add", "labels.add", AddLabels)
def start_add_labels(context: Context, request: AddLabels) -> Done:
    """Queue the reading of a file of labels, against those kept so far and the events that are known."""
    session = context.session
    project = read_version(newest_version(session), {})
    name = f"{project.project}_labels"
    params = {
        "file": request.file,
        "source": request.source or Path(request.file).name,
        "key": project.events.key,
        "task": project.label.task,
        "name": name,
        "now": utc_text(context.now),
        "allow_unknown": request.allow_unknown,
    }
    inputs = {f"labels:{number:06d}": row.blob for number, row in enumerate(label_snapshots(session, name))}
    events = newest_table(session, project.events.table)
    if events is not None and not request.allow_unknown:
        inputs["events"] = events.blob
        collected = session.exec(select(Snapshot).where(Snapshot.kind == "predictions")).all()
        inputs |= {f"predictions:{number:06d}": row.blob for number, row in enumerate(collected)}
    job = submit(context, "labels.add", f"Read labels of {project.project}", params=params, inputs=inputs)
    return Done(summary="Reading labels", result={"job": job})


@job_kind("labels.add", "labels.add", "core.engine.work.labels:add_labels", rooms=("monitoring",))
def keep_labels(context: Context, outcome: JobOutcome) -> Done:
    """Keep what is new as a snapshot of its own; nothing that was kept is ever changed."""
    blobs, name, value = context.workspace.blobs, outcome.params["name"], outcome.value
    told = {field: int(value[field]) for field in ("rows", "repeated", "corrected", "empty")}
    if not told["rows"]:
        return Done(subject=name, summary=f"{name}: nothing new", result={"snapshot": None, **told})
    blob = blobs.put_file(outcome.folder / "table.parquet")
    known = context.session.exec(select(Snapshot).where(Snapshot.kind == "labels", Snapshot.blob == blob)).first()
    if known is not None:  # two deliveries of one file were queued before either was kept
        return Done(
            subject=known.id, summary=f"{name}: known already", result={"snapshot": known.id, **told, "rows": 0}
        )
    row = context.add(
        Snapshot,
        "snap",
        kind="labels",
        name=name,
        rows=told["rows"],
        bytes=blobs.path(blob).stat().st_size,
        blob=blob,
        columns=dict.fromkeys(value["columns"], ""),
        detail={"source": outcome.params["source"], **told, "first": value["first"], "last": value["last"]},
    )
    words = [f"{told['rows']:,} labels from {row.detail['source']}"]
    words += [f"{told[field]:,} {field}" for field in ("repeated", "corrected", "empty") if told[field]]
    return Done(subject=row.id, summary=f"{name}: {', '.join(words)}", result={"snapshot": row.id, **told})


@operation("labels.weak", "labels.add", WeakRequest)
def start_weak_labels(context: Context, _request: WeakRequest) -> Done:
    """Queue the vote.

    Raises:
        InputError: when the project has no labelling functions. NotFound: when no training set was built yet.
    """
    session = context.session
    project = read_version(newest_version(session), {})
    if project.labelling is None:
        raise InputError(
            "The project has no labelling functions", remedy="Write some under labelling.functions in plimsoll.yaml"
        )
    training_set = newest_table(session, f"{project.project}_features", kinds=("training_set",))
    events = newest_table(session, project.events.table)
    if training_set is None or events is None:
        raise NotFound("No training set was built yet", remedy="Run `plimsoll features build` first.")
    params = {
        "name": f"{project.project}_weak_labels",
        "project": project.model_dump(mode="json", by_alias=True),
        "made_from": [training_set.id, events.id],
    }
    inputs = {"events": events.blob, "training_set": training_set.blob}
    job = submit(context, "labels.weak", f"Weak labels of {project.project}", params=params, inputs=inputs)
    return Done(summary="Asking the labelling functions", result={"job": job})


@job_kind(
    "labels.weak",
    "labels.add",
    "core.engine.work.labels:make_weak_labels",
    rooms=("monitoring", "measures", "contract", "project"),
)
def keep_weak_labels(context: Context, outcome: JobOutcome) -> Done:
    """Keep the votes' outcome as ``weak_labels``: a kind that nothing takes for the truth."""
    blobs, value = context.workspace.blobs, outcome.value
    blob = blobs.put_file(outcome.folder / "table.parquet")
    row = context.add(
        Snapshot,
        "snap",
        kind="weak_labels",
        name=outcome.params["name"],
        rows=int(value["rows"]),
        bytes=blobs.path(blob).stat().st_size,
        blob=blob,
        columns=dict.fromkeys(outcome.params["project"]["events"]["key"], "") | {"probability": "", "votes": ""},
        detail=value,
    )
    for source in outcome.params["made_from"]:
        context.edge(source, row.id, "voted on")
    share = value["labelled"] / max(1, value["rows"])
    summary = f"{row.name}: {len(value['functions'])} functions vote on {share:.1%} of {value['rows']:,} events"
    return Done(subject=row.id, summary=summary, result={"snapshot": row.id, **value})


def label_snapshots(session: Session, name: str) -> list[Snapshot]:
    """Deliveries of true labels, oldest first."""
    query = select(Snapshot).where(Snapshot.kind == "labels", Snapshot.name == name)
    return list(session.exec(query.order_by(col(Snapshot.created_at))))


def newest_table(session: Session, name: str, kinds: tuple[str, ...] = ("table", "source")) -> Snapshot | None:
    """The newest snapshot of a table, or none."""
    query = select(Snapshot).where(Snapshot.name == name, col(Snapshot.kind).in_(kinds))
    return session.exec(query.order_by(col(Snapshot.created_at).desc())).first()
