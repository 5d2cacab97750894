"""Exceptions on record: who asked for which, who signed, and which stand now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session, col, select

from core.contract.exceptions import About, GateException, blocking, exception_problem, standing
from core.contract.release import Dossier, GateOutcome, TrustedKey, TrustRoot
from core.engine.actors import roles_of
from core.engine.context import state_of
from core.engine.find import find
from core.governance.policy import policy_digest
from core.governance.signoff import trust_root_for
from core.kernel.clock import parse_utc, utc_text
from core.kernel.digests import strict_json
from core.kernel.envelope import Envelope
from core.kernel.errors import NotFound, Problem
from core.project.schema import Policy
from core.store.tables import Decision, Release, Run, Transition, User, UserKey

EXCEPTION, SIGNED = "exception", "exception sign-off"
REQUESTED, GRANTED, REFUSED, REVOKED = "requested", "granted", "refused", "revoked"


def exception_row(session: Session, name: str) -> Decision:
    """An exception by id or its beginning.

    Raises:
        NotFound: when there is none.
    """
    row = find(session, Decision, name)
    if row.kind != EXCEPTION:
        raise NotFound(f"{name!r} is no exception", remedy="List them with `plimsoll policy exceptions`.")
    return row


def exception_rows(session: Session, run: str = "") -> list[Decision]:
    """Exceptions that were asked for, of one run or of all, oldest first."""
    query = select(Decision).where(Decision.kind == EXCEPTION).order_by(col(Decision.created_at))
    return list(session.exec(query.where(Decision.subject == run) if run else query))


def envelope_of(session: Session, exception: str) -> Envelope | None:
    """What was signed of an exception, if anybody signed."""
    row = session.exec(select(Decision).where(Decision.kind == SIGNED, Decision.subject == exception)).first()
    return Envelope.read(row.evidence["envelope"]) if row else None


def granted(session: Session, run: str) -> list[Envelope]:
    """Signed exceptions of a run that nobody revoked, whether or not they have expired."""
    rows = [row for row in exception_rows(session, run) if state_of(session, EXCEPTION, row.id) == GRANTED]
    return [found for row in rows if (found := envelope_of(session, row.id)) is not None]


def exempt(
    session: Session, policy: Policy, about: About, gates: list[GateOutcome], now: datetime
) -> dict[str, Envelope]:
    """For each failed blocking gate, by rule, the exception that lets it stand now."""
    return standing(gates, granted(session, about.run), about, root_of(session, policy, about, now), now)


def about_run(project: str, environment: str, run: str, policy: Policy) -> About:
    """What an exception for a run's model must be about."""
    return About(project=project, environment=environment, run=run, policy_digest=policy_digest(policy))


def release_problems(session: Session, row: Release, now: datetime) -> dict[str, Problem]:
    """Gates, by rule, that stop a release now: an exception of its dossier expired, was revoked, or never counted."""
    dossier = Dossier.read(strict_json(row.dossier), where=row.id)
    valid = {one.fingerprint() for one in granted(session, dossier.run)}
    kept = [one for one in dossier.exceptions if one.fingerprint() in valid]
    root = trust_root_for(dossier, trusted_keys(session), now)
    return blocking(dossier.model_copy(update={"exceptions": kept}), root, now)


def root_of(session: Session, policy: Policy, about: About, now: datetime) -> TrustRoot:
    """Whose signature under an exception this console believes."""
    return TrustRoot(
        version=1,
        project=about.project,
        environment=about.environment,
        approvals=policy.approvals,
        approver_roles=policy.approver_roles,
        keys=trusted_keys(session),
        console_key="",
        issued_at=utc_text(now),
    )


def state_now(session: Session, row: Decision, now: datetime) -> str:
    """``requested``, ``granted``, ``refused``, ``revoked`` or, of the first two, ``expired``."""
    state = state_of(session, EXCEPTION, row.id) or REQUESTED
    over = parse_utc(row.evidence["expires_at"]) <= now
    return "expired" if over and state in (REQUESTED, GRANTED) else state


def makers_of(session: Session, run: Run) -> list[str]:
    """Persons who made a run's model."""
    user = session.get(User, run.created_by)
    return [user.person] if user else []


def trusted_keys(session: Session) -> list[TrustedKey]:
    """All keys of all users with the roles that they hold now, and when a key was revoked."""
    out = []
    for key in session.exec(select(UserKey).order_by(col(UserKey.created_at))):
        user = session.get_one(User, key.user)
        revoked = session.exec(
            select(Transition).where(
                Transition.kind == "key", Transition.subject == key.id, Transition.state == REVOKED
            )
        ).first()
        out.append(
            TrustedKey(
                person=user.person,
                name=user.full_name,
                key_id=key.id,
                public_key=key.public_key,
                roles=roles_of(session, user.id),
                revoked_at=utc_text(revoked.created_at) if revoked else None,
            )
        )
    return out


def view_of(session: Session, row: Decision, names: dict[str, str], now: datetime) -> dict[str, Any]:
    """One exception as people read it."""
    said, envelope = row.evidence, envelope_of(session, row.id)
    statement = GateException.read(envelope.statement()) if envelope else None
    problem = ""
    if envelope is not None and state_of(session, EXCEPTION, row.id) == GRANTED:
        gate = GateOutcome.read({**said["gate"], "severity": "block", "passed": False})
        about = About.read({name: said[name] for name in About.model_fields})
        root = TrustRoot(
            version=1,
            project=about.project,
            environment=about.environment,
            approvals=1,
            approver_roles=said["approver_roles"],
            keys=trusted_keys(session),
            console_key="",
            issued_at=utc_text(now),
        )
        problem = exception_problem(envelope, gate, about, root, now)
    return {
        "exception": row.id,
        "state": state_now(session, row, now),
        "stands": envelope is not None and state_of(session, EXCEPTION, row.id) == GRANTED and not problem,
        "why": problem,
        "model": said["project"],
        "run": row.subject,
        "environment": said["environment"],
        "rule": said["gate"]["rule"],
        "observed": f"{said['gate']['fact']} is {said['gate']['observed']}, not {said['gate']['op']} "
        f"{said['gate']['expected']}",
        "reason": said["reason"],
        "requested_by": names.get(row.created_by, row.created_by),
        "requested_at": row.created_at,
        "signed_by": statement.signer_name if statement else "",
        "comment": statement.comment if statement else "",
        "expires_at": parse_utc(said["expires_at"]).astimezone(UTC),
    }
