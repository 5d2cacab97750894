"""The job board: queues jobs, runs them in workers, commits their outcomes, and tells how they do."""

from __future__ import annotations

import json
import logging
import queue
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
from core.engine.pool import Worker
from core.engine.registry import JOB_KINDS, JobOutcome
from core.engine.workfolder import write_job
from core.identity.source_secrets import source_secret
from core.kernel.clock import utc_text
from core.kernel.errors import Cancelled, InputError, NotFound, PlimsollError, Refused, SystemFault
from core.store.tables import Job, StepResult, Transition
from core.workspace.workspace import Workspace

LIVE_STATES = ("queued", "running")
KEEP_ENDED = 50
logger = logging.getLogger(__name__)


class JobView:
    """What is known of a job while this process lives: polled by windows and command lines."""

    def __init__(self, job: str, kind: str, title: str) -> None:
        self.job, self.kind, self.title = job, kind, title
        self.state = "queued"
        self.done, self.total, self.message = 0.0, 0.0, ""
        self.started_at = ""
        self.log: list[str] = []
        self.metrics: dict[str, list[tuple[int, float]]] = {}
        self.error: dict[str, Any] | None = None
        self.result: dict[str, Any] = {}
        self.ended = threading.Event()
        self.worker: Worker | None = None
        self.folder: Path | None = None
        self.cancelled = False

    def plain(self) -> dict[str, Any]:
        """A snapshot as JSON values; curves carry their newest 200 points."""
        return {
            "job": self.job,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "message": self.message,
            "started_at": self.started_at,
            "metrics": {name: points[-200:] for name, points in list(self.metrics.items())},
            "log": self.log[-20:],
            "error": self.error,
            "result": self.result,
        }

    def hear(self, event: dict[str, Any]) -> None:
        """Take in one event of the worker."""
        if event["event"] == "step":
            self.done, self.total, self.message = event["done"], event["total"], event["message"]
        elif event["event"] == "metrics":
            for name, step, value in event["points"]:
                self.metrics.setdefault(name, []).append((step, value))
        elif event["event"] == "log":
            self.log.append(event["text"])


class JobBoard:
    """Owns the workers. ``slots`` jobs run at a time."""

    def __init__(self, workspace: Workspace, slots: int = 2) -> None:
        self._workspace = workspace
        self._slots = slots
        self._queue: queue.Queue[str | None] = queue.Queue()
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
                self._queue.put(job)
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

    def close(self) -> None:
        """Stop everything: queued jobs stay queued in the store, running ones are interrupted."""
        self._closing.set()
        for _ in self._threads:
            self._queue.put(None)
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
        worker: Worker | None = None
        while (job := self._queue.get()) is not None and not self._closing.is_set():
            if worker is not None and not worker.alive:
                worker.close()
                worker = None
            worker = worker or Worker(self._workspace.root / "workers.log")
            self._run(self._views[job], worker)
        if worker is not None:
            worker.close()

    def _run(self, view: JobView, worker: Worker) -> None:
        view.started_at = utc_text(self._workspace.clock.now())
        actor = ENGINE
        try:
            with self._workspace.database.reading() as session:
                row = session.get_one(Job, view.job)
                actor = _author(session, row)
            view.state, view.worker = "running", worker
            if view.cancelled:
                raise Cancelled("The job was cancelled before it began")
            outcome = self._work(view, row, worker)
            kind = JOB_KINDS[row.kind]
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

    def _work(self, view: JobView, row: Job, worker: Worker) -> JobOutcome:
        kind = JOB_KINDS[row.kind]
        folder = self._workspace.jobs / (row.key.removeprefix("b3:")[:24] or row.id)
        inputs = {name: self._workspace.blobs.path(digest) for name, digest in row.spec["inputs"].items()}
        view.folder = folder
        write_job(folder, kind.work, row.spec["params"], inputs)
        self._change("job.start", ENGINE, lambda context: _mark(context, row.id, "running"))
        began = time.monotonic()
        names = row.spec["params"].get("secrets", [])
        secrets = {name: source_secret(self._workspace.info.id, name) for name in names}
        resources = worker.run(folder, view.hear, kind.timeout_s, lambda: view.cancelled, secrets)
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


def submit(
    context: Context,
    kind: str,
    title: str,
    *,
    params: dict[str, Any],
    inputs: dict[str, str],
    step: str = "",
    key: str = "",
) -> str:
    """Queue a job as part of an operation; it starts once the operation is committed."""
    if kind not in JOB_KINDS:
        raise InputError(f"There is no kind of job {kind!r}")
    job = context.add(Job, "job", kind=kind, title=title, step=step, key=key, spec={"params": params, "inputs": inputs})
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
