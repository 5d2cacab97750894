"""The policy in force, what another one would change, and how recorded runs would fare under it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.context import state_of
from core.engine.evidence import evidence_outcomes
from core.engine.exceptions import exception_rows, view_of
from core.engine.find import find
from core.engine.gate_facts import priced, recorded_facts
from core.engine.operations.exceptions import run_of
from core.engine.projects import newest_version, read_version
from core.engine.questions.training import newest_report, user_names
from core.engine.registry import question
from core.evaluation.gates import apply_gates, blocked, kind_of, text_of
from core.governance.policy import compare_policies, policy_digest
from core.kernel.errors import NotFound
from core.project.fact_names import FACTS
from core.project.load import load_project
from core.project.schema import Policy
from core.store.tables import ModelVersion, ProjectVersion, Release, Run

if TYPE_CHECKING:
    from core.engine.engine import Engine

EXCEPTIONS: dict[str, Any] = {
    "exception": pl.String,
    "state": pl.String,
    "stands": pl.Boolean,
    "why": pl.String,
    "model": pl.String,
    "run": pl.String,
    "environment": pl.String,
    "rule": pl.String,
    "observed": pl.String,
    "reason": pl.String,
    "requested_by": pl.String,
    "requested_at": pl.Datetime("us", "UTC"),
    "signed_by": pl.String,
    "comment": pl.String,
    "expires_at": pl.Datetime("us", "UTC"),
}


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
    """Every judged run under the policy of ``file``: its release, what its gates said then, and what they would say."""
    project = load_project(Path(file)).project
    out = []
    with engine.workspace.database.reading() as session:
        releases = _releases(session)
        for run in session.exec(select(Run).order_by(col(Run.created_at).desc())):
            facts = recorded_facts(session, run)
            if facts is None:
                continue
            outcomes = apply_gates(project.policy, priced(facts, project))
            known = session.exec(select(ModelVersion).where(ModelVersion.run == run.id)).first()
            if known is not None:
                outcomes += evidence_outcomes(session, project.policy, known, engine.workspace.clock.now())
            before = newest_report(session, "gates", run.id)
            out.append(
                {
                    "run": run.id,
                    "name": run.name,
                    "releases": releases.get(run.id, []),
                    "was": "" if before is None else "passed" if before.passed else "blocked",
                    "verdict": "blocked" if blocked(outcomes) else "passed",
                    "not_passed": [f"{item.rule} ({item.observed})" for item in outcomes if not item.passed],
                    "gates": [item.plain() for item in outcomes],
                }
            )
    return out


def _releases(session: Session) -> dict[str, list[str]]:
    """Releases of each run, with their states."""
    out: dict[str, list[str]] = {}
    runs = {row.id: row.run for row in session.exec(select(ModelVersion))}
    for row in session.exec(select(Release).order_by(col(Release.created_at))):
        state = state_of(session, "release", row.id) or ""
        out.setdefault(runs[row.model_version], []).append(f"{row.id} {state}".strip())
    return out


@question("policy_facts")
def policy_facts(engine: Engine, model: str = "") -> pl.DataFrame:
    """Facts that gates may name; with a run or model those that are recorded of it, with their values."""
    values: dict[str, Any] = {}
    if model:
        with engine.workspace.database.reading() as session:
            values = recorded_facts(session, run_of(session, model)) or {}
    names = values if model else FACTS
    rows = [
        (
            name,
            FACTS[name].kind if name in FACTS else kind_of(values[name]),
            text_of(values[name]) if name in values else "",
            FACTS[name].about if name in FACTS else "",
        )
        for name in sorted(names)
    ]
    return pl.DataFrame(rows, schema=["fact", "kind", "value", "about"], orient="row")


@question("exceptions")
def exceptions(engine: Engine, model: str = "") -> pl.DataFrame:
    """Exceptions from gates, the newest first: asked for, granted, refused, revoked, expired."""
    with engine.workspace.database.reading() as session:
        now, names = engine.workspace.clock.now(), user_names(session)
        rows = [view_of(session, row, names, now) for row in reversed(exception_rows(session))]
    return pl.DataFrame([row for row in rows if model in ("", row["model"])], schema=EXCEPTIONS)


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
