"""The policy in force, what another one would change, and how recorded runs would fare under it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from core.engine.find import find
from core.engine.projects import newest_version, read_version
from core.engine.questions.training import newest_report
from core.engine.registry import question
from core.evaluation.gates import apply_gates, blocked
from core.governance.policy import compare_policies, policy_digest
from core.kernel.errors import NotFound
from core.project.load import load_project
from core.project.schema import Policy
from core.store.tables import Edge, ProjectVersion, Run

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("policy")
def policy(engine: Engine) -> dict[str, Any]:
    """The policy of the project that was loaded last, with its digest."""
    with engine.workspace.database.reading() as session:
        version = newest_version(session)
        found = read_version(version, {}).policy
    return {"project": version.name, "version_of_project": version.id, "digest": policy_digest(found), **found.plain()}


@question("policy_diff")
def policy_diff(engine: Engine, a: str, b: str) -> dict[str, Any]:
    """What changes from ``a`` to ``b``: each a project's file or folder, ``current``, or a stored version's id."""
    with engine.workspace.database.reading() as session:
        old, new = _policy(session, a), _policy(session, b)
    change = compare_policies(old, new)
    return {"from": policy_digest(old), "to": policy_digest(new), **change.plain()}


@question("policy_test")
def policy_test(engine: Engine, file: str) -> list[dict[str, Any]]:
    """Every evaluated run under the policy of ``file``: verdict, and the rules that would stop it."""
    wanted = load_project(Path(file)).project.policy
    out = []
    with engine.workspace.database.reading() as session:
        for run in session.exec(select(Run).order_by(col(Run.created_at).desc())):
            facts = recorded_facts(session, run)
            if facts is None:
                continue
            outcomes = apply_gates(wanted, facts)
            out.append(
                {
                    "run": run.id,
                    "name": run.name,
                    "verdict": "blocked" if blocked(outcomes) else "passed",
                    "not_passed": [f"{item.rule} ({item.observed})" for item in outcomes if not item.passed],
                    "gates": [item.plain() for item in outcomes],
                }
            )
    return out


def recorded_facts(session: Session, run: Run) -> dict[str, Any] | None:
    """The facts that the gates of a run were judged by; none when it was not evaluated."""
    evaluation = newest_report(session, "evaluation", run.id)
    if evaluation is None:
        return None
    facts = dict(evaluation.facts)
    training_set = str(run.inputs["training_set"])
    leakage = newest_report(session, "leakage", training_set)
    tables = session.exec(select(Edge).where(Edge.result == training_set, Edge.role == "features")).all()
    checked = [found for edge in tables if (found := newest_report(session, "validation", edge.source))]
    if leakage is not None:
        facts["leakage.passed"] = bool(leakage.passed)
    if checked:
        facts["validation.passed"] = all(item.passed is not False for item in checked)
    figures = {name: value for name, value in run.metrics.items() if name.startswith(("onnx.", "inference."))}
    return {**facts, **figures}


def _policy(session: Session, name: str) -> Policy:
    if name == "current":
        return read_version(newest_version(session), {}).policy
    if Path(name).exists():
        return load_project(Path(name)).project.policy
    try:
        return read_version(find(session, ProjectVersion, name), {}).policy
    except NotFound as error:
        raise NotFound(
            f"{name!r} is neither a project's file nor a stored version of one",
            remedy="Give the path of a plimsoll.yaml, `current`, or a version's id.",
        ) from error
