"""What an operation has at hand while it runs inside one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field
from sqlmodel import Session, col, select

from core.engine.actors import Actor, newest_key
from core.identity.vault import unseal
from core.kernel.errors import Refused
from core.kernel.ids import new_id
from core.kernel.records import Record
from core.store.database import insert, insert_later
from core.store.ledger import head, moment
from core.store.tables import Edge, Fact, Transition
from core.workspace.workspace import Workspace

F = TypeVar("F", bound=Fact)


class Done(Record):
    """The outcome of an operation: what it was about, in words, and what the caller gets back."""

    subject: str = ""
    summary: str
    result: dict[str, Any] = Field(default_factory=dict)
    detail: dict[str, Any] = Field(default_factory=dict)


class Context:
    """One transaction. Rows are added through it, so that the ledger can name each of them."""

    def __init__(self, workspace: Workspace, session: Session, actor: Actor, *, passphrase: str | None = None) -> None:
        self.workspace = workspace
        self.session = session
        self.actor = actor
        self.now: datetime = moment(session, workspace.clock.now())
        self.rows: list[Fact] = []
        self.new_jobs: list[str] = []
        self.afterwards: list[Callable[[], object]] = []  # what only a commit makes right, such as removing files
        self._passphrase = passphrase
        self._seq = head(session).seq + 1

    def add(self, table: type[F], prefix: str, /, *, id: str = "", by: str = "", **values: Any) -> F:
        """Add a fact; its id, time and author (the actor, unless ``by`` names another) are filled in."""
        fact = table(id=id or new_id(prefix), created_at=self.now, created_by=by or self.actor.user, **values)
        self.session.add(fact)
        self.rows.append(fact)
        return fact

    def write(self, table: type[F], prefix: str, /, *, id: str = "", **values: Any) -> F:
        """Add a fact that the operation does not ask the session for again: at half the cost of :meth:`add`."""
        fact = table(id=id or new_id(prefix), created_at=self.now, created_by=self.actor.user, **values)
        insert(self.session, fact)
        self.rows.append(fact)
        return fact

    def transition(self, kind: str, subject: str, state: str, *, reason: str = "", aspect: str = "state") -> None:
        """Record a new state."""
        order = self._seq * 100_000 + len(self.rows)
        self._later(
            Transition, "tr", kind=kind, subject=subject, aspect=aspect, state=state, reason=reason, order=order
        )

    def edge(self, source: str, result: str, role: str) -> None:
        """Record that ``source`` was used to make ``result``."""
        self._later(Edge, "ed", source=source, result=result, role=role)

    def _later(self, table: type[Fact], prefix: str, **values: Any) -> None:
        """Add a fact of a kind that comes in numbers: those of a kind go in by one statement."""
        fact = table(id=new_id(prefix), created_at=self.now, created_by=self.actor.user, **values)
        insert_later(self.session, fact)
        self.rows.append(fact)

    def ledger_seq(self) -> int:
        """The number that this operation's ledger entry will have: it only ever grows."""
        return self._seq

    def signing_key(self) -> Ed25519PrivateKey:
        """The actor's private key, unsealed for this one act with the passphrase that came with it."""
        if not self._passphrase:
            raise Refused(
                "Signing asks for your passphrase each time",
                remedy="Give it in the dialog, at the prompt, or through PLIMSOLL_PASSPHRASE.",
            )
        return unseal(self.workspace.keys, newest_key(self.session, self.actor.user).id, self._passphrase)

    def confidential(self) -> str:
        """What came beside the request, where nothing is written down; empty when nothing did."""
        return self._passphrase or ""

    def passphrase_for_new_key(self) -> str:
        """The passphrase that came with the request, to seal a new key with."""
        if not self._passphrase:
            raise Refused("A new key needs a passphrase to be sealed with", remedy="Give one with the request.")
        return self._passphrase


def state_of(session: Session, kind: str, subject: str, aspect: str = "state") -> str | None:
    """The newest state, or none."""
    query = (
        select(Transition)
        .where(Transition.kind == kind, Transition.subject == subject, Transition.aspect == aspect)
        .order_by(col(Transition.order).desc())
        .limit(1)
    )
    newest = session.exec(query).first()
    return newest.state if newest else None
