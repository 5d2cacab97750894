"""The one door for change: authorise, run, and write rows and ledger entry in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlmodel import Session

from core.engine.actors import Actor, check_permission
from core.engine.context import Context, Done
from core.engine.registry import find_operation
from core.kernel.clock import parse_utc, utc_text
from core.kernel.errors import Conflict, PlimsollError, Refused
from core.kernel.ids import new_id
from core.store.checkpoints import checkpoint
from core.store.ledger import answered, append, head, moment
from core.workspace.workspace import Workspace

CHECKPOINT_EVERY = 50
CLOCK_TOLERANCE_S = 120.0


class Dispatcher:
    """Carries out operations, one at a time. ``on_jobs`` hears of jobs that a commit queued."""

    def __init__(self, workspace: Workspace, on_jobs: Callable[[list[str]], None]) -> None:
        self._workspace = workspace
        self._on_jobs = on_jobs

    def change(
        self,
        name: str,
        request: dict[str, Any],
        actor: Actor,
        *,
        passphrase: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Run a registered operation. A request id that was answered before gets the same answer."""
        found = find_operation(name)
        typed = found.request.read(request, where=name)
        return self.carry_out(
            name,
            found.permission,
            actor,
            lambda context: found.function(context, typed),
            passphrase=passphrase,
            request_id=request_id,
        )

    def carry_out(
        self,
        name: str,
        permission: str,
        actor: Actor,
        function: Callable[[Context], Done],
        *,
        passphrase: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Run ``function`` behind the same door (used for operations and for commits of jobs)."""
        repeated, request_id = request_id is not None, request_id or new_id("rq")  # a new id was never answered
        database = self._workspace.database
        with database.write_lock:
            try:
                with database.writing() as session:
                    before = answered(session, request_id) if repeated else None
                    if before is not None:
                        if (before.kind, before.actor) != (name, actor.user):
                            raise Conflict("This request id belongs to another request", where=request_id)
                        return before.result
                    check_permission(actor, permission)
                    self._check_clock(session)
                    context = Context(self._workspace, session, actor, passphrase=passphrase)
                    done = function(context)
                    session.flush()
                    top = append(
                        session,
                        at=context.now,
                        actor=actor.user,
                        kind=name,
                        subject=done.subject,
                        outcome="done",
                        request_id=request_id,
                        summary=done.summary,
                        detail={"proof": actor.proof, **done.detail},
                        result=done.result,
                        rows=context.rows,
                    )
                    if top.seq % CHECKPOINT_EVERY == 0:
                        checkpoint(session, self._workspace.info.id, self._workspace.station, context.now)
                        session.flush()
                        top = head(session)
            except Refused as refusal:
                self.record_refusal(name, actor, request_id, refusal)
                raise
            database.changed({type(row) for row in context.rows})
            self._workspace.note_head(top)
            for act in context.afterwards:
                act()
        if context.new_jobs:
            self._on_jobs(context.new_jobs)
        return done.result

    def checkpoint_now(self) -> None:
        """Sign the ledger's head: at sign-offs, at releases and when the workspace closes."""
        with self._workspace.database.writing() as session:
            checkpoint(session, self._workspace.info.id, self._workspace.station, self._workspace.clock.now())
            session.flush()
            top = head(session)
        self._workspace.note_head(top)

    def record_refusal(self, name: str, actor: Actor, request_id: str, refusal: PlimsollError) -> None:
        """Enter a refusal into the ledger."""
        with self._workspace.database.writing() as session:
            top = append(
                session,
                at=moment(session, self._workspace.clock.now()),
                actor=actor.user,
                kind=name,
                subject=refusal.where,
                outcome="refused",
                request_id=request_id,
                summary=refusal.headline,
                detail={"proof": actor.proof, "reason": refusal.detail},
            )
        self._workspace.note_head(top)

    def _check_clock(self, session: Session) -> None:
        last = head(session)
        if not last.at:
            return
        behind = (parse_utc(last.at) - self._workspace.clock.now()).total_seconds()
        if behind > CLOCK_TOLERANCE_S:
            raise Refused(
                "The clock was set back; nothing is changed until it is right again",
                detail=f"The ledger's newest entry is of {last.at}, this machine says "
                f"{utc_text(self._workspace.clock.now())}.",
                remedy="Set the machine's clock, then try again.",
            )
