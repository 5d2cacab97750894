"""Which blobs the rows of the store name, what became of a snapshot's content, and what must be kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlmodel import Session, col, select

from core.blobs.store import BlobStore
from core.engine.context import state_of
from core.kernel.clock import utc_text
from core.kernel.errors import NotFound, PlimsollError
from core.store.tables import (
    FACTS,
    Edge,
    Fact,
    Job,
    LogBatch,
    MetricBatch,
    ModelVersion,
    Package,
    Report,
    Run,
    Snapshot,
    StepResult,
    TrackedNote,
    Transition,
)

STATE = "profile state"  # kind of transitions about the mergeable state of a profile
CONTENT = "content"  # the aspect of a snapshot that says whether its content is still here
KEPT_OUTPUTS = ("blob", "contract", "html", "model", "predictions", "log")
BLOBS_OF: dict[type[Fact], Callable[[Any], list[str]]] = {
    Snapshot: lambda row: [row.blob, *([row.detail["contract"]] if "contract" in row.detail else [])],
    Report: lambda row: [row.blob, *([row.facts["state"]] if "state" in row.facts else [])],
    Run: lambda row: list(row.artefacts.values()),
    ModelVersion: lambda row: [row.onnx, row.contract, *row.detail["files"].values()],
    Package: lambda row: [row.blob],
    StepResult: lambda row: blobs_of_step(row.outputs),
}
_LIVE = ("queued", "running")
_SILENT: tuple[type[Fact], ...] = (Transition, Edge, MetricBatch, LogBatch)  # what these say of blobs keeps none
_DIGEST = re.compile(r"b3:[0-9a-f]{64}")


def blobs_of_step(outputs: dict[str, Any]) -> list[str]:
    """Blobs that the cached outcome of a step hands to later steps."""
    return [str(outputs[name]) for name in KEPT_OUTPUTS if name in outputs] + list(outputs.get("files", {}).values())


def gone(session: Session) -> dict[str, Transition]:
    """Snapshots whose content was collected or erased: their records stay. Id to the newest word about it."""
    query = select(Transition).where(Transition.kind == "snapshot", Transition.aspect == CONTENT)
    newest = {row.subject: row for row in session.exec(query.order_by(col(Transition.order)))}
    return {subject: row for subject, row in newest.items() if row.state != "kept"}


def withdrawn_states(session: Session) -> set[str]:
    """Mergeable states of profiles that went when a column of theirs was confirmed as personal."""
    return set(session.exec(select(Transition.subject).where(Transition.kind == STATE)))


def require_content(session: Session, row: Snapshot) -> Snapshot:
    """The snapshot itself, if its content is still here.

    Raises:
        NotFound: when it was collected or erased, saying when and why.
    """
    if state_of(session, "snapshot", row.id, CONTENT) not in (None, "kept"):
        said = gone(session)[row.id]
        raise NotFound(
            f"The content of {row.name} of {utc_text(row.created_at)} was {said.state} on {utc_text(said.created_at)}",
            where=row.id,
            detail=said.reason,
            remedy="Its record, profile and checks are still here; choose another snapshot, or a backup.",
        )
    return row


def blob_owners(session: Session, blobs: BlobStore) -> tuple[dict[str, str], set[str]]:
    """Every blob that must be there with the row that names it, and those that may be gone: collected or erased."""
    lost, withdrawn = gone(session), withdrawn_states(session)
    owners: dict[str, str] = {}
    released: set[str] = set()
    for table, blobs_of in BLOBS_OF.items():
        for row in session.exec(select(table)):
            named = _named_by(row, blobs_of)
            released.update(withdrawn.intersection(named))
            named = [name for name in named if name not in withdrawn]
            if is_lost(row, lost):
                released.update(named)
                continue
            for digest in named:
                for blob in (digest, blobs.successor(digest), *inside(blobs, digest)):
                    owners.setdefault(blob, f"{table.__tablename__} {row.id}")
    for subject, digest in tracked_files(session):
        owners.setdefault(digest, f"a file of {subject}")
    return owners, released - set(owners)


def is_lost(row: Fact, lost: dict[str, Transition]) -> bool:
    """Whether a row speaks of a content that is gone: the snapshot itself, or the cached step that made it."""
    if isinstance(row, Snapshot):
        return row.id in lost
    return isinstance(row, StepResult) and row.outputs.get("snapshot") in lost


def inside(blobs: BlobStore, digest: str) -> list[str]:
    """Blobs that a manifest names; none for what is missing, changed, or no manifest."""
    try:
        return blobs.parts(digest)
    except PlimsollError:
        return []


def needed_blobs(session: Session, blobs: BlobStore, lost: dict[str, Any]) -> set[str]:
    """All blobs that any row but those of lost content names anywhere, with their parts.

    Whatever a row says in whatever column counts, so that a new kind of fact is safe without being known here.
    """
    named: set[str] = set()
    for table in FACTS:
        if table in _SILENT:
            continue
        for row in session.exec(select(table)):
            if not is_lost(row, lost) and not (isinstance(row, Job) and not is_live(session, row)):
                named.update(_DIGEST.findall(row.model_dump_json()))
    named.update(digest for _, digest in tracked_files(session))
    named |= {blobs.successor(digest) for digest in named}  # what took the place of an erased one
    return named | {part for digest in named if blobs.has(digest) for part in inside(blobs, digest)}


def tracked_files(session: Session) -> list[tuple[str, str]]:
    """Files that clients uploaded, those of deleted runs too: the run or model, and the digest."""
    found = session.exec(select(TrackedNote.subject, TrackedNote.value).where(TrackedNote.kind == "file")).all()
    return [(subject, value.partition(" ")[0]) for subject, value in found if _DIGEST.match(value)]


def is_live(session: Session, job: Job) -> bool:
    """Whether a job is queued or running."""
    return state_of(session, "job", job.id) in _LIVE


def live_jobs(session: Session) -> Iterator[Job]:
    """Jobs that are queued or running."""
    return (job for job in session.exec(select(Job)) if is_live(session, job))


def _named_by(row: Fact, blobs_of: Callable[[Any], list[str]]) -> list[str]:
    try:
        return [name for name in blobs_of(row) if isinstance(name, str)]
    except (KeyError, TypeError, AttributeError):  # somebody changed the row: verification names it
        return []
