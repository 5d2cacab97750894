"""Walks a project's pipeline: each step once, unchanged ones from the cache, refusals explained."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import col, select

from core.engine.actors import ENGINE, Actor, actor_of, find_user
from core.engine.context import Context, Done, state_of
from core.engine.dispatcher import Dispatcher
from core.engine.flow import steps_of
from core.engine.job_view import JobView
from core.engine.jobs import JobBoard, submit
from core.engine.references import blobs_of_step
from core.engine.registry import JOB_KINDS, JobKind
from core.engine.steps import NOTED, Planner, Step, StepView, code_digest, downstream
from core.engine.tuning import tuning_step
from core.kernel.digests import digest_json
from core.kernel.errors import AnswerIsNo, Cancelled, PlimsollError, Refused, SystemFault, error_from_dict
from core.store.tables import PipelineRun, ProjectVersion, StepResult
from core.workspace.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass
class PipelineView:
    """How a walk does, for whoever watches."""

    run: str
    state: str = "running"
    steps: dict[str, StepView] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def plain(self) -> dict[str, Any]:
        """A snapshot as JSON values."""
        steps = [vars(step) for step in list(self.steps.values())]
        return {"run": self.run, "state": self.state, "steps": [dict(step) for step in steps], "error": self.error}


class PipelineRunner:
    """Runs pipelines in threads of the owner; the work itself is in worker processes."""

    def __init__(self, workspace: Workspace, jobs: JobBoard) -> None:
        self.dispatcher: Dispatcher | None = None
        self._workspace = workspace
        self.jobs = jobs
        self._views: dict[str, PipelineView] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._keys: dict[str, threading.Lock] = {}

    def start(self, run: str) -> None:
        """Begin a walk whose row was just committed."""
        view = PipelineView(run)
        self._views[run] = view
        thread = threading.Thread(target=self._walk, args=(view,), name=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def view(self, run: str) -> PipelineView | None:
        """A walk of this process, or none."""
        return self._views.get(run)

    def cancel(self, run: str) -> None:
        """Stop after telling the running steps to stop."""
        view = self._views[run]
        view.cancelled.set()
        for step in list(view.steps.values()):
            if step.job and step.state == "running":
                self.jobs.cancel(step.job)

    def stop(self) -> None:
        """Begin no further steps: the workspace closes."""
        self._closing.set()
        for view in list(self._views.values()):
            view.cancelled.set()

    def close(self) -> None:
        """Wait for the walks to end, after the job board has let go of their jobs."""
        for thread in self._threads:
            thread.join(timeout=10)

    def recover(self) -> None:
        """Walks that a killed owner left running are marked interrupted; the next walk continues from the cache."""
        with self._workspace.database.reading() as session:
            stale = [
                row.id
                for row in session.exec(select(PipelineRun))
                if state_of(session, "pipeline", row.id) == "running"
            ]
        for run in stale:
            try:
                self._end(run, ENGINE, "interrupted", "The owner of the workspace ended")
            except Refused as refusal:  # the clock was set back: people must still be able to read
                logger.warning("%s could not be marked interrupted: %s", run, refusal)

    def _walk(self, view: PipelineView) -> None:
        actor = ENGINE
        try:
            with self._workspace.database.reading() as session:
                row = session.get_one(PipelineRun, view.run)
                version = session.get_one(ProjectVersion, row.project_version)
                if row.created_by != ENGINE.user:
                    actor = actor_of(session, find_user(session, row.created_by), "pipeline")
            planner = Planner(self._workspace, version, row.options)
            steps = _steps(planner)
            planner.fresh = downstream(steps, row.options.get("first") or "")
            view.steps = {step.name: StepView(step.name, step.title) for step in steps}
            self._run_all(view, planner, steps, actor)
            view.state = "done"
            self._end(view.run, actor, "done", "")
        except PlimsollError as error:
            self._failed(view, actor, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the walk in words
            self._failed(view, actor, SystemFault("The pipeline failed", detail=f"{type(error).__name__}: {error}"))
        finally:
            view.ended.set()

    def _failed(self, view: PipelineView, actor: Actor, error: PlimsollError) -> None:
        view.error = error.as_dict()
        if self._closing.is_set():  # the next owner marks it interrupted, and the next walk continues it
            view.state = "interrupted"
            return
        state = "failed"
        if isinstance(error, AnswerIsNo | Refused):
            state = "refused"
        elif isinstance(error, Cancelled):
            state = "cancelled"
        view.state = state
        try:
            self._end(view.run, actor, state, str(error))
        except PlimsollError as fault:  # such as a full disk: the next owner marks it interrupted
            logger.warning("The end of %s could not be recorded: %s", view.run, fault)

    def _run_all(self, view: PipelineView, planner: Planner, steps: list[Step], actor: Actor) -> None:
        left = {step.name: step for step in steps}
        finished: set[str] = set()
        running: dict[Future[dict[str, Any]], str] = {}
        trouble: PlimsollError | None = None
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix=view.run) as pool:
            while left or running:
                ready = [] if trouble else [step for step in left.values() if finished.issuperset(step.needs)]
                for step in ready[: max(0, 2 - len(running))]:
                    del left[step.name]
                    running[pool.submit(self._run_step, view, planner, step, actor)] = step.name
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    try:
                        planner.outputs[name] = future.result()
                        finished.add(name)
                    except PlimsollError as error:
                        trouble = trouble or error
        if trouble is not None:
            raise trouble

    def _run_step(self, view: PipelineView, planner: Planner, step: Step, actor: Actor) -> dict[str, Any]:
        shown = view.steps[step.name]
        try:
            if view.cancelled.is_set():
                raise Cancelled("The pipeline was cancelled")
            shown.state = "running"
            outputs = self._outputs(view, shown, planner, step, actor)
            shown.state = "done"
            return outputs
        except PlimsollError as error:
            shown.state = "refused" if isinstance(error, AnswerIsNo | Refused) else "failed"
            shown.summary = error.headline
            raise

    def _outputs(
        self, view: PipelineView, shown: StepView, planner: Planner, step: Step, actor: Actor
    ) -> dict[str, Any]:
        if step.drive is not None:
            return step.drive(DrivenWalk(self, view, shown, planner, actor))
        return self._act(shown, planner, step, actor) if step.act else self._job(shown, planner, step, actor)

    def run_unlisted(self, shown: StepView, planner: Planner, step: Step, actor: Actor) -> dict[str, Any]:
        """A step that another step asked for: cached, queued and committed like any other."""
        return self._job(shown, planner, step, actor)

    def _act(self, shown: StepView, planner: Planner, step: Step, actor: Actor) -> dict[str, Any]:
        assert self.dispatcher is not None
        assert step.act is not None
        act = step.act
        told: list[str] = []

        def function(context: Context) -> Done:
            done = act(context, planner)
            told.append(done.summary)
            return done

        began = self._workspace.clock.now()
        result = self.dispatcher.carry_out(step.kind, step.permission, actor, function)
        shown.seconds = (self._workspace.clock.now() - began).total_seconds()
        shown.summary = told[-1] if told else ""
        return result

    def _job(self, shown: StepView, planner: Planner, step: Step, actor: Actor) -> dict[str, Any]:
        if step.asks:  # one walk after the other: the next one goes on from what this one took
            with self._keys.setdefault(step.name, threading.Lock()):
                return self._planned(shown, planner, step, actor)
        return self._planned(shown, planner, step, actor)

    def _planned(self, shown: StepView, planner: Planner, step: Step, actor: Actor) -> dict[str, Any]:
        assert step.plan is not None
        kind = JOB_KINDS[step.kind]
        params, inputs = step.plan(planner)
        decisive = [
            {name: at for name, at in values.items() if not name.startswith(NOTED)} for values in (params, inputs)
        ]
        code = code_digest(kind.rooms)
        key = digest_json({"kind": kind.name, "params": decisive[0], "inputs": decisive[1], "code": code})
        with self._keys.setdefault(key, threading.Lock()):  # two walks never make the same thing at once
            return self._made(shown, planner, step, actor, kind, key, params, inputs)

    def _made(
        self,
        shown: StepView,
        planner: Planner,
        step: Step,
        actor: Actor,
        kind: JobKind,
        key: str,
        params: dict[str, Any],
        inputs: dict[str, str],
    ) -> dict[str, Any]:
        known = None if step.asks or step.name in planner.fresh else self._known(key)
        if known is not None:
            shown.cached, shown.summary, shown.seconds = True, known.summary, known.seconds
            return known.outputs

        def queue(context: Context) -> Done:
            job = submit(context, kind.name, step.title, params=params, inputs=inputs, step=step.name, key=key)
            return Done(subject=job, summary=f"Queued: {step.title}", result={"job": job})

        assert self.dispatcher is not None
        shown.job = str(self.dispatcher.carry_out("job.queue", kind.permission, actor, queue)["job"])
        job_view = self.jobs.view(shown.job)
        job_view.ended.wait()
        if job_view.error is not None:
            raise error_from_dict(job_view.error)
        if job_view.state != "done":
            raise Cancelled(f"The step {step.name} was {job_view.state}")
        found = self._known(key)
        if found is None:
            raise SystemFault(f"The step {step.name} left no result")
        shown.summary, shown.seconds = found.summary, found.seconds
        return found.outputs

    def _known(self, key: str) -> StepResult | None:
        with self._workspace.database.reading() as session:
            query = select(StepResult).where(StepResult.key == key).order_by(col(StepResult.created_at).desc())
            found = session.exec(query).first()
        here = found is not None and all(self._workspace.blobs.has(blob) for blob in blobs_of_step(found.outputs))
        return found if here else None  # what was collected is made again

    def _end(self, run: str, actor: Actor, state: str, reason: str) -> None:
        assert self.dispatcher is not None

        def function(context: Context) -> Done:
            context.transition("pipeline", run, state, reason=reason)
            first = reason.splitlines()[0] if reason else ""
            return Done(subject=run, summary=f"Pipeline {state}" + (f": {first}" if first else ""))

        self.dispatcher.carry_out("pipeline.end", "read", actor, function)


def _steps(planner: Planner) -> list[Step]:
    """The walk's steps; a search stands at the end of those that make its training set."""
    tune = planner.options.get("tune")
    if not tune:
        return steps_of(planner)
    planner.options = {**planner.options, "last": "leakage"}
    return [*steps_of(planner), tuning_step(tune["search"], int(tune["budget"]))]


@dataclass
class DrivenWalk:
    """A step's own hold on the walk it belongs to (:class:`core.engine.tuning.Walk`)."""

    runner: PipelineRunner
    view: PipelineView
    shown: StepView
    planner: Planner
    actor: Actor

    def run_step(self, step: Step, shown: StepView) -> dict[str, Any]:
        """Run a step that is not listed; ``shown`` gets the name of its job, unless it comes from the cache."""
        return self.runner.run_unlisted(shown, self.planner, step, self.actor)

    def job(self, name: str) -> JobView:
        """A live job."""
        return self.runner.jobs.view(name)

    def cancel(self, name: str) -> None:
        """Ask a job to stop."""
        self.runner.jobs.cancel(name)

    def record(self, kind: str, permission: str, function: Callable[[Context], Done]) -> dict[str, Any]:
        """Commit facts in the name of whoever asked for the walk."""
        assert self.runner.dispatcher is not None
        return self.runner.dispatcher.carry_out(kind, permission, self.actor, function)

    def tell(self, done: int, total: int, words: str) -> None:
        """How far the step is."""
        self.shown.summary = f"{done} of {total}: {words}"

    def check(self) -> None:
        """Raise Cancelled when the walk was."""
        if self.view.cancelled.is_set():
            raise Cancelled("The pipeline was cancelled")
