"""Places outside the blobs where an erased person may still stand: online stores, and targets with their logs.

An erasure names all of them when it is decided. Each is an open item until a worker was there; one that does not
answer stays open, by name, and is tried again at the next contact. Whom to forget lies meanwhile in a file that
is sealed with the privacy secret, which is not in the workspace.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from core.engine.actors import ENGINE
from core.engine.context import Context, Done, state_of
from core.engine.dispatcher import Dispatcher
from core.engine.jobs import submit
from core.engine.projects import last_loaded, read_version
from core.engine.references import live_jobs
from core.kernel.errors import Refused
from core.kernel.records import Record
from core.store.tables import Collection, Deployment, ProjectVersion, Report, TargetRow, Transition
from core.workspace.workspace import Workspace

PLACE = "erasure place"  # kind of transitions: subject the erasure, aspect the place's name
REACH = "privacy.reach"
OPEN, DONE, HELD = "open", "done", "held"
UNTRIED = "not reached yet"
logger = logging.getLogger(__name__)


class PlaceState(Record):
    """How an erasure stands at one place: ``open``, ``held`` (rows of a delivered release) or ``done``."""

    erasure: str
    place: str
    state: str
    reason: str
    at: datetime


def sealed_file(workspace: Workspace, erasure: str) -> Path:
    """Where whom to forget lies, as long as a place is open."""
    folder = workspace.root / "open-erasures"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{erasure}.sealed"


def drop_sealed(workspace: Workspace) -> None:
    """Remove what was sealed for searches that led to no erasure, and for erasures that are done everywhere."""
    with workspace.database.reading() as session:
        needed = {one.erasure for one in place_states(session) if one.state != DONE}
    for file in (workspace.root / "open-erasures").glob("*.sealed"):
        if file.stem not in needed:
            file.unlink()


def entity_columns(session: Session) -> dict[str, list[str]]:
    """Entity columns of every feature view, by the newest version of each project."""
    out: dict[str, list[str]] = {}
    for name in sorted({row.name for row in session.exec(select(ProjectVersion))}):
        version = last_loaded(session, name)
        views = read_version(version, {}).features.views if version else {}
        out |= {view: list(found.entity) for view, found in views.items()}
    return out


def places(workspace: Workspace, session: Session) -> dict[str, dict[str, Any]]:
    """Every place that ever held values or predictions, by name, as a job takes it; never with a password."""
    out: dict[str, dict[str, Any]] = {}
    for file in sorted((workspace.root / "online").glob("*.db")):
        name = f"workspace:{file.stem}"
        out[name] = {"kind": "file", "name": name, "path": str(file), "project": file.stem}
    for row in session.exec(select(Report).where(Report.kind == "materialisation").order_by(col(Report.created_at))):
        name, project = row.facts["place"], row.subject.removeprefix("view:").partition("/")[0]
        kind, _, rest = name.partition(":")
        if kind == "file":
            out[name] = {"kind": "file", "name": name, "path": rest, "project": project}
        elif kind == "redis":
            reach = row.facts.get("reach", {"url": f"redis://{rest}", "secret": ""})
            key = f"{name} {project}"
            out[key] = {"kind": "redis", "name": key, "project": project, **reach}
        elif kind == "target":
            out[name] = _target(session, rest)
    delivered = {*session.exec(select(Deployment.target)), *session.exec(select(Collection.target))}
    return out | {f"target:{name}": _target(session, name) for name in sorted(delivered)}


def _target(session: Session, name: str) -> dict[str, Any]:
    query = select(TargetRow).where(TargetRow.name == name).order_by(col(TargetRow.created_at).desc())
    row = session.exec(query).first()
    there = row is not None and state_of(session, "target", name) != "removed"
    return {"kind": "target", "name": f"target:{name}", "project": "", "spec": row.spec if row and there else {}}


def place_states(session: Session) -> list[PlaceState]:
    """The newest word on every place of every erasure."""
    query = select(Transition).where(Transition.kind == PLACE).order_by(col(Transition.order))
    newest = {(row.subject, row.aspect): row for row in session.exec(query)}
    return [
        PlaceState(erasure=erasure, place=place, state=row.state, reason=row.reason, at=row.created_at)
        for (erasure, place), row in sorted(newest.items())
    ]


def queue_reach(context: Context, place: str = "", wanted: Callable[[PlaceState], bool] = bool) -> list[str]:
    """Queue one job for each place at which something is open, or for the one named (a Redis with or without its
    project); a job that is live already is named instead.
    """
    waiting: dict[str, list[str]] = {}
    for one in place_states(context.session):
        if one.state != DONE and _is_at(one.place, place) and wanted(one):
            waiting.setdefault(one.place, []).append(one.erasure)
    live = {job.spec["params"]["place"]["name"]: job.id for job in live_jobs(context.session) if job.kind == REACH}
    known = places(context.workspace, context.session)
    return [live.get(name) or _submit(context, known[name], erasures) for name, erasures in waiting.items()]


def _is_at(name: str, place: str) -> bool:
    return place in ("", name) or (place.startswith("redis:") and name.startswith(place + " "))


def _submit(context: Context, place: dict[str, Any], erasures: list[str]) -> str:
    params = {
        "place": place,
        "project": place["project"],
        "erasures": erasures,
        "workspace": context.workspace.info.id,
        "folder": str(context.workspace.root / "open-erasures"),
        "secrets": [place["secret"]] if place.get("secret") else [],
    }
    return submit(context, REACH, f"Forget an erased person at {place['name']}", params=params, inputs={})


def reach_jobs(session: Session) -> set[str]:
    """Jobs that are on their way to a place, or wait to be."""
    return {job.id for job in live_jobs(session) if job.kind == REACH}


def reach_untried(workspace: Workspace, dispatcher: Dispatcher) -> None:
    """Send workers to the places that nobody tried yet."""
    with workspace.database.reading() as session:
        if not any(_untried(one) for one in place_states(session)):
            return

    def function(context: Context) -> Done:
        jobs = queue_reach(context, wanted=_untried)
        return Done(summary=f"{len(jobs)} places are to forget an erased person", result={"jobs": jobs})

    try:
        dispatcher.carry_out(REACH, REACH, ENGINE, function)
    except Refused as refusal:  # the clock was set back: the next start tries again
        logger.warning("Nobody could be sent to the places of an erasure: %s", refusal)


def _untried(one: PlaceState) -> bool:
    return one.state == OPEN and one.reason == UNTRIED
