"""Freezing a release: everything people sign, and in plain words what changed since the release before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from core.contract.release import Dossier, Evidence, GateOutcome
from core.governance.policy import policy_digest
from core.governance.records import Parameter, PreviousRelease, ReleaseFacts
from core.kernel.clock import utc_text
from core.kernel.envelope import Envelope
from core.kernel.errors import Problem, Refused
from core.project.schema import Policy

INTERVAL_ENDS = (".low", ".high")


def build_dossier(
    *,
    release: str,
    project: str,
    environment: Literal["staging", "production"],
    facts: ReleaseFacts,
    payload: str,
    author: str,
    author_person: str,
    proposed_at: datetime,
    gates: Sequence[GateOutcome],
    evidence: Sequence[Evidence],
    policy: Policy,
    makers: Sequence[str] = (),
    previous: PreviousRelease | None = None,
    exceptions: Mapping[str, Envelope] | None = None,
    demands_less: Sequence[str] = (),
) -> Dossier:
    """The dossier of a release.

    ``makers`` are the persons who trained or prepared it; with the author they may not approve. ``exceptions`` are
    the signed ones, by rule, that let failed gates stand now; ``demands_less`` says in what the policy is weaker
    than that of the release before.

    Raises:
        Refused: when a blocking gate failed, a gate of the policy was not decided, or nothing
            supports the release: all reasons at once.
    """
    exceptions = exceptions or {}
    problems = _refusals(policy, gates, evidence, exceptions)
    if problems:
        raise Refused(f"{facts.model} version {facts.version} cannot be proposed", where=release, problems=problems)
    digest = policy_digest(policy)
    return Dossier(
        release=release,
        project=project,
        model=facts.model,
        version=facts.version,
        environment=environment,
        run=facts.run,
        author=author,
        author_person=author_person,
        proposed_at=utc_text(proposed_at),
        payload=payload,
        inputs=dict(sorted(facts.inputs.items())),
        metrics=dict(sorted(facts.metrics.items())),
        gates=list(gates),
        evidence=sorted(evidence, key=lambda item: (item.kind, item.id)),
        policy=f"{policy.name} v{policy.version}",
        policy_digest=digest,
        approvals_needed=policy.approvals,
        approver_roles=policy.approver_roles,
        previous=previous.release if previous else None,
        changes=[
            *changes_since(previous, facts.model_copy(update={"policy_digest": digest})),
            *(f"The policy demands less than before: {line}" for line in demands_less),
        ],
        makers=sorted(set(makers)),
        exceptions=[exceptions[rule] for rule in sorted(exceptions)],
    )


def _refusals(
    policy: Policy, gates: Sequence[GateOutcome], evidence: Sequence[Evidence], exceptions: Mapping[str, Envelope]
) -> list[Problem]:
    decided = {gate.rule: gate for gate in gates}
    found = [
        Problem(f"The gate {rule.id} was not decided", remedy="Run the gates on this version.")
        for rule in policy.gates
        if rule.id not in decided
    ]
    found += [
        Problem(f"The gate {gate.rule} blocks it: {gate.fact} is {gate.observed}", expected=gate.expected)
        for gate in gates
        if gate.severity == "block" and not gate.passed and gate.rule not in exceptions
    ]
    if not evidence:
        found.append(Problem("No evidence supports it", remedy="Evaluate the version first."))
    return found


def changes_since(previous: PreviousRelease | None, facts: ReleaseFacts) -> list[str]:
    """What changed, one plain sentence each; says so when nothing did."""
    if previous is None:
        return ["First release: there is nothing to compare it with"]
    old = previous.facts
    lines = _inputs(old.inputs, facts.inputs)
    lines += _features(old.features, facts.features)
    lines += _parameters(old.parameters, facts.parameters)
    lines += _metrics(old.metrics, facts.metrics)
    if old.policy_digest and old.policy_digest != facts.policy_digest:
        lines.append("The policy is another one")
    return lines or [f"Nothing that is recorded differs from {previous.release}"]


def _inputs(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    lines = [f"New input {name}: {_short(new[name])}" for name in sorted(new.keys() - old.keys())]
    lines += [f"Input {name} is no longer used" for name in sorted(old.keys() - new.keys())]
    return lines + [
        f"Input {name} changed from {_short(old[name])} to {_short(new[name])}"
        for name in sorted(old.keys() & new.keys())
        if old[name] != new[name]
    ]


def _features(old: Sequence[str], new: Sequence[str]) -> list[str]:
    lines = [f"Feature added: {name}" for name in new if name not in old]
    lines += [f"Feature removed: {name}" for name in old if name not in new]
    if not lines and list(old) != list(new):
        lines.append("The order of the features changed")
    return lines


def _parameters(old: Mapping[str, Parameter], new: Mapping[str, Parameter]) -> list[str]:
    return [
        f"Parameter {name} changed from {_shown(old, name)} to {_shown(new, name)}"
        for name in sorted(old.keys() | new.keys())
        if name not in old or name not in new or old[name] != new[name]
    ]


def _metrics(old: Mapping[str, float], new: Mapping[str, float]) -> list[str]:
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if name.endswith(INTERVAL_ENDS):  # the ends of an interval move with its middle: noise to a reader
            continue
        if name not in old or name not in new:
            lines.append(f"Metric {name} is {'new' if name in new else 'no longer reported'}")
        elif old[name] != new[name]:
            change = new[name] - old[name]
            lines.append(f"Metric {name} went from {old[name]:.4g} to {new[name]:.4g} ({change:+.2g})")
    return lines


def _shown(values: Mapping[str, Parameter], name: str) -> str:
    return f"{values[name]}" if name in values else "not set"


def _short(text: str) -> str:
    return text[:15] + "…" if text.startswith("b3:") and len(text) > 15 else text
