"""Gates, the choice among candidates, the registry, and a version's stages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from core.contract.release import GateOutcome
from core.engine.context import Context, Done, state_of
from core.engine.exceptions import about_run, exempt
from core.engine.find import find
from core.engine.gate_facts import gathered, priced, surrounding
from core.engine.registry import JobOutcome, job_kind, operation
from core.engine.steps import Planner
from core.evaluation.gates import apply_gates, blocked
from core.features.definitions import tables_under
from core.governance.policy import policy_digest
from core.governance.records import Stage, StageFacts
from core.governance.stages import check_move
from core.kernel.digests import canonical_json, digest_bytes, strict_json
from core.kernel.errors import AnswerIsNo, NotFound, Problem
from core.kernel.records import Record
from core.measures.direction import lower_is_better
from core.project.schema import Project
from core.store.tables import Decision, ModelVersion, Report, Run


class ArchiveModel(Record):
    """Take a version out of use."""

    model: str
    reason: str


def gate_candidate(context: Context, planner: Planner, name: str) -> Done:
    """Judge one candidate by the policy, over everything that was recorded about it."""
    policy = planner.project.policy
    evaluation = planner.outputs[f"evaluate:{name}"]
    run = planner.outputs[f"train:{name}"]
    facts = facts_for(context, planner, name)
    outcomes = apply_gates(policy, facts)
    exempt = exempt_anywhere(context.session, planner.project, run["run"], outcomes, context.now)
    stops = blocked([outcome for outcome in outcomes if outcome.rule not in exempt])
    before = _same_gates(context.session, run["run"], outcomes, not stops)
    result: dict[str, Any] = {"gates": [outcome.plain() for outcome in outcomes], "blocked": bool(stops)}
    summary = f"{name}: {len(outcomes)} gates, {_words(outcomes, exempt)}"
    if before is not None:
        return Done(subject=before.id, summary=summary + " (unchanged)", result={**result, "report": before.id})
    blob = context.workspace.blobs.put_bytes(canonical_json(result["gates"]))
    report = context.add(
        Report,
        "rep",
        kind="gates",
        subject=run["run"],
        name=name,
        blob=blob,
        passed=not stops,
        summary=summary,
        facts={"policy": policy_digest(policy), "facts": facts, "exceptions": sorted(exempt)},
    )
    context.add(
        Decision,
        "dec",
        kind="gates",
        subject=run["run"],
        verdict="blocked" if stops else "passed",
        policy=policy_digest(policy),
        evidence={"report": report.id, "evaluation": evaluation["report"]},
    )
    context.edge(run["run"], report.id, "reported on")
    return Done(subject=report.id, summary=summary, result={**result, "report": report.id})


def _words(outcomes: list[GateOutcome], exempt: set[str]) -> str:
    failed = [
        f"{outcome.rule} (exception)" if outcome.rule in exempt else outcome.rule
        for outcome in outcomes
        if not outcome.passed
    ]
    return "all passed" if not failed else f"{len(failed)} not passed: {', '.join(failed)}"


def facts_for(context: Context, planner: Planner, name: str) -> dict[str, Any]:
    """Every fact about one candidate that its gates may look at."""
    project = planner.project
    evaluation, run = planner.outputs[f"evaluate:{name}"], planner.outputs[f"train:{name}"]
    validations = list(read_validations(planner).values())
    made = gathered(evaluation["facts"], run["metrics"], validations, planner.outputs["leakage"])
    champion = champion_of(context.session, project.project)
    contract = str(planner.outputs["features"]["contract"])
    around = surrounding(context.workspace, context.session, project, contract, champion, context.now)
    return priced({**made, **around}, project)


def exempt_anywhere(
    session: Session, project: Project, run: str, outcomes: list[GateOutcome], now: datetime
) -> set[str]:
    """Gates that an exception lets stand for a release to some environment: such a candidate may be registered."""
    found: set[str] = set()
    for environment in ("production", "staging"):
        about = about_run(project.project, environment, run, project.policy)
        found |= set(exempt(session, project.policy, about, outcomes, now))
    return found


def read_validations(planner: Planner) -> dict[str, dict[str, Any]]:
    """What was found on the tables that the model reads, by table: of the others a release says nothing."""
    return _of_read(planner, "validate:")


def _of_read(planner: Planner, *steps: str) -> dict[str, dict[str, Any]]:
    """What such steps made of the tables that the model reads, by table."""
    project = planner.project
    named = [project.events.table, *(view.table for view in project.features.views.values())]
    read = {table for name in named for table in tables_under(project, name)}
    made = {name.split(":", 1)[1]: output for name, output in planner.outputs.items() if name.startswith(steps)}
    return {name: output for name, output in made.items() if name in read}


def _same_gates(session: Session, run: str, outcomes: list[GateOutcome], passed: bool) -> Report | None:
    digest = digest_bytes(canonical_json([outcome.plain() for outcome in outcomes]))
    query = select(Report).where(
        Report.kind == "gates", Report.subject == run, Report.blob == digest, Report.passed == passed
    )
    return session.exec(query).first()


def best_candidate(planner: Planner) -> str:
    """The candidate with the best primary metric on the validation period among those that passed the gates.

    Raises:
        AnswerIsNo: when every candidate was blocked.
    """
    names = list(planner.project.training.candidates)
    passed = [name for name in names if not planner.outputs[f"gates:{name}"]["blocked"]]
    if not passed:
        problems = [
            Problem(f"{gate['rule']}: {gate['fact']} is {gate['observed']}", where=name, expected=gate["expected"])
            for name in names
            for gate in planner.outputs[f"gates:{name}"]["gates"]
            if gate["severity"] == "block" and not gate["passed"]
        ]
        raise AnswerIsNo("Every candidate was stopped by a gate; none is registered", problems=problems)
    metric = f"validate.{planner.project.primary}"
    sign = -1.0 if lower_is_better(planner.project.primary) else 1.0
    return max(passed, key=lambda name: sign * float(planner.outputs[f"train:{name}"]["metrics"][metric]))


def next_version(session: Session, model: str, run: str) -> int:
    """The number that a run's model has or would get."""
    known = session.exec(select(ModelVersion).where(ModelVersion.run == run)).first()
    if known is not None:
        return known.version
    newest = session.exec(
        select(ModelVersion).where(ModelVersion.model == model).order_by(col(ModelVersion.version).desc())
    ).first()
    return newest.version + 1 if newest else 1


@job_kind(
    "delivery.payload",
    "model.register",
    "core.engine.work.delivery:make_payload",
    rooms=("delivery", "contract", "governance"),
)
def keep_payload(context: Context, outcome: JobOutcome) -> Done:
    """Keep the files of a payload, each as a blob."""
    blobs = context.workspace.blobs
    manifest = outcome.value["manifest"]
    files = {file["path"]: blobs.put_file(outcome.folder / "payload" / file["path"]) for file in manifest["files"]}
    return Done(
        subject=outcome.params["run"],
        summary=f"{outcome.params['candidate']}: {len(files)} files, "
        f"{sum(file['size'] for file in manifest['files']):,} bytes, {outcome.value['golden']} golden rows",
        result={
            "payload": outcome.value["payload"],
            "files": files,
            "candidate": outcome.params["candidate"],
            "run": outcome.params["run"],
        },
    )


def register_best(context: Context, planner: Planner) -> Done:
    """Register the best candidate as a new version of the project's model, in stage ``candidate``."""
    made = planner.outputs["payload"]
    session = context.session
    known = session.exec(select(ModelVersion).where(ModelVersion.run == made["run"])).first()
    if known is not None:
        return Done(
            subject=known.id,
            summary=f"{known.model} v{known.version} is registered already",
            result={"model_version": known.id, "version": known.version, "new": False},
        )
    name = str(made["candidate"])
    row = context.add(
        ModelVersion,
        "mv",
        model=planner.project.project,
        version=next_version(session, planner.project.project, made["run"]),
        run=made["run"],
        onnx=made["files"]["model.onnx"],
        contract=made["files"]["contract.json"],
        payload=made["payload"],
        detail={
            "files": made["files"],
            "candidate": name,
            "features": planner.outputs["features"]["features"],
            "project_version": planner.version.id,
            "evaluation": planner.outputs[f"evaluate:{name}"]["report"],
            "gates": planner.outputs[f"gates:{name}"]["report"],
            "leakage": planner.outputs["leakage"]["report"],
            "validations": {name: output["report"] for name, output in read_validations(planner).items()},
            "snapshots": {name: output["snapshot"] for name, output in _of_read(planner, "ingest:", "table:").items()},
            "training_set": planner.outputs["features"]["snapshot"],
            "signal": planner.options.get("signal", ""),
        },
    )
    context.transition("model", row.id, "candidate", aspect="stage", reason=planner.options.get("signal", ""))
    context.edge(made["run"], row.id, "registered as")
    return Done(
        subject=row.id,
        summary=f"{row.model} v{row.version} ({name}) waits for a proposal",
        result={"model_version": row.id, "version": row.version, "new": True},
    )


def stage_of(session: Session, version: str) -> Stage:
    """The stage of a version."""
    stage: Stage = state_of(session, "model", version, "stage") or "candidate"  # type: ignore[assignment]
    return stage


def champion_of(session: Session, model: str) -> ModelVersion | None:
    """The version that is in production, or none."""
    query = select(ModelVersion).where(ModelVersion.model == model).order_by(col(ModelVersion.version).desc())
    return next((row for row in session.exec(query) if stage_of(session, row.id) == "production"), None)


def find_model(session: Session, name: str) -> ModelVersion:
    """A version by ``champion``, ``latest``, id, ``model`` or ``model/number``.

    Raises:
        NotFound: when there is none.
    """
    if name == "champion":
        rows = session.exec(select(ModelVersion).order_by(col(ModelVersion.created_at).desc())).all()
        found = next((row for row in rows if stage_of(session, row.id) == "production"), None)
        if found is None:
            raise NotFound("No model is in production", remedy="Deploy a signed release first.")
        return found
    model, _, number = name.partition("/")
    query = select(ModelVersion).where(ModelVersion.model == model).order_by(col(ModelVersion.version).desc())
    rows = session.exec(query).all()
    for row in rows:
        if not number or str(row.version) == number.removeprefix("v"):
            return row
    return find(session, ModelVersion, name)


def move_stage(context: Context, version: ModelVersion, after: Stage, facts: StageFacts) -> None:
    """Move a version if the stage machine allows it."""
    before = stage_of(context.session, version.id)
    if before != after:
        move = check_move(before, after, facts)
        context.transition("model", version.id, move.after, aspect="stage", reason=move.reason)


def gates_of(session: Session, blobs: Any, version: ModelVersion) -> list[GateOutcome]:
    """The recorded outcomes of a version's gates."""

    report = session.get_one(Report, version.detail["gates"])
    return [GateOutcome.read(item) for item in strict_json(blobs.path(report.blob).read_bytes())]


def metrics_of(run: Run) -> dict[str, float]:
    """A run's figures that are finite numbers."""
    return {name: float(value) for name, value in run.metrics.items() if isinstance(value, int | float)}


@operation("model.archive", "model.register", ArchiveModel)
def archive_model(context: Context, request: ArchiveModel) -> Done:
    """Take a version out of use."""
    version = find_model(context.session, request.model)
    move_stage(context, version, "archived", StageFacts(reason=request.reason))
    return Done(subject=version.id, summary=f"Archived {version.model} v{version.version}: {request.reason}")
