"""The engine of one open workspace: sessions, operations, questions, jobs, pipelines, schedules."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from core.engine import catalogue
from core.engine.actors import Actor, Sessions, check_permission
from core.engine.dispatcher import Dispatcher
from core.engine.erasure import finish_erasures, sweep
from core.engine.erasure_places import reach_untried
from core.engine.jobs import JobBoard
from core.engine.pipeline import PipelineRunner
from core.engine.registry import QUESTIONS
from core.engine.schedules import Scheduler
from core.kernel.clock import Clock
from core.kernel.errors import InputError, NotFound, PlimsollError, Refused
from core.kernel.ids import new_id
from core.store.ledger import head
from core.workspace.workspace import Workspace

SLOTS = 2
logger = logging.getLogger(__name__)


class Engine:
    """What the owner process runs. All faces reach it through :mod:`core.engine.client`."""

    def __init__(
        self, root: Path, *, store_passphrase: str | None = None, slots: int | None = None, clock: Clock | None = None
    ) -> None:
        """``slots`` jobs run at a time; unless told, as many as ``PLIMSOLL_SLOTS`` says, and two without it."""
        catalogue.load()
        self.workspace = Workspace(root, passphrase=store_passphrase, clock=clock)
        self.sessions = Sessions(self.workspace)
        self.jobs = JobBoard(self.workspace, slots_of(slots))
        self.pipelines = PipelineRunner(self.workspace, self.jobs)
        self.dispatcher = Dispatcher(self.workspace, self._on_new_jobs)
        self.pipelines.dispatcher = self.dispatcher
        self.scheduler = Scheduler(self.workspace, self.dispatcher)
        try:
            sweep(self.workspace)
            finish_erasures(self.workspace, self.dispatcher)
            self.jobs.start(self.dispatcher)
            self.pipelines.recover()
            reach_untried(self.workspace, self.dispatcher)
            self.scheduler.start()
        except BaseException:
            self.jobs.close()
            self.workspace.close()
            raise

    def login(self, name: str, passphrase: str | None) -> str:
        """A token for somebody who proves who they are; a failed try is in the ledger."""
        try:
            return self.sessions.login(name, passphrase)
        except Refused as refusal:
            someone = Actor(user=name, name=name, full_name=name, person=name, roles=[], proof="none")
            self.dispatcher.record_refusal("session.login", someone, new_id("rq"), refusal)
            raise

    def ask(self, token: str, name: str, params: dict[str, Any]) -> Any:
        """Answer a question: plain values or a frame."""
        if name not in QUESTIONS and name != "whoami":
            raise NotFound(f"There is no question {name!r}")
        actor = self.sessions.actor(token)
        check_permission(actor, "read")
        if name == "whoami":
            return actor.plain()
        return QUESTIONS[name](self, **params)

    def cancel(self, token: str, job: str) -> None:
        """Stop a job or a pipeline."""
        self._allow(token, "job.cancel")
        if self.pipelines.view(job) is not None:
            self.pipelines.cancel(job)
        else:
            self.jobs.cancel(job)

    def pause(self, token: str, job: str, paused: bool) -> None:
        """Stop a running job where it stands, or let it go on."""
        self._allow(token, "job.cancel")
        self.jobs.pause(job, paused)

    def _allow(self, token: str, permission: str) -> None:
        actor = self.sessions.actor(token)
        try:
            check_permission(actor, permission)
        except Refused as refusal:
            self.dispatcher.record_refusal(permission, actor, new_id("rq"), refusal)
            raise

    def change(
        self, token: str, name: str, request: dict[str, Any], passphrase: str | None, request_id: str | None
    ) -> dict[str, Any]:
        """Carry out an operation."""
        actor = self.sessions.actor(token)
        result = self.dispatcher.change(name, request, actor, passphrase=passphrase, request_id=request_id)
        if name == "privacy.erase":
            finish_erasures(self.workspace, self.dispatcher)
            reach_untried(self.workspace, self.dispatcher)
        if name.startswith("schedule."):
            self.scheduler.refresh()
        return result

    def newest(self) -> int:
        """The ledger's newest sequence number: windows refresh when it moves."""
        with self.workspace.database.reading() as session:
            return head(session).seq

    def close(self) -> None:
        """Stop work, sign the ledger's head, close the store."""
        self.scheduler.close()
        self.pipelines.stop()
        self.jobs.close()
        self.pipelines.close()
        try:
            self.dispatcher.checkpoint_now()
        except PlimsollError as error:  # such as a full disk: the ledger is whole without a signature at its end
            logger.warning("Closed without a signed checkpoint: %s", error)
        finally:
            self.workspace.close()

    def _on_new_jobs(self, jobs: list[str]) -> None:
        pipelines = [job for job in jobs if job.startswith("pipe-")]
        self.jobs.enqueue([job for job in jobs if not job.startswith("pipe-")])
        for run in pipelines:
            self.pipelines.start(run)


def slots_of(slots: int | None) -> int:
    """How many jobs run at a time.

    Raises:
        InputError: when the environment names no whole number of at least one.
    """
    if slots is not None:
        return slots
    told = os.environ.get("PLIMSOLL_SLOTS") or str(SLOTS)
    if not told.isdecimal() or not int(told):
        raise InputError(
            f"PLIMSOLL_SLOTS is {told!r}", remedy="Give the number of jobs that may run at a time, such as 2."
        )
    return int(told)
