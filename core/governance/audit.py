"""The five questions that an auditor asks of any version, answered from recorded facts alone.

What is not on record is said to be missing, never left out (EU AI Act, Annex IV headings; SR 26-2).
"""

from __future__ import annotations

from collections.abc import Sequence

from core.governance.markdown import plain
from core.governance.records import (
    AuditAnswer,
    AuditApproval,
    AuditFact,
    AuditFacts,
    AuditSection,
)
from core.measures.records import Estimate


def audit_answer(facts: AuditFacts) -> AuditAnswer:
    """Which data, which features, which evaluation, who approved, what changed: one section each."""
    return AuditAnswer(
        model=facts.model,
        version=facts.version,
        release=facts.release,
        as_of=facts.as_of,
        sections=[_data(facts), _features(facts), _evaluation(facts), _approvals(facts), _changes(facts)],
    )


def audit_markdown(answer: AuditAnswer) -> str:
    """The answer as a page; recorded text is escaped."""
    lines = [f"# Audit of {plain(answer.model)} version {answer.version}", ""]
    lines += [f"Release {plain(answer.release)}, as of {plain(answer.as_of)}.", ""]
    for section in answer.sections:
        lines += [f"## {plain(section.question)}", "", plain(section.answer), ""]
        lines += [f"- {plain(fact.label)}: {plain(fact.value)}{_proof(fact)}" for fact in section.facts]
        lines += [f"- **Not provided:** {plain(text)}" for text in section.missing]
        lines.append("")
    return "\n".join(lines)


def _proof(fact: AuditFact) -> str:
    return f" ({plain(fact.proof)})" if fact.proof else ""


def _section(question: str, answer: str, facts: list[AuditFact], missing: Sequence[str]) -> AuditSection:
    return AuditSection(question=question, answer=answer, facts=facts, missing=[text for text in missing if text])


def _data(facts: AuditFacts) -> AuditSection:
    shown = []
    for item in facts.snapshots:
        value = f"snapshot {item.snapshot}, {item.rows:,} rows, ingested {item.ingested_at}"
        shown.append(AuditFact(label=item.table, value=value, proof=item.digest))
        shown.append(
            AuditFact(label=f"{item.table}, schema", value="as recorded at ingestion", proof=item.schema_digest)
        )
        if item.validation:
            shown.append(AuditFact(label=f"{item.table}, validation", value=item.validation))
    unchecked = [item.table for item in facts.snapshots if not item.validation]
    rows = sum(item.rows for item in facts.snapshots)
    return _section(
        "Which data and schema was it trained on?",
        f"{len(facts.snapshots)} snapshots with {rows:,} rows; contract version {facts.contract_version or 'unknown'}.",
        shown,
        (
            "" if facts.snapshots else "no data snapshot is recorded",
            "" if facts.contract_version else "no contract version is recorded",
            f"no validation report for {', '.join(unchecked)}" if unchecked else "",
        ),
    )


def _features(facts: AuditFacts) -> AuditSection:
    shown = [
        AuditFact(label=item.name, value=f"{item.origin}: {item.expression}", proof=item.definition_digest)
        for item in facts.features
    ]
    return _section(
        "Which features does it use?",
        f"{len(facts.features)} features.",
        shown,
        ("" if facts.features else "no features are recorded",),
    )


def _evaluation(facts: AuditFacts) -> AuditSection:
    shown = [AuditFact(label=name, value=interval(value)) for name, value in sorted(facts.metrics.items())]
    shown += [
        AuditFact(label=f"{item.kind} {item.id}", value=item.summary, proof=item.digest) for item in facts.evidence
    ]
    shown += [
        AuditFact(
            label=f"gate {gate.rule}", value=f"{'passed' if gate.passed else 'FAILED'}: {gate.observed}", proof=""
        )
        for gate in facts.gates
    ]
    failed = [gate.rule for gate in facts.gates if not gate.passed]
    gates = f"{len(facts.gates) - len(failed)} of {len(facts.gates)} gates passed"
    return _section(
        "Which evaluation justified it?",
        f"{len(facts.evidence)} reports; {gates} under policy {facts.policy or 'unknown'}.",
        shown,
        (
            "" if facts.evidence else "no evaluation report is recorded",
            "" if facts.gates else "no gate decision is recorded",
            "" if facts.policy_digest else "no policy is recorded",
        ),
    )


def _approvals(facts: AuditFacts) -> AuditSection:
    good = sorted({item.person for item in facts.approvals if item.counts and item.meaning == "approve"})
    shown = [AuditFact(label=item.name, value=_given(item), proof=_entry(item)) for item in facts.approvals]
    wanted = max(facts.approvals_needed, 1)
    people = f"{len(good)} people approved, {wanted} {'is' if wanted == 1 else 'are'} needed."
    return _section(
        "Who approved it, and when?",
        people,
        shown,
        ("" if len(good) >= wanted else f"{wanted - len(good)} approvals",),
    )


def _given(item: AuditApproval) -> str:
    comment = f", “{item.comment}”" if item.comment else ""
    ignored = "" if item.counts else f" — not counted: {item.reason}"
    return f"{item.meaning} at {item.signed_at}{comment}{ignored}"


def _entry(item: AuditApproval) -> str:
    entry = f", ledger entry {item.ledger_seq}" if item.ledger_seq is not None else ""
    return f"{item.key_id}{entry}"


def _changes(facts: AuditFacts) -> AuditSection:
    before = f"Compared with release {facts.previous}." if facts.previous else "It is the first release."
    shown = [AuditFact(label=f"change {number}", value=text) for number, text in enumerate(facts.changes, start=1)]
    return _section(
        "What changed since the model before?",
        before,
        shown,
        ("" if facts.changes else "no comparison is recorded",),
    )


def interval(estimate: Estimate) -> str:
    """``0.7412 (95 % 0.7380 to 0.7444)``."""
    text = f"{estimate.value:.4f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({estimate.confidence:.0%} {estimate.low:.4f} to {estimate.high:.4f})".replace("%", " %")
