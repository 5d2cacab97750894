"""The pipeline of a project: from sources to registered candidates that wait for people."""

from __future__ import annotations

import json
from typing import Any

from core.engine.ingestion import ASKED, plan_ingest
from core.engine.operations.files import files_step
from core.engine.operations.models import best_candidate, champion_of, gate_candidate, next_version, register_best
from core.engine.pasts import collect_past
from core.engine.privacy import masked_columns, protected
from core.engine.python_steps import python_step
from core.engine.seeds import seeds_of
from core.engine.steps import NOTED, Planner, Step, code_digest
from core.kernel.clock import utc_text
from core.kernel.digests import digest_json
from core.kernel.errors import AnswerIsNo, NotFound, Problem, SystemFault
from core.project.candidates import Candidate
from core.project.schema import Drift, Evaluation, Policy, Project, Source
from core.project.uses import names_in
from core.store.tables import Run

FEATURES = "features"


def steps_of(planner: Planner) -> list[Step]:
    """All steps in an order in which they could run, cut to ``first`` and ``last`` where asked."""
    project = planner.project
    kept = [files_step(name) for name, source in project.sources.items() if source.kind == "files"]
    steps = [_ingest(name, source) for name, source in project.sources.items() if source.kind != "files"]
    sources = tuple(step.name for step in steps)
    steps += [_table(name, sources) for name, table in project.tables.items() if table.python is None]
    steps += [python_step(name, table.python, steps) for name, table in project.tables.items() if table.python]
    tables = tuple(step.name for step in steps)
    steps += [_profile(step.split(":", 1)[1], step) for step in tables]
    steps += [_personal(step.split(":", 1)[1], step) for step in tables]
    steps += [_validate(name, tables) for name in project.suites]
    checked = tuple(step.name for step in steps)
    steps += [
        Step(FEATURES, "Build point-in-time features", "features.build", checked, plan=_plan_features),
        Step("leakage", "Test for leaks", "features.leakage", (FEATURES,), plan=_plan_leakage),
    ]
    for name in project.training.candidates:
        steps += _candidate(name)
    gated = tuple(f"gates:{name}" for name in project.training.candidates)
    steps += [
        Step("payload", "Build the best candidate's payload", "delivery.payload", gated, plan=_plan_payload),
        Step(
            "register",
            "Register the candidate",
            "model.register",
            ("payload",),
            act=register_best,
            permission="model.register",
        ),
    ]
    return _cut([*kept, *steps], planner.options)


def _cut(steps: list[Step], options: dict[str, Any]) -> list[Step]:
    last = options.get("last") or ""
    if not last:
        return steps
    by_name = {step.name: step for step in steps}
    if last not in by_name:
        raise NotFound(f"The pipeline has no step {last!r}", detail="Steps: " + ", ".join(by_name))
    wanted, todo = set[str](), [last]
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo.extend(by_name[name].needs)
    return [step for step in steps if step.name in wanted]


def _ingest(name: str, source: Source) -> Step:
    def plan(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        return plan_ingest(planner, name)

    return Step(f"ingest:{name}", f"Ingest {name}", "data.ingest", plan=plan, asks=source.kind in ASKED)


def _table(name: str, needs: tuple[str, ...]) -> Step:
    def plan(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        named = names_in(planner.project.tables[name].sql)
        made = {step: planner.outputs[step] for step in needs if step.split(":", 1)[1] in named}
        inputs = {f"table:{step.split(':', 1)[1]}": str(output["blob"]) for step, output in made.items()}
        params = {
            "name": name,
            "table": planner.project.tables[name].plain(),
            "snapshots": [output["snapshot"] for output in made.values()],
        }
        return params, inputs

    return Step(f"table:{name}", f"Derive {name}", "data.table", needs, plan=plan)


def _profile(name: str, made_by: str) -> Step:
    def plan(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        output = _table_output(planner, name)
        source = _protected(planner).sources.get(name)  # with what a person confirmed
        personal = source.personal if source else []
        params = {"name": name, "subject": output["snapshot"], "personal": personal}
        return params, {"table": str(output["blob"])}

    step = f"profile:{name}"
    return Step(step, f"Profile {name}", "data.profile", (made_by,), plan=plan)


def _personal(name: str, made_by: str) -> Step:
    def plan(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        output = _table_output(planner, name)
        source = planner.project.sources.get(name)
        params = {"name": name, "subject": output["snapshot"], "quasi": source.quasi if source else []}
        return params, {"table": str(output["blob"])}

    return Step(f"personal:{name}", f"Look for personal data in {name}", "data.personal", (made_by,), plan=plan)


def _validate(name: str, needs: tuple[str, ...]) -> Step:
    def plan(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        project = planner.project
        output = _table_output(planner, name)
        source = project.sources.get(name)
        params = {
            "name": name,
            "subject": output["snapshot"],
            "suite": project.suites[name].plain(),
            "key": source.key if source else project.events.key,
            "personal": _masked(planner, name),
            "past": collect_past(planner.workspace, name, project.suites[name].checks, output["snapshot"]),
        }
        asked = {check.table for check in project.suites[name].checks}
        others = {f"table:{table}": blob for table, blob in planner.tables().items() if table in asked}
        return params, {"self": str(output["blob"]), **others}

    own = (f"ingest:{name}",) if f"ingest:{name}" in needs else needs  # a derived table has the tags of all sources
    looked = tuple(f"personal:{step.split(':', 1)[1]}" for step in own)
    return Step(f"validate:{name}", f"Validate {name}", "data.validate", (*needs, *looked), plan=plan)


def _masked(planner: Planner, name: str) -> list[str]:
    with planner.workspace.database.reading() as session:
        return masked_columns(session, planner.project, name)


def _protected(planner: Planner) -> Project:
    with planner.workspace.database.reading() as session:
        return protected(session, planner.project)


def _table_output(planner: Planner, name: str) -> dict[str, Any]:
    for kind in ("ingest", "table"):
        if f"{kind}:{name}" in planner.outputs:
            return planner.outputs[f"{kind}:{name}"]
    raise SystemFault(f"Table {name} was not made")


def project_params(project: Project) -> dict[str, Any]:
    """What features and leak tests depend on: a change of words, suites, policy, models or seed rebuilds nothing.

    Else a policy's next version would train every model again, and another seed would not be on the same rows.
    """
    seed = type(project.training).model_fields["seed"].default
    training = {"candidates": {}, "search": {}, "seed": seed, "rates": None}
    lean = project.model_copy(
        update={
            "suites": {},
            "retention": {},
            "labelling": None,
            "request": {},
            "training": project.training.model_copy(update=training),
            "policy": Policy(name="any", version=1, gates=[]),
            "title": "",
            "description": "",
            "targets": {},
            "slos": {},
            "evaluation": Evaluation(),
            "drift": Drift(),
            "triggers": [],
        }
    )
    return lean.model_dump(mode="json", by_alias=True)


def feature_tables(planner: Planner) -> dict[str, str]:
    """Blobs of the tables that events and views name: another one that grows makes no feature stale."""
    project = planner.project
    named = names_in(json.dumps([project.events.plain(), project.features.plain()]))
    return {name: blob for name, blob in planner.tables().items() if name in named}


def _plan_features(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
    failed = [
        Problem(str(made["summary"]), where=name, remedy="Mend the data or the suite; see the Data page.")
        for name, made in planner.outputs.items()
        if name.startswith("validate:") and made["passed"] is False
    ]
    if failed:
        raise AnswerIsNo("The data did not pass validation; nothing is built on it", problems=failed)
    tables = feature_tables(planner)
    params = {
        "name": f"{planner.project.project}_features",
        "project": project_params(_protected(planner)),
        "snapshots": [_table_output(planner, name)["snapshot"] for name in sorted(tables)],
    }
    return params, {f"table:{name}": blob for name, blob in tables.items()}


def _plan_leakage(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
    made = planner.outputs[FEATURES]
    params = {
        "name": planner.project.project,
        "subject": made["snapshot"],
        "project": project_params(planner.project),
    }
    inputs = {f"table:{name}": blob for name, blob in feature_tables(planner).items()}
    return params, {**inputs, "training_set": str(made["blob"])}


def train_params(planner: Planner, name: str, candidate: Candidate) -> tuple[dict[str, Any], dict[str, str]]:
    """What a training job is asked, and what it reads."""
    made, project = planner.outputs[FEATURES], planner.project
    params = {
        "name": name,
        "project": str(planner.folder),
        "project_name": project.project,
        "candidate": candidate.plain(),
        "seed": project.training.seed,
        "code": code_digest(("training", "contract")),
        "lineage": {
            "training_set": made["snapshot"],
            "data": made["blob"],
            "contract": made["contract"],
            "features": digest_json(project.features.plain()),
            "label": project.label.fingerprint(),
            "split": digest_json(project.split.model_dump(mode="json", by_alias=True)),
        },
        NOTED: {"project_version": planner.version.id},
    }
    return params, {"training_set": str(made["blob"]), "contract": str(made["contract"])}


def _candidate(name: str) -> list[Step]:
    def plan_train(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        leak = planner.outputs["leakage"]
        if leak["passed"] is False:
            raise AnswerIsNo(
                "The features leak; nothing is trained on them",
                problems=[Problem(text) for text in leak["facts"]["caught"]],
            )
        return train_params(planner, name, planner.project.training.candidates[name])

    def plan_evaluate(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        made = planner.outputs[f"train:{name}"]
        params = {
            "name": name,
            "subject": made["run"],
            "title": f"{planner.project.title} — {name}",
            "evaluation": planner.project.evaluation.plain(),
        }
        inputs = {
            "predictions": str(made["predictions"]),
            "model": str(made["model"]),
            "contract": str(planner.outputs[FEATURES]["contract"]),
            "training_set": str(planner.outputs[FEATURES]["blob"]),
        }
        with planner.workspace.database.reading() as session:
            champion = champion_of(session, planner.project.project)
            seeds = seeds_of(session, made["run"], f"test.{planner.project.primary}")
        if seeds:
            params["seeds"] = seeds
        if champion is not None and champion.run != made["run"]:
            params["champion"] = champion.id
            inputs |= {
                "champion_onnx": champion.onnx,
                "champion_contract": champion.contract,
            }
        return params, inputs

    def act_gates(context: Any, planner: Planner) -> Any:
        return gate_candidate(context, planner, name)

    train, evaluate, gates = f"train:{name}", f"evaluate:{name}", f"gates:{name}"
    return [
        Step(train, f"Train {name}", "training.train", ("leakage",), plan=plan_train),
        Step(evaluate, f"Evaluate {name}", "evaluation.evaluate", (train,), plan=plan_evaluate),
        Step(gates, f"Gates for {name}", "gates.run", (evaluate,), act=act_gates, permission="gates.run"),
    ]


def _plan_payload(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
    name = best_candidate(planner)
    train, evaluation = planner.outputs[f"train:{name}"], planner.outputs[f"evaluate:{name}"]
    made = planner.outputs[FEATURES]
    with planner.workspace.database.reading() as session:
        version = next_version(session, planner.project.project, train["run"])
        run = session.get_one(Run, train["run"])
    params = {
        "name": planner.project.project,
        "version": version,
        "label": planner.project.label.expression,
        "trained_at": utc_text(run.started_at),
        "provenance": {
            "run": run.id,
            "inputs": run.inputs,
            "environment": run.environment,
            "seed": run.seed,
            "settings": run.settings,
        },
        "candidate": name,
        "title": planner.project.title,
        "description": planner.project.description,
        "run": train["run"],
        "threshold": evaluation["threshold"],
        "gates": planner.outputs[f"gates:{name}"]["gates"],
        "data": {"training_set": made["snapshot"], "digest": made["blob"]},
        "split": planner.project.split.model_dump(mode="json", by_alias=True),
    }
    inputs = {
        "model": str(train["model"]),
        "contract": str(made["contract"]),
        "training_set": str(made["blob"]),
        "evaluation": str(evaluation["blob"]),
    }
    return params, inputs
