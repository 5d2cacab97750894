"""What governance is told and what it answers. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.contract.release import Evidence, GateOutcome
from core.kernel.records import Record
from core.measures.records import Estimate

Stage = Literal["candidate", "staging", "production", "archived", "rejected"]
Parameter = str | float | int | bool | None


class Signer(Record):
    """Who signs, as the console knows them at that moment. ``person`` is the human, ``user`` the account."""

    user: str
    person: str
    name: str
    roles: list[str]


class ReleaseFacts(Record):
    """What a release is made of, for comparing it with the one before."""

    model: str
    version: int
    run: str
    inputs: dict[str, str] = Field(description="Name of each input (snapshot, schema, code) to its digest or id")
    features: list[str] = Field(default_factory=list)
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    policy_digest: str = ""


class PreviousRelease(Record):
    """The release that this one would replace."""

    release: str
    facts: ReleaseFacts


class StageFacts(Record):
    """What is established about a version when somebody wants to move it."""

    gates_passed: bool = False
    approved: bool = False
    content_unchanged: bool = False
    was_in_production: bool = False
    reason: str = ""


class StageMove(Record):
    """A move that was found legal."""

    before: Stage
    after: Stage
    reason: str


class PolicyChange(Record):
    """How one policy differs from another; ``weaker`` lists what it no longer demands."""

    lines: list[str]
    weaker: list[str]
    problems: list[str] = Field(default_factory=list)


class AuditFact(Record):
    """One line of an answer: what it is, its value, and the digest or ledger entry that proves it."""

    label: str
    value: str
    proof: str = ""


class AuditSection(Record):
    """One question of an auditor with its answer. ``missing`` says what is not on record."""

    question: str
    answer: str
    facts: list[AuditFact]
    missing: list[str] = Field(default_factory=list)


class AuditAnswer(Record):
    """The five questions about one version, answered from recorded facts."""

    model: str
    version: int
    release: str
    as_of: str
    sections: list[AuditSection]

    @property
    def complete(self) -> bool:
        """Nothing that an auditor would ask for is missing."""
        return not any(section.missing for section in self.sections)


class AuditSnapshot(Record):
    """A data snapshot that the model was trained or tested on."""

    table: str
    snapshot: str
    digest: str
    rows: int
    ingested_at: str
    schema_digest: str
    validation: str = ""


class AuditFeature(Record):
    """A feature of the model with the expression that makes it."""

    name: str
    origin: str
    expression: str
    definition_digest: str = ""


class AuditApproval(Record):
    """A sign-off as it was given."""

    name: str
    person: str
    meaning: Literal["approve", "reject"]
    signed_at: str
    comment: str
    key_id: str
    ledger_seq: int | None = None
    counts: bool = True
    reason: str = ""


class AuditFacts(Record):
    """Everything that the five answers need; empty where nothing is on record."""

    model: str
    version: int
    release: str
    as_of: str
    run: str = ""
    snapshots: list[AuditSnapshot] = Field(default_factory=list)
    contract_version: str = ""
    features: list[AuditFeature] = Field(default_factory=list)
    evidence: list[Evidence] = Field(default_factory=list)
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    gates: list[GateOutcome] = Field(default_factory=list)
    policy: str = ""
    policy_digest: str = ""
    approvals_needed: int = 0
    approvals: list[AuditApproval] = Field(default_factory=list)
    previous: str | None = None
    changes: list[str] = Field(default_factory=list)


class CardSlice(Record):
    """A slice of the evaluation for the card."""

    name: str
    rows: int
    error_rate: float
    auc: Estimate | None = None
    stands_out: bool = False


class CardGroup(Record):
    """A group of the fairness table."""

    group: str
    rows: int
    base_rate: float
    selection_rate: float
    tpr: float | None
    fpr: float | None


class CardFacts(Record):
    """The facts of a model card (Mitchell et al. 2019): all generated, none typed in."""

    title: str
    model: str
    version: int
    stage: Stage
    trainer: str
    run: str
    trained_at: str
    description: str = ""
    label: str = ""
    periods: dict[str, str] = Field(default_factory=dict, description="train, validate, test to 'from .. to'")
    data: list[AuditSnapshot] = Field(default_factory=list)
    features: list[AuditFeature] = Field(default_factory=list)
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    threshold: float | None = None
    slices: list[CardSlice] = Field(default_factory=list)
    fairness_feature: str = ""
    fairness: list[CardGroup] = Field(default_factory=list)
    gates: list[GateOutcome] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    personal: list[str] = Field(default_factory=list)
