"""Exceptions from a gate: asked for, granted or refused with a signature, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field
from sqlmodel import Session, col, select

from core.contract.exceptions import EXCEPTION_TYPE, GateException
from core.contract.release import GateOutcome
from core.contract.signoffs import same_person
from core.engine.context import Context, Done, state_of
from core.engine.evidence import evidence_outcomes
from core.engine.exceptions import (
    EXCEPTION,
    GRANTED,
    REFUSED,
    REQUESTED,
    REVOKED,
    SIGNED,
    exception_row,
    exception_rows,
    makers_of,
    state_now,
)
from core.engine.find import find
from core.engine.operations.models import find_model
from core.engine.projects import newest_version, read_version
from core.engine.registry import operation
from core.governance.policy import policy_digest
from core.kernel.clock import parse_utc, utc_text
from core.kernel.digests import digest_json, strict_json
from core.kernel.durations import parse_duration
from core.kernel.envelope import key_id_of, sign_statement
from core.kernel.errors import Conflict, InputError, NotFound, Problem, Refused
from core.kernel.records import Record
from core.project.schema import Policy
from core.store.ledger import head
from core.store.tables import Decision, ModelVersion, ProjectVersion, Report, Run


class RequestException(Record):
    """Ask that one rule, which a run's model did not pass, may stand for one release until a day."""

    model: str = Field(description="A run, or a registered version")
    rule: str
    reason: str = Field(min_length=1)
    valid: str = Field(pattern=r"^\d+(s|m|h|d)$", description="For how long, such as 7d")
    environment: Literal["staging", "production"] = "production"


class SignException(Record):
    """Grant or refuse an exception, in one's own name."""

    exception: str
    meaning: Literal["grant", "refuse"]
    comment: str = Field(min_length=1)


class RevokeException(Record):
    """Take an exception back; the gate blocks again."""

    exception: str
    reason: str = Field(min_length=1)


@operation("exception.request", "release.propose", RequestException)
def request_exception(context: Context, request: RequestException) -> Done:
    """Record what is asked for, with what the gate saw. Nothing changes until somebody else signs."""
    session = context.session
    run = run_of(session, request.model)
    gates, policy = _judged(context, run)
    gate = next((one for one in gates if one.rule == request.rule), None)
    if gate is None:
        raise NotFound(f"There is no gate {request.rule!r}", detail="Gates: " + ", ".join(one.rule for one in gates))
    if gate.passed or gate.severity == "warn":
        raise InputError(f"The gate {gate.rule} stops nothing here", where=run.id)
    expires = context.now + timedelta(seconds=parse_duration(request.valid))
    _refuse_beyond(policy, gate.rule, parse_duration(request.valid), request.reason)
    for row in exception_rows(session, run.id):
        same = (row.evidence["gate"]["rule"], row.evidence["environment"]) == (gate.rule, request.environment)
        if same and state_now(session, row, context.now) in (REQUESTED, GRANTED):
            raise Conflict(f"This exception is asked for already as {row.id}", where=row.id)
    made = context.add(
        Decision,
        "exc",
        kind=EXCEPTION,
        subject=run.id,
        verdict=gate.rule,
        policy=policy_digest(policy),
        evidence={
            "project": run.project,
            "environment": request.environment,
            "run": run.id,
            "policy_digest": policy_digest(policy),
            "model": run.artefacts["model"],
            "gate": {name: getattr(gate, name) for name in ("rule", "fact", "op", "expected", "observed")},
            "reason": request.reason.strip(),
            "requested_by_person": context.actor.person,
            "makers": makers_of(session, run),
            "approver_roles": policy.approver_roles,
            "expires_at": utc_text(expires),
        },
    )
    context.transition(EXCEPTION, made.id, REQUESTED, reason=request.reason)
    context.edge(run.id, made.id, "exception asked for")
    summary = (
        f"{gate.rule} for {run.name} in {request.environment}, until {utc_text(expires)[:16]}: waits for a signature"
    )
    return Done(subject=made.id, summary=summary, result={"exception": made.id, "rule": gate.rule, "run": run.id})


@operation("exception.sign", "release.sign", SignException)
def sign_exception(context: Context, request: SignException) -> Done:
    """Grant or refuse, with a signature over all of it. Whoever asked for it or made the model may not."""
    session = context.session
    row = exception_row(session, request.exception)
    state = state_now(session, row, context.now)
    if state != REQUESTED:
        raise Refused(f"Exception {row.id} is {state}; it takes no signature", where=row.id)
    _refuse_own(context, row)
    said, last, key = row.evidence, head(session), context.signing_key()
    statement = GateException(
        exception=row.id,
        project=said["project"],
        environment=said["environment"],
        run=said["run"],
        model=said["model"],
        **said["gate"],
        policy_digest=said["policy_digest"],
        reason=said["reason"],
        requested_by=row.created_by,
        requested_by_person=said["requested_by_person"],
        requested_at=utc_text(row.created_at),
        makers=said["makers"],
        expires_at=said["expires_at"],
        meaning=request.meaning,
        comment=request.comment.strip(),
        signer=context.actor.user,
        signer_name=context.actor.full_name,
        roles=sorted(context.actor.roles),
        key_id=key_id_of(key.public_key().public_bytes_raw()),
        signed_at=utc_text(context.now),
        ledger_head=f"{last.seq}:{last.hash}",
    )
    envelope = sign_statement(EXCEPTION_TYPE, statement.plain(), key)
    context.add(
        Decision,
        "dec",
        kind=SIGNED,
        subject=row.id,
        verdict=request.meaning,
        policy=row.policy,
        evidence={"envelope": envelope.plain()},
    )
    after = GRANTED if request.meaning == "grant" else REFUSED
    context.transition(EXCEPTION, row.id, after, reason=request.comment)
    return Done(
        subject=row.id,
        summary=f"{context.actor.full_name}: {after} {row.verdict} until {said['expires_at'][:16]}",
        result={"exception": row.id, "state": after, "expires_at": said["expires_at"]},
        detail={"envelope": digest_json(envelope.plain())},
    )


@operation("exception.revoke", "release.sign", RevokeException)
def revoke_exception(context: Context, request: RevokeException) -> Done:
    """Take an exception back. A release that rests on it can be neither packaged nor delivered any more."""
    row = exception_row(context.session, request.exception)
    state = state_of(context.session, EXCEPTION, row.id)
    if state not in (REQUESTED, GRANTED):
        raise Refused(f"Exception {row.id} is {state} already", where=row.id)
    context.transition(EXCEPTION, row.id, REVOKED, reason=request.reason)
    return Done(subject=row.id, summary=f"Revoked: {request.reason}", result={"exception": row.id, "state": REVOKED})


def run_of(session: Session, name: str) -> Run:
    """A run by its id, or of a registered version.

    Raises:
        NotFound: when there is neither.
    """
    try:
        return find(session, Run, name)
    except NotFound:
        return session.get_one(Run, find_model(session, name).run)


def _judged(context: Context, run: Run) -> tuple[list[GateOutcome], Policy]:
    """Outcomes of a run's gates, and of its evidence once it is registered, and the policy that they are of.

    That is the policy which the run's model was registered under, and before that the one in force.
    """
    session = context.session
    known = session.exec(select(ModelVersion).where(ModelVersion.run == run.id)).first()
    named = session.get(ProjectVersion, known.detail["project_version"]) if known else None
    policy = read_version(named or newest_version(session, run.project), {}).policy
    query = select(Report).where(Report.kind == "gates", Report.subject == run.id)
    reports = session.exec(query.order_by(col(Report.created_at).desc()))
    report = next((one for one in reports if one.facts["policy"] == policy_digest(policy)), None)
    if report is None:
        raise NotFound(f"Run {run.id} was not judged under the policy in force", remedy="Run `plimsoll run`.")
    body = strict_json(context.workspace.blobs.path(report.blob).read_bytes())
    outcomes = [GateOutcome.read(item) for item in body]
    return outcomes + (evidence_outcomes(session, policy, known, context.now) if known else []), policy


def _refuse_beyond(policy: Policy, rule: str, seconds: float, reason: str) -> None:
    problems = []
    declared = next((one for one in policy.gates if one.id == rule), None)
    if declared is not None and not declared.waivable:
        problems.append(Problem(f"The policy allows no exception from {rule}", remedy="Mend the model or the data."))
    if seconds > parse_duration(policy.longest_exception):
        problems.append(
            Problem("That is longer than the policy allows", expected=f"at most {policy.longest_exception}")
        )
    if not reason.strip():
        problems.append(Problem("An exception needs a reason"))
    if problems:
        raise Refused(f"An exception from {rule} cannot be asked for like this", problems=problems)


def _refuse_own(context: Context, row: Decision) -> None:
    said, actor = row.evidence, context.actor
    problems = []
    parts = (row.created_by, said["requested_by_person"], *said["makers"])
    if any(same_person(who, part) for who in (actor.person, actor.user) for part in parts):
        problems.append(
            Problem(
                f"{actor.name} asked for it or made the model", remedy="Somebody who had no part in it must judge it."
            )
        )
    if not set(actor.roles) & set(said["approver_roles"]):
        problems.append(Problem(f"{actor.name} has no role that may", expected=" or ".join(said["approver_roles"])))
    if parse_utc(said["expires_at"]) <= context.now:
        problems.append(Problem("It would be expired when it is given"))
    if problems:
        raise Refused(f"{actor.name} cannot sign exception {row.id}", where=row.id, problems=problems)
