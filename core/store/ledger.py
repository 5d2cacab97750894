"""The ledger: an append-only chain of what was done, by whom, and which rows it wrote.

Each entry's body is canonical JSON that names the rows of its transaction with their digests; its
hash covers the hash before it and the body (SHA-256, as in RFC 6962's spirit of hashing stored
bytes). A chain alone does not see a cut tail, so its head is signed now and then (checkpoints), is
part of every sign-off, and is noted outside the workspace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from core.kernel.clock import parse_utc, utc_text
from core.kernel.digests import canonical_json, digest_bytes
from core.kernel.records import Record
from core.store.database import insert, raw
from core.store.tables import Fact, LedgerEntry

GENESIS = "0" * 64
HEAD = "ledger head"
NEWEST = """SELECT seq, hash, "at", (SELECT coalesce(max(seq), 0) FROM ledger_checkpoint)
    FROM ledger ORDER BY seq DESC LIMIT 1"""
ANSWERED = "SELECT body FROM ledger WHERE request = ? AND outcome = 'done' LIMIT 1"


class RowDigest(Record):
    """A row that an entry wrote."""

    table: str
    id: str
    value: str


class EntryBody(Record):
    """What an entry says. ``result`` answers a repeated request with the same id.

    ``checkpoint`` is the newest signed checkpoint when the entry was written: one that is taken away is missed.
    """

    seq: int
    at: str
    actor: str
    kind: str
    subject: str
    outcome: str
    request_id: str
    summary: str
    detail: dict[str, Any]
    result: dict[str, Any]
    rows: list[RowDigest]
    checkpoint: int = 0


class Head(Record):
    """The newest entry, and the newest checkpoint."""

    seq: int
    hash: str
    at: str
    checkpoint: int = 0


def head(session: Session) -> Head:
    """The newest entry, or the empty ledger's head. Read once for a session: it sees one state of the store."""
    known: Head | None = session.info.get(HEAD)
    if known is None:
        known = session.info[HEAD] = _read_head(session)
    return known


def signed(session: Session, seq: int) -> None:
    """Take note that the session adds a checkpoint of entry ``seq``."""
    session.info[HEAD] = head(session).model_copy(update={"checkpoint": seq})


def _read_head(session: Session) -> Head:
    newest = raw(session).execute(NEWEST).fetchone()
    if newest is None:
        return Head(seq=0, hash=GENESIS, at="")
    seq, digest, at, checkpoint = newest
    return Head(seq=seq, hash=digest, at=utc_text(at), checkpoint=checkpoint)


def moment(session: Session, now: datetime) -> datetime:
    """``now``, or just after the newest entry where the clock ran back: time never runs back in the ledger.

    What is newest (a role, a key, a target) is told by time, so a small step of the clock must not turn it round.
    """
    last = head(session).at
    return max(now, parse_utc(last) + timedelta(microseconds=1)) if last else now


def append(
    session: Session,
    *,
    at: datetime,
    actor: str,
    kind: str,
    subject: str,
    outcome: str,
    request_id: str,
    summary: str,
    detail: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
    rows: Iterable[Fact] = (),
) -> Head:
    """Write one entry in the session's transaction; the caller holds the write lock and commits."""
    last = head(session)
    body = EntryBody(
        seq=last.seq + 1,
        at=utc_text(at),
        actor=actor,
        kind=kind,
        subject=subject,
        outcome=outcome,
        request_id=request_id,
        summary=summary,
        detail=detail or {},
        result=result or {},
        rows=[RowDigest(table=str(row.__tablename__), id=row.id, value=row_digest(row)) for row in rows],
        checkpoint=last.checkpoint,
    )
    text = canonical_json(body.plain())
    entry = LedgerEntry(
        seq=body.seq,
        at=at,
        actor=actor,
        kind=kind,
        subject=subject,
        outcome=outcome,
        request=request_id,
        body=text.decode(),
        prev=last.hash,
        hash=link(last.hash, text),
    )
    insert(session, entry)
    top = session.info[HEAD] = Head(seq=body.seq, hash=entry.hash, at=body.at, checkpoint=last.checkpoint)
    return top


def link(previous: str, body: bytes) -> str:
    """The hash of an entry: SHA-256 over the previous hash's bytes and the body."""
    return hashlib.sha256(bytes.fromhex(previous) + body).hexdigest()


def row_digest(row: Fact) -> str:
    """Digest of a fact's canonical JSON form; times as UTC text, so that it survives the store."""
    values = {name: _plain(value) for name, value in row.model_dump().items()}
    return digest_bytes(canonical_json(values))


def _plain(value: Any) -> Any:
    return utc_text(value) if isinstance(value, datetime) else value


def answered(session: Session, request_id: str) -> EntryBody | None:
    """The entry of a request that was already carried out, so that a repeat does nothing twice."""
    found = raw(session).execute(ANSWERED, [request_id]).fetchone()
    return EntryBody.model_validate_json(found[0]) if found else None
