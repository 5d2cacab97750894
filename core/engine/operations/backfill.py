"""Backfill: a view's values over a past period, kept as a snapshot and held against the first computation."""

from __future__ import annotations

from typing import Any, Literal

from sqlmodel import Session, col, select

from core.engine.context import Context, Done
from core.engine.jobs import submit
from core.engine.operations.training import FEATURE_ROOMS
from core.engine.projects import newest_version, read_version
from core.engine.registry import JobOutcome, job_kind, operation
from core.engine.steps import code_digest
from core.features.definitions import version_of
from core.kernel.clock import parse_utc, utc_text
from core.kernel.digests import digest_json
from core.kernel.errors import InputError, NotFound
from core.kernel.records import Record
from core.store.tables import Snapshot

KIND = "backfill"


class Backfill(Record):
    """Compute the values of ``view`` that began to hold in [since, until), by day or month (by length if empty)."""

    view: str
    since: str
    until: str
    by: Literal["", "day", "month"] = ""


@operation("features.backfill", "features.build", Backfill)
def start_backfill(context: Context, request: Backfill) -> Done:
    """Queue the backfill. One that was killed goes on in its folder: the same request has the same key."""
    project = read_version(newest_version(context.session), {})
    view = project.features.views.get(request.view)
    if view is None:
        raise NotFound(f"There is no view {request.view!r}", detail="Views: " + ", ".join(project.features.views))
    if view.static:
        raise InputError(f"View {request.view!r} is static: it has no past", where=f"features.views.{request.view}")
    since, until = moment(request.since, "--from"), moment(request.until, "--to")
    if since >= until:
        raise InputError("The period ends before it begins", detail=f"{since} to {until}")
    table = newest_table(context.session, view.table)
    params = {
        "name": request.view,
        "view": view.plain(),
        "definition": version_of(project, request.view),
        "since": since,
        "until": until,
        "by": request.by,
        "snapshots": [table.id],
    }
    inputs = {"table": table.blob}
    key = digest_json({"kind": KIND, "params": params, "inputs": inputs, "code": code_digest(FEATURE_ROOMS)})
    title = f"Backfill {request.view}"
    job = submit(
        context, "features.backfill", title, params=params, inputs=inputs, step=f"backfill:{request.view}", key=key
    )
    return Done(subject=job, summary=f"{title} from {since[:10]} to {until[:10]}", result={"job": job})


def moment(text: str, where: str) -> str:
    """A day or an instant, as the text that is stored.

    Raises:
        InputError: when it is neither.
    """
    try:
        return utc_text(parse_utc(f"{text}T00:00:00Z" if len(text) == 10 else text))
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a time", where=where, remedy="Write a day or an instant: 2013-07-01T00:00:00Z"
        ) from error


def newest_table(session: Session, name: str) -> Snapshot:
    """The newest snapshot of a source or derived table.

    Raises:
        NotFound: when there is none.
    """
    query = select(Snapshot).where(Snapshot.name == name, col(Snapshot.kind).in_(("source", "table")))
    found = session.exec(query.order_by(col(Snapshot.created_at).desc())).first()
    if found is None:
        raise NotFound(f"There is no snapshot of {name!r} yet", remedy="Run `plimsoll features build` first.")
    return found


@job_kind("features.backfill", "features.build", "core.engine.work.backfill:backfill_view", rooms=FEATURE_ROOMS)
def keep_backfill(context: Context, outcome: JobOutcome) -> Done:
    """Keep the values, and say of each partition whether it equals its first computation."""
    value, params, blobs = outcome.value, outcome.params, context.workspace.blobs
    table = params["snapshots"][0]
    compared = compare(context.session, params["name"], params["definition"], value["partitions"])
    blob = blobs.put_table(outcome.folder)
    row = context.add(
        Snapshot,
        "snap",
        kind=KIND,
        name=params["name"],
        rows=value["rows"],
        bytes=blobs.size(blob),
        blob=blob,
        columns=value["columns"],
        detail={
            "since": params["since"],
            "until": params["until"],
            "definition": params["definition"],
            "table": table,
            "partitions": value["partitions"],
            "compared": compared,
        },
    )
    context.edge(table, row.id, KIND)
    return Done(
        subject=row.id,
        summary=f"{row.name}: {row.rows:,} values in {len(value['partitions'])} partitions, {in_words(compared)}",
        result={
            "snapshot": row.id,
            "view": row.name,
            "since": params["since"],
            "until": params["until"],
            "values": row.rows,
            "partitions": len(value["partitions"]),
            **compared,
            "passed": not compared["different"],
        },
    )


def backfills_of(session: Session, view: str, definition: str = "") -> list[Snapshot]:
    """All backfills of a view (by one definition of it), the oldest first."""
    query = select(Snapshot).where(Snapshot.kind == KIND, Snapshot.name == view)
    rows = session.exec(query.order_by(col(Snapshot.created_at))).all()
    return [row for row in rows if not definition or row.detail["definition"] == definition]


def compare(session: Session, view: str, definition: str, partitions: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each partition, whether it was computed before and came out the same: ``equal``, ``new``, ``different``."""
    first: dict[tuple[str, str], str] = {}
    for row in backfills_of(session, view, definition):
        for part in row.detail["partitions"]:
            first.setdefault((part["start"], part["end"]), part["digest"])
    known = [(part, first.get((part["start"], part["end"]))) for part in partitions]
    return {
        "new": sum(digest is None for _, digest in known),
        "equal": sum(digest == part["digest"] for part, digest in known),
        "different": [part["start"] for part, digest in known if digest not in (None, part["digest"])],
    }


def in_words(compared: dict[str, Any]) -> str:
    """``3 new, 28 equal to the first computation``."""
    words = [f"{compared['new']} new"] if compared["new"] else []
    words += [f"{compared['equal']} equal to the first computation"] if compared["equal"] else []
    words += [f"{len(compared['different'])} DIFFERENT from the first computation"] if compared["different"] else []
    return ", ".join(words)
