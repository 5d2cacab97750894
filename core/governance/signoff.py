"""Making a sign-off and adding sign-offs up. The rules for what counts are core.contract.signoffs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.contract.release import SIGN_OFF_TYPE, Dossier, SignOff, TrustedKey, TrustRoot
from core.contract.signoffs import SignOffTally, add_up, is_maker, judge_sign_offs
from core.governance.records import Signer
from core.kernel.clock import parse_utc, utc_text
from core.kernel.envelope import Envelope, key_id_of, sign_statement
from core.kernel.errors import Problem, Refused

CLOCK_TOLERANCE = timedelta(minutes=5)


def make_sign_off(
    dossier: Dossier,
    meaning: Literal["approve", "reject"],
    comment: str,
    signer: Signer,
    key: Ed25519PrivateKey,
    ledger_head: str,
    now: datetime,
    valid_for: timedelta,
    *,
    last_ledger_time: datetime | None = None,
    evidence_opened: Sequence[str] = (),
    exempt: Collection[str] = (),
) -> Envelope:
    """Sign a dossier: release, content digest, environment, policy, meaning, name and time in one statement.

    ``last_ledger_time`` is when the ledger was last written: a clock that stands before it is wrong. ``exempt``
    are gates whose exceptions stand now.

    Raises:
        Refused: with every reason at once.
    """
    problems = sign_off_problems(
        dossier, meaning, comment, signer, now, valid_for, last_ledger_time=last_ledger_time, exempt=exempt
    )
    if problems:
        raise Refused(
            f"{signer.name} cannot {meaning} release {dossier.release}", where=dossier.release, problems=problems
        )
    statement = SignOff(
        release=dossier.release,
        dossier=dossier.fingerprint(),
        environment=dossier.environment,
        policy_digest=dossier.policy_digest,
        meaning=meaning,
        comment=comment.strip(),
        signer=signer.user,
        signer_name=signer.name,
        roles=sorted(signer.roles),
        key_id=key_id_of(key.public_key().public_bytes_raw()),
        signed_at=utc_text(now),
        expires_at=utc_text(now + valid_for),
        ledger_head=ledger_head,
        evidence_opened=sorted(set(evidence_opened)),
    )
    return sign_statement(SIGN_OFF_TYPE, statement.plain(), key)


def sign_off_problems(
    dossier: Dossier,
    meaning: Literal["approve", "reject"],
    comment: str,
    signer: Signer,
    now: datetime,
    valid_for: timedelta,
    *,
    last_ledger_time: datetime | None = None,
    exempt: Collection[str] = (),
) -> list[Problem]:
    """Why this person cannot sign this now; empty when they can. The window asks it to explain its buttons."""
    found = _person_problems(dossier, signer)
    if meaning == "reject" and not comment.strip():
        found.append(Problem("A rejection needs a reason", remedy="Say what must change."))
    if meaning == "approve":
        found += [
            Problem(f"The gate {gate.rule} blocks it: {gate.fact} is {gate.observed}", expected=gate.expected)
            for gate in dossier.gates
            if gate.severity == "block" and not gate.passed and gate.rule not in exempt
        ]
    if valid_for <= timedelta(0):
        found.append(Problem("The sign-off would be expired when it is given", remedy="Correct the policy."))
    return found + _clock_problems(dossier, now, last_ledger_time)


def _person_problems(dossier: Dossier, signer: Signer) -> list[Problem]:
    found = []
    if is_maker(dossier, signer.person, signer.user):
        found.append(
            Problem(
                f"{signer.name} proposed or made this release",
                remedy="Somebody who had no part in it must judge it, whatever account they use.",
            )
        )
    if not set(signer.roles) & set(dossier.approver_roles):
        found.append(
            Problem(
                f"{signer.name} has no role that may sign",
                expected=" or ".join(dossier.approver_roles),
                remedy="Ask an admin to grant one, or ask a reviewer to sign.",
            )
        )
    return found


def _clock_problems(dossier: Dossier, now: datetime, last_ledger_time: datetime | None) -> list[Problem]:
    last = max(filter(None, [parse_utc(dossier.proposed_at), last_ledger_time]))
    if now >= last - CLOCK_TOLERANCE:
        return []
    return [
        Problem(
            f"This machine's clock says {utc_text(now)}, which is before the last recorded event at {utc_text(last)}",
            remedy="Set the clock right, then sign.",
        )
    ]


def tally(
    dossier: Dossier,
    envelopes: Sequence[Envelope],
    keys: Sequence[TrustedKey],
    now: datetime,
    *,
    witnessed: Mapping[str, str] | None = None,
) -> SignOffTally:
    """Who approved, who rejected, what was ignored and why, and whether it is enough.

    ``witnessed``: see :func:`core.contract.signoffs.judge_sign_offs`.
    """
    root = trust_root_for(dossier, keys, now)
    return add_up(dossier, judge_sign_offs(dossier, envelopes, root, now, witnessed=witnessed), root)


def trust_root_for(dossier: Dossier, keys: Sequence[TrustedKey], now: datetime, console_key: str = "") -> TrustRoot:
    """The console's own view of whom a dossier's sign-offs may come from."""
    return TrustRoot(
        version=1,
        project=dossier.project,
        environment=dossier.environment,
        approvals=dossier.approvals_needed,
        approver_roles=dossier.approver_roles,
        keys=list(keys),
        console_key=console_key,
        issued_at=utc_text(now),
    )
