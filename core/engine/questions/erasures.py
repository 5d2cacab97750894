"""Erasures with their proofs, and whether the proofs hold."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.context import state_of
from core.engine.erasure import ERASURE, PLAN, PROOF_TYPE, replacements
from core.engine.erasure_places import DONE, place_states
from core.engine.find import find
from core.engine.questions.training import user_names
from core.engine.registry import question
from core.kernel.digests import strict_json
from core.kernel.envelope import Envelope, verify_statement
from core.kernel.errors import NotFound, PlimsollError
from core.store.tables import Report, UserKey
from core.workspace.workspace import Workspace

if TYPE_CHECKING:
    from core.engine.engine import Engine

ERASURES: dict[str, Any] = {
    "erasure": pl.String,
    "proof": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "by": pl.String,
    "table": pl.String,
    "reason": pl.String,
    "kind": pl.String,
    "rows": pl.Int64,
    "snapshots": pl.Int64,
    "files": pl.Int64,
    "removed": pl.Int64,
    "held": pl.Int64,
    "runs": pl.List(pl.String),
    "state": pl.String,
    "valid": pl.Boolean,
    "open": pl.List(pl.String),
}

PLACES: dict[str, Any] = {
    "erasure": pl.String,
    "place": pl.String,
    "state": pl.String,
    "reason": pl.String,
    "at": pl.Datetime("us", "UTC"),
}


@question("erasures")
def erasures(engine: Engine) -> pl.DataFrame:
    """All erasures, newest first, with what they removed and whether their proofs hold."""
    workspace = engine.workspace
    with workspace.database.reading() as session:
        names = user_names(session)
        rows = []
        waiting: dict[str, list[str]] = {}
        for one in place_states(session):
            if one.state != DONE:
                waiting.setdefault(one.erasure, []).append(one.place)
        for row in session.exec(select(Report).where(Report.kind == ERASURE).order_by(col(Report.created_at).desc())):
            said, facts = _statement(workspace, session, row), row.facts
            rows.append(
                (
                    row.subject,
                    row.id,
                    row.created_at,
                    names.get(row.created_by, row.created_by),
                    row.name,
                    said["reason"] if said else "",
                    "retention" if facts["before"] else "person",
                    facts["rows"],
                    len(facts["tables"]),
                    facts["files"],
                    facts["removed"],
                    len(facts["held"]),
                    facts["runs"],
                    state_of(session, ERASURE, row.subject),
                    said is not None,
                    waiting.get(row.subject, []),
                )
            )
    return pl.DataFrame(rows, schema=ERASURES, orient="row")


@question("erasure_proof")
def erasure_proof(engine: Engine, id: str) -> dict[str, Any]:
    """One proof: the signed envelope, what it states, and whether its signature holds."""
    with engine.workspace.database.reading() as session:
        by_erasure = select(Report).where(Report.kind == ERASURE, Report.subject == id)
        row = session.exec(by_erasure).first() or find(session, Report, id)
        if row.kind != ERASURE:
            raise NotFound(f"{id!r} is no erasure", remedy="List them with `plimsoll privacy erasures`.")
        statement = _statement(engine.workspace, session, row)
        places = [one.model_dump(mode="json") for one in place_states(session) if one.erasure == row.subject]
    envelope = strict_json(engine.workspace.blobs.file(row.blob).read_bytes())
    waiting = [f"{one['place']}: {one['reason']}" for one in places if one["state"] != DONE]
    return {
        "valid": statement is not None,
        "open": waiting,
        "places": places,
        "statement": statement,
        "envelope": envelope,
    }


@question("erasure_places")
def erasure_places(engine: Engine, erasure: str = "", open: bool = False) -> pl.DataFrame:
    """Stores and targets outside the workspace's files, and how each erasure stands there."""
    with engine.workspace.database.reading() as session:
        found = [one for one in place_states(session) if erasure in ("", one.erasure)]
    rows = [one.model_dump() for one in found if one.state != DONE or not open]
    return pl.DataFrame(rows, schema=PLACES)


@question("erasure_plan")
def erasure_plan(engine: Engine, id: str) -> dict[str, Any]:
    """What a search found: rows by snapshot, files, and rows of the store that name the person."""
    with engine.workspace.database.reading() as session:
        row = find(session, Report, id)
    if row.kind != PLAN:
        raise NotFound(f"{id!r} is no search")
    return {"plan": row.id, "table": row.name, "summary": row.summary, **row.facts}


def accounted(workspace: Workspace, session: Session) -> tuple[set[str], list[str]]:
    """Files that valid proofs name as erased, and what is wrong with proofs or with what they name."""
    named: set[str] = set()
    problems = []
    for row in session.exec(select(Report).where(Report.kind == ERASURE)):
        statement = _statement(workspace, session, row)
        if statement is None:
            problems.append(f"Erasure {row.subject}: its proof is missing, altered or not signed by who erased")
            continue
        named |= {str(item["old"]) for item in statement["files"]}
    gone = replacements(session)
    there = set(workspace.blobs.names())
    problems += [f"Blob {blob}: erased on record, but no valid proof names it" for blob in sorted(set(gone) - named)]
    problems += [f"Blob {blob}: was erased and is back" for blob in sorted(set(gone) & there)]
    lost = {new for new in gone.values() if new and new not in there and new not in gone}
    problems += [f"Blob {blob}: missing; it took the place of an erased one" for blob in sorted(lost)]
    return named & set(gone), problems


def _statement(workspace: Workspace, session: Session, row: Report) -> dict[str, Any] | None:
    """What the proof says, if it is signed by a key of the user who erased and speaks of this erasure."""
    try:
        envelope = Envelope.read(strict_json(workspace.blobs.file(row.blob).read_bytes()))
        keys = {
            key.id: base64.b64decode(key.public_key)
            for key in session.exec(select(UserKey).where(UserKey.user == row.created_by))
        }
        verify_statement(envelope, PROOF_TYPE, keys)
        said: dict[str, Any] = envelope.statement()
    except PlimsollError:
        return None
    same = said["erasure"] == row.subject and said["workspace"] == workspace.info.id
    return said if same else None
