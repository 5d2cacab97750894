"""Everything that gates may look at, gathered from what a walk recorded about one candidate."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from core.contract.compatibility import Compatibility, compare_with_contract, compare_with_declared
from core.contract.schema import Contract
from core.engine.online_facts import online_facts
from core.kernel.digests import strict_json
from core.project.schema import Project
from core.store.tables import Edge, ModelVersion, Report, Run
from core.workspace.workspace import Workspace

Fact = float | str | bool
MEASURED = ("onnx.", "inference.")  # figures of a run that say something of the packaged model


def gathered(
    evaluation: dict[str, Any], metrics: dict[str, Any], validations: list[dict[str, Any]], leakage: dict[str, Any]
) -> dict[str, Fact]:
    """Facts of the reports that every candidate has, and of the run's own figures."""
    checks = [made.get("facts") or {} for made in validations]
    caught = (leakage.get("facts") or {}).get("caught", [])
    return {
        **evaluation,
        "validation.passed": all(made["passed"] is not False for made in validations),
        "validation.failed": float(sum(one.get("failed", 0) for one in checks)),
        "validation.warned": float(sum(one.get("warned", 0) for one in checks)),
        "leakage.passed": bool(leakage["passed"]),
        "leakage.caught": float(len(caught)),
        **{name: value for name, value in metrics.items() if name.startswith(MEASURED)},
    }


def surrounding(
    workspace: Workspace,
    session: Session,
    project: Project,
    contract: str,
    champion: ModelVersion | None,
    now: datetime,
) -> dict[str, Fact]:
    """Facts of what the candidate would meet: its callers, and the online stores."""
    found = compatibility(workspace, project, contract, champion)
    return {**found.facts(), **online_facts(session, project, now)}


def compatibility(
    workspace: Workspace, project: Project, contract: str, champion: ModelVersion | None
) -> Compatibility:
    """The candidate's contract against the declared one, else the champion's; without both nothing can break."""
    new = read_contract(workspace, contract)
    if project.request:
        return compare_with_declared(project.request, new)
    if champion is None:
        return Compatibility(baseline="none")
    return compare_with_contract(
        read_contract(workspace, champion.contract), new, f"{champion.model} v{champion.version}"
    )


def read_contract(workspace: Workspace, digest: str) -> Contract:
    """A contract that is kept as a blob."""
    return Contract.read(strict_json(workspace.blobs.path(digest).read_bytes()), where=digest)


def priced(facts: dict[str, Fact], project: Project) -> dict[str, Fact]:
    """The same with what a million answers cost, where the policy states a rate: one row at a time on one core."""
    rate = project.policy.cost_per_cpu_hour
    took = facts.get("inference.request_p50_us", facts.get("inference.p50_us"))
    if rate is None or not isinstance(took, float | int):
        return facts
    return {**facts, "inference.cost_per_million": float(took) / 3600 * rate}


def recorded_facts(session: Session, run: Run) -> dict[str, Any] | None:
    """The facts that the gates of a run were judged by; none when it was not evaluated.

    Gates of an earlier version kept no facts: these are gathered from the reports again.
    """
    judged = _newest(session, "gates", run.id)
    if judged is not None and "facts" in judged.facts:
        kept: dict[str, Any] = judged.facts["facts"]
        return kept
    evaluation = _newest(session, "evaluation", run.id)
    if evaluation is None:
        return None
    training_set = str(run.inputs["training_set"])
    leakage = _newest(session, "leakage", training_set)
    tables = session.exec(select(Edge).where(Edge.result == training_set, Edge.role == "features")).all()
    checked = [found for edge in tables if (found := _newest(session, "validation", edge.source))]
    validations = [{"passed": item.passed, "facts": item.facts} for item in checked]
    leaks = {"passed": leakage.passed if leakage else False, "facts": leakage.facts if leakage else {}}
    return gathered(dict(evaluation.facts), run.metrics, validations, leaks)


def _newest(session: Session, kind: str, subject: str) -> Report | None:
    query = select(Report).where(Report.kind == kind, Report.subject == subject)
    return session.exec(query.order_by(col(Report.created_at).desc())).first()
