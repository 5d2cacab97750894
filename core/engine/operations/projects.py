"""Loading a project and walking its pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from core.engine.actors import ENGINE
from core.engine.context import Context, Done
from core.engine.projects import last_loaded, newest_version, read_version
from core.engine.registry import operation
from core.engine.tuning import search_of
from core.features.static_leaks import static_leaks
from core.kernel.errors import InputError, Refused
from core.kernel.records import Record
from core.project.load import load_project
from core.store.tables import Decision, PipelineRun, ProjectVersion


class LoadProject(Record):
    """Read ``plimsoll.yaml`` and keep this version of it."""

    path: str


class RunPipeline(Record):
    """Walk the pipeline of the newest version of a project."""

    project: str = ""
    first: str = ""
    last: str = ""
    reason: str = "asked for"
    split: dict[str, tuple[str, str]] = Field(default_factory=dict)


class Tune(Record):
    """Search better settings for a trainer of the newest version of a project."""

    project: str = ""
    search: str
    budget: int = Field(ge=1, le=10_000, description="Trials, those of an earlier call included")


class Retrain(Record):
    """A signal asks for new candidates on newer data."""

    project: str = ""
    signal: str
    reason: str
    split: dict[str, tuple[str, str]]


@operation("project.load", "project.load", LoadProject)
def load(context: Context, request: LoadProject) -> Done:
    """Validate the project's file whole and store it, unless it is what was loaded last.

    Raises:
        Refused: for leaks that the file alone shows. Those that only the data shows stop the pipeline later.
    """
    loaded = load_project(Path(request.path))
    leaks = static_leaks(loaded.project)
    if leaks:
        raise Refused(
            f"{loaded.path.name} lets the future into training: {len(leaks)} leak{'s' if len(leaks) > 1 else ''}",
            where=str(loaded.path),
            problems=leaks,
        )
    known = last_loaded(context.session)
    if known is not None and (known.digest, known.path) == (loaded.digest, str(loaded.path)):
        return Done(subject=known.id, summary=f"{loaded.project.project}: unchanged", result={"version": known.id})
    version = context.add(
        ProjectVersion,
        "proj",
        name=loaded.project.project,
        path=str(loaded.path),
        digest=loaded.digest,
        text=loaded.text,
    )
    return Done(subject=version.id, summary=f"Loaded {version.name}", result={"version": version.id})


@operation("pipeline.run", "train.run", RunPipeline)
def run_pipeline(context: Context, request: RunPipeline) -> Done:
    """Queue a walk; unchanged steps will come from the cache."""
    options: dict[str, Any] = {"first": request.first, "last": request.last}
    if request.split:
        options["split"] = request.split
    return _queue(context, request.project, request.reason, options)


@operation("tuning.run", "train.run", Tune)
def tune(context: Context, request: Tune) -> Done:
    """Queue a walk that ends in a search; the same search asked for again goes on where it stopped."""
    version = newest_version(context.session, request.project or None)
    search_of(read_version(version, {}), request.search)
    asked = {"search": request.search, "budget": request.budget}
    return _queue(context, request.project, f"search {request.search}", {"first": "", "last": "", "tune": asked})


@operation("pipeline.retrain", "retrain.trigger", Retrain)
def retrain(context: Context, request: Retrain) -> Done:
    """Queue a walk because a signal asked for it; the decision is recorded with its evidence.

    The engine walks it in its own name, with its own role, whoever looked at the signals.
    """
    if not request.split:
        raise InputError("Retraining needs the periods to train on")
    done = _queue(
        context, request.project, request.reason, {"split": request.split, "signal": request.signal}, by=ENGINE.user
    )
    context.add(
        Decision,
        "dec",
        kind="retrain",
        subject=done.subject,
        verdict="started",
        evidence={"signal": request.signal, "reason": request.reason},
    )
    return done


def _queue(context: Context, name: str, reason: str, options: dict[str, Any], by: str = "") -> Done:
    version = newest_version(context.session, name or None)
    run = context.add(PipelineRun, "pipe", by=by, project_version=version.id, reason=reason, options=options)
    context.transition("pipeline", run.id, "running", reason=reason)
    context.new_jobs.append(run.id)
    return Done(subject=run.id, summary=f"Pipeline of {version.name}: {reason}", result={"pipeline": run.id})
