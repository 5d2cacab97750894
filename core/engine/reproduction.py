"""What a run was asked to do, and which of its inputs are no longer what they were."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from core.blobs.store import BlobStore
from core.engine.projects import last_loaded, read_version
from core.engine.steps import code_digest
from core.kernel.digests import digest_json
from core.kernel.errors import NotFound, Problem
from core.store.tables import Edge, Job, Run, Snapshot, StepResult
from core.training.reproduce import Difference

TABLES = {"source": "source", "table": "table"}


def order_of(session: Session, run: Run) -> Job:
    """The job that made a run: its parameters and the digests of its inputs.

    Raises:
        NotFound: when the run came from elsewhere, so that there is nothing to repeat.
    """
    made = func.json_extract_string(StepResult.outputs, "$.run")
    result = session.exec(select(StepResult).where(made == run.id)).first()
    job = session.exec(select(Job).where(Job.key == result.key)).first() if result else None
    if job is None:
        raise NotFound(
            f"There is no record of how {run.name} was made",
            where=run.id,
            remedy="Only runs that Plimsoll trained can be made again; this one was imported or logged.",
        )
    return job


def check_inputs(blobs: BlobStore, order: Job) -> None:
    """Every file that the run read must still be there.

    Raises:
        NotFound: naming all that are gone.
    """
    problems = []
    for name, digest in order.spec["inputs"].items():
        try:
            blobs.path(digest)
        except NotFound as error:
            problems.append(Problem(error.headline, where=name.replace("_", " "), remedy=error.remedy))
    if problems:
        raise NotFound("The run cannot be made again: what it was made from is gone", problems=problems)


def changed_inputs(session: Session, blobs: BlobStore, run: Run, order: Job) -> list[Difference]:
    """What differs between the run's inputs and the project as it is now, the first cause first.

    Data come before what is derived from them: the first difference is the one that a person should look at.
    """
    found = _tables(session, str(run.inputs["training_set"]))
    found += [_replaced(blobs, name, digest) for name, digest in order.spec["inputs"].items()]
    found += _project(session, run)
    found.append(_digest("Plimsoll's training code", str(run.inputs["code"]), code_digest(("training", "contract"))))
    return [item for item in found if item.then != item.now]


def _tables(session: Session, training_set: str) -> list[Difference]:
    """Sources first, then the tables derived from them, each against its newest snapshot."""
    used: dict[str, Snapshot] = {}
    todo = [training_set]
    while todo:
        edges = session.exec(select(Edge).where(Edge.result == todo.pop())).all()
        for edge in edges:
            row = session.get(Snapshot, edge.source)
            if row is not None and row.id not in used and row.kind in TABLES:
                used[row.id] = row
                todo.append(row.id)
    rows = sorted(used.values(), key=lambda row: (row.kind != "source", row.name))
    return [_digest(f"{row.kind} {row.name}", row.blob, _newest(session, row).blob) for row in rows]


def _newest(session: Session, row: Snapshot) -> Snapshot:
    query = select(Snapshot).where(Snapshot.kind == row.kind, Snapshot.name == row.name)
    return session.exec(query.order_by(col(Snapshot.created_at).desc())).first() or row


def _replaced(blobs: BlobStore, name: str, digest: str) -> Difference:
    return _digest(f"{name.replace('_', ' ')} (a person was erased from it)", digest, blobs.successor(digest))


def _project(session: Session, run: Run) -> list[Difference]:
    version = last_loaded(session, run.project)
    if version is None:
        return []
    project = read_version(version, {})
    candidate = project.training.candidates.get(run.name)
    now: dict[str, Any] = {
        "label": project.label.fingerprint(),
        "features": digest_json(project.features.plain()),
        "split": digest_json(project.split.model_dump(mode="json", by_alias=True)),
    }
    found = [_digest(name, str(run.inputs.get(name, "")), value) for name, value in now.items()]
    if candidate is not None:
        found.append(_text("trainer", run.trainer, candidate.trainer))
        found.append(_text("function", run.inputs.get("function", ""), candidate.function))
        found.append(_digest(f"code of {candidate.function}", str(run.inputs.get("own_code", "")), candidate.source))
        names = sorted({*run.settings, *candidate.settings})
        found += [
            _text(f"setting {name}", run.settings.get(name, "default"), candidate.settings.get(name, "default"))
            for name in names
        ]
        found.append(_text("seed", run.seed, project.training.seed))
    return found


def _digest(what: str, then: str, now: str) -> Difference:
    return Difference(what=what, then=then[:15], now=now[:15], decisive=True)


def _text(what: str, then: Any, now: Any) -> Difference:
    return Difference(what=what, then=str(then), now=str(now), decisive=True)
