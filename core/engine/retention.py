"""What may be collected: snapshots that the project's rules retire and nothing refers to, and blobs nobody names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlmodel import Session, col, select

from core.blobs.store import BlobStore
from core.engine.projects import last_loaded, read_version
from core.engine.references import gone, inside, live_jobs, needed_blobs
from core.kernel.clock import utc_text
from core.kernel.durations import span
from core.kernel.records import Record
from core.project.schema import Retention
from core.store.tables import Collection, Edge, ModelVersion, Report, Run, Snapshot, Transition

RETIRABLE = ("source", "table", "training_set", "files")  # labels and predictions are history: never
DESCRIBES = (
    "profile",
    "validation",
    "leakage",
    "schema_drift",
)  # what a snapshot is: they stay without its content


class OldSnapshot(Record):
    """A snapshot that the rules speak of, and why it goes or stays."""

    snapshot: str
    table: str
    created_at: str
    rows: int
    bytes: int
    reason: str


class Garbage(Record):
    """What a collection removes: snapshots whose content goes, blobs with their sizes and reasons."""

    snapshots: list[OldSnapshot] = Field(default_factory=list)
    kept: list[OldSnapshot] = Field(default_factory=list)
    blobs: dict[str, int] = Field(default_factory=dict)
    reasons: dict[str, str] = Field(default_factory=dict)
    waiting: int = 0  # bytes of dead chunks in packs that are mostly alive: they go when a quarter of the pack is dead

    @property
    def bytes(self) -> int:
        """Bytes on disk that become free."""
        return sum(self.blobs.values())


def find_garbage(session: Session, blobs: BlobStore, now: datetime) -> Garbage:
    """Plan a collection at ``now``. Nothing is changed."""
    going, kept = _judged(session, now)
    lost: dict[str, Any] = {**gone(session), **{row.id: row for row, _ in going}}
    needed = needed_blobs(session, blobs, lost)
    dead = {name: blobs.length(name) for name in blobs.names() if name not in needed}
    found = blobs.worth_removing(dead)
    whose = {
        blob: f"only in {row.name} of {utc_text(row.created_at)}"
        for row, _ in going
        for blob in (row.blob, *inside(blobs, row.blob))
    }
    return Garbage(
        snapshots=[_told(row, reason) for row, reason in going],
        kept=[_told(row, reason) for row, reason in kept],
        blobs={name: dead[name] for name in found},
        reasons={name: whose.get(name, "named by nothing") for name in found},
        waiting=sum(dead.values()) - sum(dead[name] for name in found),
    )


def tags_of(session: Session) -> dict[str, str]:
    """Tag to the id of the snapshot that bears it."""
    query = select(Transition).where(Transition.kind == "tag", Transition.aspect == "snapshot")
    newest = {row.subject: row.state for row in session.exec(query.order_by(col(Transition.order)))}
    return {tag: snapshot for tag, snapshot in newest.items() if snapshot}


def _judged(session: Session, now: datetime) -> tuple[list[tuple[Snapshot, str]], list[tuple[Snapshot, str]]]:
    """Snapshots under a rule that go, and those that stay, each with its reason."""
    going: list[tuple[Snapshot, str]] = []
    kept: list[tuple[Snapshot, str]] = []
    lost, needs = gone(session), _needs(session)
    for name, rule in _rules(session).items():
        query = select(Snapshot).where(Snapshot.name == name, col(Snapshot.kind).in_(RETIRABLE))
        rows = session.exec(query.order_by(col(Snapshot.created_at).desc(), col(Snapshot.id).desc())).all()
        present = [row for row in rows if row.id not in lost]
        for place, row in enumerate(present):
            reason = _spared(rule, place, row, now) or needs.get(row.id, "")
            (kept if reason else going).append((row, reason or _why(rule, place)))
    upstream = _upstream(session, {row.id for row, _ in kept} | set(needs))
    spared = [(row, "something that is kept was made from it") for row, _ in going if row.id in upstream]
    return [one for one in going if one[0].id not in upstream], kept + spared


def _rules(session: Session) -> dict[str, Retention]:
    version = last_loaded(session)
    return dict(read_version(version, {}).retention) if version else {}


def _spared(rule: Retention, place: int, row: Snapshot, now: datetime) -> str:
    if place < rule.newest:
        return f"one of the newest {rule.newest}" if rule.newest > 1 else "the newest"
    return f"younger than {rule.within}" if rule.within and now - row.created_at < span(rule.within) else ""


def _why(rule: Retention, place: int) -> str:
    older = f" and older than {rule.within}" if rule.within else ""
    return f"number {place + 1} of its table, of which {rule.newest} are kept{older}; nothing refers to it"


def _needs(session: Session) -> dict[str, str]:
    """Snapshots that something refers to, and what."""
    out: dict[str, str] = {}
    for tag, snapshot in tags_of(session).items():
        out.setdefault(snapshot, f"tagged {tag}")
    for run in session.exec(select(Run)):
        out.setdefault(str(run.inputs.get("training_set")), f"run {run.id} was trained on it")
    for version in session.exec(select(ModelVersion)):
        for snapshot in (version.detail.get("training_set"), *version.detail.get("snapshots", {}).values()):
            out.setdefault(str(snapshot), f"{version.model} v{version.version} was made from it")
    for report in session.exec(select(Report).where(col(Report.kind).not_in(DESCRIBES))):
        out.setdefault(report.subject, f"{report.kind} report {report.id} is about it")
    for collection in session.exec(select(Collection)):
        out.setdefault(collection.snapshot, f"collection {collection.id}")
    for snapshot, job in _used_by_jobs(session):
        out.setdefault(snapshot, f"job {job} uses it")
    return out


def _used_by_jobs(session: Session) -> Iterator[tuple[str, str]]:
    used = {str(digest): job.id for job in live_jobs(session) for digest in job.spec.get("inputs", {}).values()}
    for row in session.exec(select(Snapshot)) if used else []:
        if row.blob in used:
            yield row.id, used[row.blob]


def _upstream(session: Session, kept: set[str]) -> set[str]:
    """Everything that something kept was made from, along the lineage."""
    sources: dict[str, list[str]] = {}
    for edge in session.exec(select(Edge)):
        sources.setdefault(edge.result, []).append(edge.source)
    seen, todo = set[str](), list(kept)
    while todo:
        for source in sources.get(todo.pop(), []):
            if source not in seen:
                seen.add(source)
                todo.append(source)
    return seen


def _told(row: Snapshot, reason: str) -> OldSnapshot:
    return OldSnapshot(
        snapshot=row.id,
        table=row.name,
        created_at=utc_text(row.created_at),
        rows=row.rows,
        bytes=row.bytes,
        reason=reason,
    )
