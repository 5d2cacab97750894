"""What people sign and targets verify: payload manifest, dossier, sign-off, trust root.

These records are read by the console, by the package builder and by the runtime on a target, so
they live in the shared layer.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.kernel.envelope import Envelope
from core.kernel.records import Record

SIGN_OFF_TYPE = "application/vnd.plimsoll.sign-off+json"
TRUST_ROOT_TYPE = "application/vnd.plimsoll.trust-root+json"
COMMAND_TYPE = "application/vnd.plimsoll.target-command+json"


class PayloadFile(Record):
    """One file of a payload; ``path`` is relative, with forward slashes."""

    path: str
    size: int
    digest: str


class PayloadManifest(Record):
    """All files of a payload, sorted by path. Its digest names the whole."""

    files: list[PayloadFile]


class GateOutcome(Record):
    """One gate as it was decided."""

    rule: str
    severity: Literal["block", "warn"]
    passed: bool
    fact: str
    op: str
    expected: str
    observed: str
    why: str = ""


class Evidence(Record):
    """A recorded report that the dossier rests on."""

    kind: str
    id: str
    digest: str
    summary: str


class Dossier(Record):
    """A frozen release. The digest of its canonical form is what people sign."""

    release: str
    project: str
    model: str
    version: int
    environment: Literal["staging", "production"]
    run: str
    author: str
    author_person: str
    proposed_at: str
    payload: str
    inputs: dict[str, str]
    metrics: dict[str, float]
    gates: list[GateOutcome]
    evidence: list[Evidence]
    policy: str
    policy_digest: str
    approvals_needed: int
    approver_roles: list[str]
    previous: str | None
    changes: list[str]
    makers: list[str] = Field(
        default_factory=list, description="Persons who trained or prepared what is released: none of them may approve"
    )
    exceptions: list[Envelope] = Field(
        default_factory=list, description="Signed exceptions that let gates stand which did not pass"
    )


class SignOff(Record):
    """One person's signed word about one dossier (21 CFR 11.50: name, time, meaning)."""

    release: str
    dossier: str
    environment: str
    policy_digest: str
    meaning: Literal["approve", "reject"]
    comment: str
    signer: str
    signer_name: str
    roles: list[str]
    key_id: str
    signed_at: str
    expires_at: str
    ledger_head: str
    evidence_opened: list[str] = Field(default_factory=list)


class TrustedKey(Record):
    """A reviewer's key as a target knows it."""

    person: str
    name: str
    key_id: str
    public_key: str
    roles: list[str]
    revoked_at: str | None = None


class TrustRoot(Record):
    """Whom a target believes, and how many of them it takes."""

    version: int
    project: str
    environment: str
    approvals: int
    approver_roles: list[str]
    keys: list[TrustedKey]
    console_key: str
    issued_at: str
    max_age_days: int = 365


class VerifiedRelease(Record):
    """What a verification established, or why it did not."""

    release: str
    payload: str
    approved_by: list[str]
    problems: list[str]
    dossier: str = ""

    @property
    def ok(self) -> bool:
        return not self.problems
