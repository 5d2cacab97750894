"""Ledger, users, audit answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import col, select

from core.engine.actors import roles_of
from core.engine.audit import audit_facts
from core.engine.operations.models import find_model
from core.engine.questions.erasures import accounted
from core.engine.questions.training import user_names
from core.engine.references import blob_owners
from core.engine.registry import question
from core.governance.audit import audit_answer
from core.kernel.clock import utc_text
from core.kernel.progress import Silent
from core.store.ledger import EntryBody
from core.store.tables import LedgerEntry, User, UserKey
from core.store.verify import verify

if TYPE_CHECKING:
    from core.engine.engine import Engine

LEDGER: dict[str, Any] = {
    "seq": pl.Int64,
    "at": pl.Datetime("us", "UTC"),
    "actor": pl.String,
    "kind": pl.String,
    "subject": pl.String,
    "outcome": pl.String,
    "summary": pl.String,
    "hash": pl.String,
}


@question("ledger")
def ledger(engine: Engine, where: str = "", limit: int = 500) -> pl.DataFrame:
    """The newest entries; ``where`` keeps those whose text holds it."""
    query = select(LedgerEntry).order_by(col(LedgerEntry.seq).desc()).limit(limit)
    if where:
        query = query.where(col(LedgerEntry.body).contains(where, autoescape=True))
    with engine.workspace.database.reading() as session:
        names = user_names(session)
        rows = [
            (
                row.seq,
                row.at,
                names.get(row.actor, row.actor),
                row.kind,
                row.subject,
                row.outcome,
                _summary(row),
                row.hash,
            )
            for row in session.exec(query)
        ]
    return pl.DataFrame(rows, schema=LEDGER, orient="row")


def _summary(row: LedgerEntry) -> str:
    return EntryBody.model_validate_json(row.body).summary


@question("ledger_entry")
def ledger_entry(engine: Engine, seq: int) -> dict[str, Any]:
    """One entry, whole."""
    with engine.workspace.database.reading() as session:
        row = session.get_one(LedgerEntry, seq)
        return {"seq": row.seq, "prev": row.prev, "hash": row.hash, "body": row.body}


@question("ledger_verify")
def ledger_verify(engine: Engine) -> dict[str, Any]:
    """Check ledger, rows, points, checkpoints and every blob; blobs of collected snapshots may be gone."""
    workspace = engine.workspace
    report = verify(workspace.database, workspace.station_public, workspace.noted_head())
    problems = list(report.problems)
    damaged = set(workspace.blobs.damaged(Silent()))
    with workspace.database.reading() as session:
        owners, released = blob_owners(session, workspace.blobs)
    for blob in sorted(damaged):
        problems.append(f"Blob {blob}: its bytes were changed" + _owner(owners, blob))
    here = set(workspace.blobs.names())
    with workspace.database.reading() as session:
        erased, more = accounted(workspace, session)
    problems += more
    for blob in sorted(set(owners) - here - erased):
        problems.append(f"Blob {blob}: missing" + _owner(owners, blob))
    collected = sorted(released - here)
    return {
        **report.plain(),
        "blobs": len(here),
        "collected": len(collected),
        "collected_blobs": collected,
        "problems": problems,
        "ok": not problems,
    }


def _owner(owners: dict[str, str], blob: str) -> str:
    return f" (used by {owners[blob]})" if blob in owners else " (used by nothing)"


@question("users")
def users(engine: Engine) -> pl.DataFrame:
    """Users with roles and keys."""
    with engine.workspace.database.reading() as session:
        keys: dict[str, list[str]] = {}
        for key in session.exec(select(UserKey).order_by(col(UserKey.created_at))):
            keys.setdefault(key.user, []).append(key.id)
        rows = [
            (
                row.id,
                row.name,
                row.full_name,
                row.person,
                ", ".join(roles_of(session, row.id)),
                keys.get(row.id, [""])[-1],
                utc_text(row.created_at),
            )
            for row in session.exec(select(User).order_by(col(User.created_at)))
        ]
    return pl.DataFrame(
        rows, schema=["user", "name", "full_name", "person", "roles", "key", "created_at"], orient="row"
    )


@question("audit")
def audit(engine: Engine, model: str) -> dict[str, Any]:
    """The five audit questions about a version, answered from records that the ledger names."""
    with engine.workspace.database.reading() as session:
        version = find_model(session, model)
        answer = audit_answer(audit_facts(engine.workspace, session, version))
    return {**answer.plain(), "complete": answer.complete}
