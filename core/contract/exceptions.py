"""Exceptions from a gate: one rule, one release, one reason, until a day; signed by somebody who had no part in it.

The console and the target hold an exception to the same rules. What was observed is in the signed statement, so
that a value that got worse is not covered by an exception that was given for a better one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from core.contract.release import Dossier, GateOutcome, TrustedKey, TrustRoot
from core.contract.signoffs import CLOCK_TOLERANCE, only_key, raw_public_key, same_person
from core.kernel.clock import parse_utc
from core.kernel.envelope import Envelope, verify_statement
from core.kernel.errors import InputError, PlimsollError, Problem
from core.kernel.records import Record

EXCEPTION_TYPE = "application/vnd.plimsoll.gate-exception+json"


class GateException(Record):
    """What somebody signs: that one failed rule may stand for one run's model in one environment, until a day."""

    exception: str
    project: str
    environment: str
    run: str
    model: str = Field(description="Digest of the model's bytes")
    rule: str
    fact: str
    op: str
    expected: str
    observed: str
    policy_digest: str
    reason: str
    requested_by: str
    requested_by_person: str
    requested_at: str
    makers: list[str] = Field(description="Persons who trained what it is about")
    expires_at: str
    meaning: Literal["grant", "refuse"]
    comment: str
    signer: str
    signer_name: str
    roles: list[str]
    key_id: str
    signed_at: str
    ledger_head: str


class About(Record):
    """What an exception must be about in order to count."""

    project: str
    environment: str
    run: str
    policy_digest: str


def about_dossier(dossier: Dossier) -> About:
    """The same, of a release."""
    return About(
        project=dossier.project,
        environment=dossier.environment,
        run=dossier.run,
        policy_digest=dossier.policy_digest,
    )


def read_exception(envelope: Envelope, keys: Sequence[TrustedKey]) -> tuple[GateException, TrustedKey]:
    """The statement and the one trusted key that signed it.

    Raises:
        PlimsollError: another type, malformed, not exactly one signature, an unknown or ambiguous key.
    """
    if len(envelope.signatures) != 1:
        raise InputError("An exception carries exactly one signature")
    named = envelope.signatures[0].key_id
    publics = {key.key_id: raw_public_key(key.public_key) for key in keys if key.key_id == named}
    verify_statement(envelope, EXCEPTION_TYPE, publics)
    key = only_key(named, publics[named], keys)
    said = GateException.read(envelope.statement())
    if said.key_id != key.key_id:
        raise InputError("The exception names another key than the one that signed it")
    return said, key


def exception_problem(envelope: Envelope, outcome: GateOutcome, about: About, root: TrustRoot, now: datetime) -> str:
    """Why an exception does not let a failed gate stand; empty when it does."""
    try:
        said, key = read_exception(envelope, root.keys)
        return _other(said, outcome, about) or _not_theirs(said, key, root) or _not_now(said, key, now)
    except PlimsollError as error:
        return error.headline
    except ValueError:
        return "its times cannot be read"


def standing(
    gates: Iterable[GateOutcome], envelopes: Sequence[Envelope], about: About, root: TrustRoot, now: datetime
) -> dict[str, Envelope]:
    """For each blocking gate that did not pass, by rule, the exception that lets it stand now."""
    out: dict[str, Envelope] = {}
    for gate in gates:
        for envelope in envelopes if gate.severity == "block" and not gate.passed else ():
            if not exception_problem(envelope, gate, about, root, now):
                out[gate.rule] = envelope
    return out


def blocking(dossier: Dossier, root: TrustRoot, now: datetime) -> dict[str, Problem]:
    """Gates of a release, by rule, that stop it now: they did not pass, and no exception lets them stand."""
    about = about_dossier(dossier)
    stands = standing(dossier.gates, dossier.exceptions, about, root, now)
    return {
        gate.rule: Problem(
            f"The gate {gate.rule} blocks it: {gate.fact} is {gate.observed}" + _why(gate, dossier, about, root, now),
            expected=gate.expected,
        )
        for gate in dossier.gates
        if gate.severity == "block" and not gate.passed and gate.rule not in stands
    }


def _why(gate: GateOutcome, dossier: Dossier, about: About, root: TrustRoot, now: datetime) -> str:
    own = [one for one in dossier.exceptions if _rule_of(one) == gate.rule]
    reasons = [exception_problem(one, gate, about, root, now) for one in own]
    return f"; its exception does not count: {'; '.join(reasons)}" if reasons else ""


def _rule_of(envelope: Envelope) -> str:
    try:
        return GateException.read(envelope.statement()).rule
    except PlimsollError:
        return ""


def _other(said: GateException, outcome: GateOutcome, about: About) -> str:
    told = (said.rule, said.fact, said.op, said.expected)
    if told != (outcome.rule, outcome.fact, outcome.op, outcome.expected):
        return f"it was given for {said.rule}: {said.fact} {said.op} {said.expected}"
    if said.observed != outcome.observed:
        return f"it was given when {said.fact} was {said.observed}"
    if (said.project, said.run) != (about.project, about.run):
        return f"it was given for the model of run {said.run}"
    if said.environment != about.environment:
        return f"it was given for {said.environment}"
    return "" if said.policy_digest == about.policy_digest else "it was given under another policy"


def _not_theirs(said: GateException, key: TrustedKey, root: TrustRoot) -> str:
    if said.meaning != "grant":
        return f"{said.signer_name} refused it"
    for who in (key.person, said.signer):
        if any(same_person(who, part) for part in (said.requested_by, said.requested_by_person, *said.makers)):
            return f"{key.name} asked for it or made the model"
    for roles in (key.roles, said.roles):
        if not set(roles) & set(root.approver_roles):
            return f"{key.name} has none of the roles {', '.join(root.approver_roles)}"
    return ""


def _not_now(said: GateException, key: TrustedKey, now: datetime) -> str:
    if parse_utc(said.signed_at) > now + CLOCK_TOLERANCE:
        return f"it claims to be signed in the future, at {said.signed_at}"
    if parse_utc(said.expires_at) <= now:
        return f"it expired at {said.expires_at}"
    return f"the key that signed it was revoked at {key.revoked_at}" if key.revoked_at else ""
