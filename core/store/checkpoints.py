"""Signed checkpoints of the ledger: who cuts its tail or rewrites it must forge a signature too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session

from core.kernel.clock import utc_text
from core.kernel.envelope import Envelope, sign_statement
from core.store.ledger import Head, head, signed
from core.store.tables import LedgerCheckpoint

CHECKPOINT_TYPE = "application/vnd.plimsoll.ledger-checkpoint+json"


def checkpoint(session: Session, workspace: str, key: Ed25519PrivateKey, at: datetime) -> Head:
    """Sign the ledger's head as it stands in this session; nothing is added twice for one head."""
    top = head(session)
    if top.seq and session.get(LedgerCheckpoint, top.seq) is None:
        statement: dict[str, Any] = {"workspace": workspace, "seq": top.seq, "hash": top.hash, "at": utc_text(at)}
        envelope = sign_statement(CHECKPOINT_TYPE, statement, key)
        session.add(LedgerCheckpoint(seq=top.seq, at=at, envelope=envelope.plain()))
        signed(session, top.seq)
    return top


def read_checkpoint(row: LedgerCheckpoint) -> Envelope:
    """The envelope of a stored checkpoint."""
    return Envelope.read(row.envelope)
