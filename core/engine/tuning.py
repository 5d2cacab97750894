"""A search as one step of a walk: trials are training jobs like any other, and each one's end is a recorded fact.

Killed anywhere, the same search asked for again goes on: trials that ended are told to the search anew, and the run
of one whose end was not recorded comes from the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlmodel import Session, col, select

from core.engine.context import Context, Done
from core.engine.flow import train_params
from core.engine.job_view import JobView
from core.engine.steps import NOTED, Planner, Step, StepView
from core.kernel.digests import canonical_json, digest_json
from core.kernel.errors import Cancelled, InputError, NotFound, PlimsollError
from core.measures.direction import lower_is_better
from core.project.candidates import Candidate
from core.project.schema import Project, Search
from core.store.tables import Decision, Report
from core.training.search import SettingsSearch, Trial, TrialState, best_of, space_of

LOOK_S = 0.1
PARALLEL = 2
SEARCH, TRIAL = "tuning", "trial"


class Walk(Protocol):
    """What a driven step needs of the walk it belongs to."""

    planner: Planner

    def run_step(self, step: Step, shown: StepView) -> dict[str, Any]:
        """Run a step of one's own; ``shown`` tells how it does, and the name of its job once that is queued."""
        ...

    def job(self, name: str) -> JobView:
        """A live job."""
        ...

    def cancel(self, name: str) -> None:
        """Ask a job to stop."""
        ...

    def record(self, kind: str, permission: str, function: Callable[[Context], Done]) -> dict[str, Any]:
        """Commit facts."""
        ...

    def tell(self, done: int, total: int, words: str) -> None:
        """How far it is, in words."""
        ...

    def check(self) -> None:
        """Raise Cancelled when somebody asked to stop."""
        ...


@dataclass
class _Running:
    number: int
    settings: dict[str, Any]
    shown: StepView
    curve: dict[int, float] = field(default_factory=dict)
    pruned: bool = False


def search_of(project: Project, name: str) -> Search:
    """A declared search, or the usual one for a candidate or a trainer of the project.

    Raises:
        NotFound: when it is none of these.
    """
    if name in project.training.search:
        return project.training.search[name]
    candidates = project.training.candidates
    if name in candidates:
        one = candidates[name]
        usual = space_of(one.trainer, {})
        shared = {key: value for key, value in one.settings.items() if key not in usual}
        return Search(trainer=one.trainer, settings=shared)
    if name in {one.trainer for one in candidates.values()}:
        return Search(trainer=name)
    raise NotFound(
        f"There is nothing to search named {name!r}",
        detail=f"Searches: {', '.join(project.training.search) or 'none'}. Candidates: {', '.join(candidates)}.",
    )


def goal_of(project: Project, search: Search) -> tuple[str, bool]:
    """The figure to improve, and whether lower is better."""
    goal = search.goal or f"validate.{project.primary}"
    return goal, lower_is_better(goal)


def tuning_step(name: str, budget: int) -> Step:
    """The step that searches; it needs the training set and the verdict on leaks."""

    def drive(walk: Walk) -> dict[str, Any]:
        return _Tuning(walk, name, budget).run()

    return Step(f"tune:{name}", f"Search settings: {name}", SEARCH, ("leakage",), drive=drive, permission="train.run")


class _Tuning:
    def __init__(self, walk: Walk, name: str, budget: int) -> None:
        project = walk.planner.project
        self._walk, self._name, self._budget = walk, name, budget
        self._search = search_of(project, name)
        self._space = space_of(self._search.trainer, self._search.space)
        self._goal, self._lower = goal_of(project, self._search)
        self._seed = project.training.seed
        self._candidate = project.training.candidates.get(name) or Candidate(trainer=self._search.trainer)
        self._base = train_params(walk.planner, name, self._candidate)
        identity = [self._search.plain(), self._goal, self._seed, self._base[0]["lineage"], self._base[0]["code"]]
        self._study = digest_json(identity)
        with walk.planner.workspace.database.reading() as session:
            self._trials = trials_of(session, self._study)
        self._asks = SettingsSearch(self._space, lower=self._lower, seed=self._seed, finished=self._trials)

    def run(self) -> dict[str, Any]:
        """All trials that the budget allows, then the report."""
        running: dict[Future[dict[str, Any]], _Running] = {}
        with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="trial") as pool:
            try:
                while running or len(self._trials) < self._budget:
                    while len(running) < PARALLEL and len(self._trials) + len(running) < self._budget:
                        one = self._next()
                        running[pool.submit(self._try, one)] = one
                    self._walk.check()
                    for one in running.values():
                        self._listen(one)
                    for future in wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED).done:
                        self._ended(running.pop(future), future)
            except BaseException:
                for one in running.values():
                    if one.shown.job:
                        self._walk.cancel(one.shown.job)
                raise
        return self._report()

    def _next(self) -> _Running:
        number, settings = self._asks.ask()
        shown = StepView(f"trial:{self._name}:{number}", f"Trial {number + 1} of {self._name}")
        return _Running(number, settings, shown)

    def _try(self, one: _Running) -> dict[str, Any]:
        params, inputs = self._base
        settings = {**self._search.settings, **one.settings}
        candidate = self._candidate.model_copy(update={"settings": settings})
        noted = {**params[NOTED], "study": self._study, "trial": one.number}
        asked = {**params, "candidate": candidate.plain(), NOTED: noted}

        step = Step(one.shown.name, one.shown.title, "training.train", plan=lambda _planner: (asked, inputs))
        return self._walk.run_step(step, one.shown)

    def _listen(self, one: _Running) -> None:
        """Take in the trial's curve; stop the trial when it is hopeless."""
        if not (self._search.prune and one.shown.job) or one.pruned:
            return
        curves = self._walk.job(one.shown.job).metrics
        watched = next((name for name in sorted(curves) if name.startswith("validate_")), "")
        for step, value in list(curves.get(watched, [])):
            if step not in one.curve:
                one.curve[step] = value
                same_way = lower_is_better(watched) == self._lower
                if self._asks.hopeless(one.number, step, value if same_way else -value):
                    one.pruned = True
                    self._walk.cancel(one.shown.job)
                    return

    def _ended(self, one: _Running, future: Future[dict[str, Any]]) -> None:
        state: TrialState = "failed"
        value, run, reason = None, "", ""
        try:
            made = future.result()
            run, value, state = made["run"], self._value(made["metrics"]), "done"
        except Cancelled:
            self._walk.check()
            state = "pruned" if one.pruned else "failed"
            reason = "worse than half of the others" if one.pruned else "cancelled"
        except InputError as error:
            reason = str(error)
            if not self._trials:
                raise  # settings that the very first trial refuses are a mistake of the project, not of the search
        except PlimsollError as error:
            reason = error.headline
        self._asks.tell(one.number, state, value)
        trial = Trial(
            number=len(self._trials),
            settings=one.settings,
            state=state,
            value=value,
            curve=one.curve,
            run=run,
            reason=reason,
        )
        self._trials.append(trial)
        self._record(trial)
        best = best_of(self._trials, lower=self._lower)
        told = f"best {self._goal} {best.value:.4f}" if best and best.value is not None else "none has ended well yet"
        self._walk.tell(len(self._trials), self._budget, told)

    def _value(self, metrics: dict[str, float]) -> float:
        if self._goal not in metrics:
            raise InputError(
                f"The runs have no figure {self._goal!r}",
                where=f"training.search.{self._name}.goal",
                remedy="One of: " + ", ".join(sorted(metrics)) + ".",
            )
        return float(metrics[self._goal])

    def _record(self, trial: Trial) -> None:
        def function(context: Context) -> Done:
            evidence = {**trial.plain(), "name": self._name}
            context.add(Decision, "dec", kind=TRIAL, subject=self._study, verdict=trial.state, evidence=evidence)
            if trial.run:
                context.transition("run", trial.run, f"{self._name} #{trial.number + 1}", aspect="trial")
            words = f"Trial {trial.number + 1} of {self._name}: {trial.state}"
            return Done(subject=self._study, summary=words)

        self._walk.record("tuning.trial", "train.run", function)

    def _report(self) -> dict[str, Any]:
        best = best_of(self._trials, lower=self._lower)
        facts = {
            "study": self._study,
            "trainer": self._search.trainer,
            "goal": self._goal,
            "lower_is_better": self._lower,
            "trials": len(self._trials),
            "pruned": sum(trial.state == "pruned" for trial in self._trials),
            "failed": sum(trial.state == "failed" for trial in self._trials),
            "space": {name: dimension.plain() for name, dimension in self._space.items()},
            "shared": self._search.settings,
            "importance": self._asks.importance(),
            "best": best.plain() if best else None,
        }
        body = {**facts, "all": [trial.plain() for trial in self._trials]}
        if best is None:
            summary = f"{self._name}: no trial of {len(self._trials)} ended well"
        else:
            summary = f"{self._name}: {self._goal} {best.value:.4f} in trial {best.number + 1} of {len(self._trials)}"

        def function(context: Context) -> Done:
            blob = context.workspace.blobs.put_bytes(canonical_json(body))
            row = context.add(
                Report,
                "rep",
                kind=SEARCH,
                subject=self._study,
                name=self._name,
                blob=blob,
                summary=summary,
                facts=facts,
            )
            if best is not None:
                context.edge(best.run, row.id, "best trial")
            return Done(subject=row.id, summary=summary, result={"report": row.id, "blob": blob, **facts})

        return self._walk.record("tuning.report", "train.run", function)


def trials_of(session: Session, study: str) -> list[Trial]:
    """The trials of a search that have ended, in the order in which they did."""
    query = select(Decision).where(Decision.kind == TRIAL, Decision.subject == study)
    rows = session.exec(query.order_by(col(Decision.created_at))).all()
    return sorted((_trial(row) for row in rows), key=lambda trial: trial.number)


def _trial(row: Decision) -> Trial:
    return Trial.read({name: value for name, value in row.evidence.items() if name != "name"})
