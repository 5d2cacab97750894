"""The job board: queues jobs, runs them in workers, commits their outcomes, and tells how they do."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from core.engine.actors import ENGINE, Actor, actor_of, find_user
from core.engine.context import Context, Done
from core.engine.dispatcher import Dispatcher
from core.engine.job_queue import JobQueue, Ticket
from core.engine.job_view import JobView
from core.engine.pool import Worker, WorkerEnded
from core.engine.registry import JOB_KINDS, JobOutcome
from core.engine.workfolder import write_job
from core.identity.source_secrets import source_secret
from core.kernel.clock import utc_text
from core.kernel.errors import Cancelled, InputError, NotFound, PlimsollError, Refused, SystemFault
from core.store.tables import Job, StepResult, Transition
from core.workspace.workspace import Workspace

LIVE_STATES = ("queued", "running")
KEEP_ENDED = 50
BACK_OFF_S = 1.0  # before the first new try; each later one waits twice as long
logger = logging.getLogger(__name__)


class JobBoard:
    """Owns the workers. ``slots`` jobs run at a time."""

    def __init__(self, workspace: Workspace, slots: int = 2) -> None:
        self._workspace = workspace
        self._slots = slots
        self._queue = JobQueue(_gpus)
        self._views: dict[str, JobView] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._dispatcher: Dispatcher | None = None

    def start(self, dispatcher: Dispatcher) -> None:
        """Fail cleanly what a killed owner left running, then begin to work."""
        self._dispatcher = dispatcher
        self._recover()
        for number in range(self._slots):
            thread = threading.Thread(target=self._serve, name=f"jobs-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def enqueue(self, jobs: list[str]) -> None:
        """Take up jobs whose rows were just committed."""
        with self._workspace.database.reading() as session:
            for job in jobs:
                row = session.get_one(Job, job)
                self._views[job] = JobView(job, row.kind, row.title)
                gpu = JOB_KINDS[row.kind].gpu(row.spec["params"])
                self._queue.put(job, priority=int(row.spec.get("priority", 0)), gpu=gpu)
        self._forget_old()

    def views(self) -> list[dict[str, Any]]:
        """All jobs that this process knows, the newest last."""
        return [view.plain() for view in list(self._views.values())]

    def view(self, job: str) -> JobView:
        """One job.

        Raises:
            NotFound: when this process has not seen it.
        """
        if job not in self._views:
            raise NotFound(f"There is no live job {job!r}")
        return self._views[job]

    def cancel(self, job: str) -> None:
        """Ask a job to stop."""
        view = self.view(job)
        view.cancelled = True
        worker, folder = view.worker, view.folder
        if worker is not None and folder is not None:
            worker.cancel(folder)

    def pause(self, job: str, paused: bool) -> None:
        """Stop a running job where it stands, or let it go on. It keeps its memory and its lane.

        Raises:
            Refused: when the job is not running.
        """
        view = self.view(job)
        worker, folder = view.worker, view.folder
        done = False
        if worker is not None and folder is not None:
            done = worker.pause(folder) if paused else worker.resume(folder)
        if not done:
            raise Refused(f"The job is {view.state}", where=view.title, remedy="Only a running job can be paused.")
        view.paused = paused

    def close(self) -> None:
        """Stop everything: queued jobs stay queued in the store, running ones are interrupted."""
        self._closing.set()
        self._queue.close()
        for view in list(self._views.values()):
            worker = view.worker
            if worker is not None and view.state == "running":
                worker.kill()
        for thread in self._threads:
            thread.join(timeout=10)
        for view in list(self._views.values()):
            if not view.ended.is_set():  # whoever waits for it shall not wait for ever
                view.state = "interrupted"
                view.ended.set()

    def _recover(self) -> None:
        states: dict[str, str] = {}
        with self._workspace.database.reading() as session:
            query = select(Transition).where(Transition.kind == "job").order_by(col(Transition.order))
            for row in session.exec(query):
                states[row.subject] = row.state
        stale = [job for job, state in states.items() if state in LIVE_STATES]
        if stale:
            try:
                self._change("job.recover", ENGINE, lambda context: _mark_interrupted(context, stale))
            except Refused as refusal:  # the clock was set back: people must still be able to read
                logger.warning("%d jobs could not be marked interrupted: %s", len(stale), refusal)

    def _serve(self) -> None:
        lane = _Lane(self._workspace.root / "workers.log")
        while (ticket := self._queue.take()) is not None and not self._closing.is_set():
            try:
                self._run(self._views[ticket.job], lane, ticket)
            finally:
                self._queue.give_back(ticket)
        lane.close()

    def _run(self, view: JobView, lane: _Lane, ticket: Ticket) -> None:
        view.started_at = utc_text(self._workspace.clock.now())
        actor = ENGINE
        try:
            with self._workspace.database.reading() as session:
                row = session.get_one(Job, view.job)
                actor = _author(session, row)
            view.state = "running"
            if view.cancelled:
                raise Cancelled("The job was cancelled before it began")
            kind = JOB_KINDS[row.kind]
            outcome = self._tried(view, row, lane, ticket, kind.retries)
            view.result = self._change(
                row.kind, actor, lambda context: _commit(context, row, kind.commit, outcome), kind.permission
            )
            shutil.rmtree(outcome.folder, ignore_errors=True)
            view.state = "done"
        except PlimsollError as error:
            self._fail(view, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must fail the job, not the board
            self._fail(view, SystemFault("The job's outcome could not be kept", detail=repr(error)))
        finally:
            view.worker = None
            view.ended.set()

    def _tried(self, view: JobView, row: Job, lane: _Lane, ticket: Ticket, retries: int) -> JobOutcome:
        """The outcome; when the process dies, the work goes on from its checkpoint in another one."""
        for attempt in range(retries):
            try:
                return self._work(view, row, lane.worker(), ticket.gpu)
            except WorkerEnded as error:
                wait = BACK_OFF_S * 2**attempt
                view.log.append(f"{error.headline}; trying again in {wait:g} s ({attempt + 1} of {retries})")
                if self._closing.wait(wait):
                    raise
        return self._work(view, row, lane.worker(), ticket.gpu)

    def _work(self, view: JobView, row: Job, worker: Worker, gpu: int) -> JobOutcome:
        kind = JOB_KINDS[row.kind]
        folder = self._workspace.jobs / (row.key.removeprefix("b3:")[:24] or row.id)
        inputs = {name: self._workspace.blobs.path(digest) for name, digest in row.spec["inputs"].items()}
        view.folder, view.worker = folder, worker
        write_job(folder, kind.work, row.spec["params"], inputs)
        self._change("job.start", ENGINE, lambda context: _mark(context, row.id, "running"))
        began = time.monotonic()
        names = row.spec["params"].get("secrets", [])
        secrets = {name: source_secret(self._workspace.info.id, name) for name in names}
        resources = worker.run(folder, view.hear, kind.timeout_s, lambda: view.cancelled, secrets, gpu)
        return JobOutcome(
            job=row.id,
            step=row.step,
            folder=folder,
            inputs=row.spec["inputs"],
            params=row.spec["params"],
            value=json.loads((folder / "outcome.json").read_text()),
            seconds=time.monotonic() - began,
            resources=resources,
        )

    def _fail(self, view: JobView, error: PlimsollError) -> None:
        if self._closing.is_set():
            view.state = "interrupted"
            return
        view.error = error.as_dict()
        state = "cancelled" if isinstance(error, Cancelled) else "failed"
        try:
            self._change("job.end", ENGINE, lambda context: _mark(context, view.job, state, str(error)))
        except PlimsollError as fault:  # such as a full disk: the next owner marks it interrupted
            logger.warning("The end of %s could not be recorded: %s", view.job, fault)
        view.state = state

    def _change(
        self, name: str, actor: Actor, function: Callable[[Context], Done], permission: str = "read"
    ) -> dict[str, Any]:
        assert self._dispatcher is not None
        return self._dispatcher.carry_out(name, permission, actor, function)

    def _forget_old(self) -> None:
        ended = [job for job, view in list(self._views.items()) if view.ended.is_set()]
        for job in ended[:-KEEP_ENDED]:
            self._views.pop(job, None)


class _Lane:
    """One job after the other in a worker that stays warm; one that died is replaced."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._warm = bool(os.environ.get("PLIMSOLL_WARM"))
        self._worker = Worker(log, warm=True) if self._warm else None

    def worker(self) -> Worker:
        """A worker that lives."""
        if self._worker is not None and not self._worker.alive:
            self.close()
        if self._worker is None:
            self._worker = Worker(self._log, warm=self._warm)
        return self._worker

    def close(self) -> None:
        """Let the worker end."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def _gpus() -> int:
    from core.training.environment import gpus

    return len(gpus())


def submit(
    context: Context,
    kind: str,
    title: str,
    *,
    params: dict[str, Any],
    inputs: dict[str, str],
    step: str = "",
    key: str = "",
    priority: int = 0,
) -> str:
    """Queue a job as part of an operation; it starts once the operation is committed. A higher priority goes first."""
    if kind not in JOB_KINDS:
        raise InputError(f"There is no kind of job {kind!r}")
    spec = {"params": params, "inputs": inputs, "priority": priority}
    job = context.add(Job, "job", kind=kind, title=title, step=step, key=key, spec=spec)
    context.transition("job", job.id, "queued")
    context.new_jobs.append(job.id)
    return job.id


def _commit(context: Context, row: Job, commit: Callable[[Context, JobOutcome], Done], outcome: JobOutcome) -> Done:
    done = commit(context, outcome)
    context.transition("job", row.id, "done")
    if row.key:
        context.add(
            StepResult,
            "sr",
            step=row.step,
            key=row.key,
            seconds=outcome.seconds,
            outputs=done.result,
            summary=done.summary,
        )
    return done


def _mark(context: Context, job: str, state: str, reason: str = "") -> Done:
    context.transition("job", job, state, reason=reason)
    return Done(subject=job, summary=f"Job {state}" + (f": {reason.splitlines()[0]}" if reason else ""))


def _mark_interrupted(context: Context, jobs: list[str]) -> Done:
    for job in jobs:
        context.transition("job", job, "interrupted", reason="The owner of the workspace ended")
    return Done(summary=f"{len(jobs)} jobs had been interrupted")


def _author(session: Session, row: Job) -> Actor:
    if row.created_by == ENGINE.user:
        return ENGINE
    return actor_of(session, find_user(session, row.created_by), "job")


def last_transition(session: Session, job: str) -> Transition | None:
    """The newest transition of a job, with its reason."""
    return session.exec(
        select(Transition).where(Transition.kind == "job", Transition.subject == job).order_by(Transition.order)  # type: ignore[arg-type]
    ).all()[-1]


def folder_of(workspace: Workspace, key: str) -> Path:
    """The folder of a step's job."""
    return workspace.jobs / key.removeprefix("b3:")[:24]
