"""Dossiers with readable changes, and policies that cannot be weakened quietly (A42)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.contract.release import Dossier, Evidence, GateOutcome
from core.governance.dossier import build_dossier, changes_since
from core.governance.policy import compare_policies, policy_digest, refuse_weaker
from core.governance.records import PreviousRelease, ReleaseFacts
from core.kernel.digests import digest_bytes
from core.kernel.errors import Refused
from core.project.schema import GateRule, Policy

AUC = GateRule(id="auc_floor", fact="metrics.roc_auc.low", op=">=", value=0.70)
LATENCY = GateRule(id="latency", fact="latency.p99_ms", op="<=", value=50)
POLICY = Policy(name="release", version=3, gates=[AUC, LATENCY])
OLD = ReleaseFacts(
    model="delay",
    version=2,
    run="run-1",
    inputs={"flights": digest_bytes(b"old"), "weather": "snap-1", "planes": "snap-7"},
    features=["month", "carrier", "wind"],
    parameters={"learning_rate": 0.1, "depth": 6},
    metrics={"roc_auc": 0.7401, "brier": 0.15, "old_metric": 1.0},
    policy_digest="b3:old",
)
NEW = ReleaseFacts(
    model="delay",
    version=3,
    run="run-2",
    inputs={"flights": digest_bytes(b"new"), "weather": "snap-1", "airports": "snap-2"},
    features=["month", "carrier", "age"],
    parameters={"learning_rate": 0.05, "depth": 6, "rounds": None},
    metrics={"roc_auc": 0.7512, "brier": 0.15, "new_metric": 2.0},
)
EVIDENCE = [Evidence(kind="evaluation", id="rep-1", digest="b3:1", summary="good")]


def gate(rule: str, passed: bool = True, severity: Any = "block") -> GateOutcome:
    return GateOutcome(
        rule=rule, severity=severity, passed=passed, fact="f", op=">=", expected=">= 0.7", observed="0.6"
    )


def build(**changes: Any) -> Dossier:
    base: dict[str, Any] = {
        "release": "rel-1",
        "project": "flights",
        "environment": "production",
        "facts": NEW,
        "payload": "b3:payload",
        "author": "usr-ana",
        "author_person": "ana",
        "proposed_at": datetime(2013, 11, 1, tzinfo=UTC),
        "gates": [gate("auc_floor"), gate("latency")],
        "evidence": EVIDENCE,
        "policy": POLICY,
        "makers": ["tom", "ana", "tom"],
        "previous": PreviousRelease(release="rel-0", facts=OLD),
    }
    return build_dossier(**(base | changes))


def test_a_dossier_says_what_changed() -> None:
    dossier = build()
    assert dossier.changes == [
        "New input airports: snap-2",
        "Input planes is no longer used",
        f"Input flights changed from {OLD.inputs['flights'][:15]}… to {NEW.inputs['flights'][:15]}…",
        "Feature added: age",
        "Feature removed: wind",
        "Parameter learning_rate changed from 0.1 to 0.05",
        "Parameter rounds changed from not set to None",
        "Metric new_metric is new",
        "Metric old_metric is no longer reported",
        "Metric roc_auc went from 0.7401 to 0.7512 (+0.011)",
        "The policy is another one",
    ]
    assert (dossier.previous, dossier.makers, dossier.approvals_needed) == ("rel-0", ["ana", "tom"], 2)
    assert dossier.policy_digest == policy_digest(POLICY)


def test_first_and_unchanged_releases_say_so() -> None:
    assert "First release" in build(previous=None).changes[0]
    assert changes_since(PreviousRelease(release="rel-0", facts=NEW), NEW) == [
        "Nothing that is recorded differs from rel-0"
    ]
    turned = NEW.model_copy(update={"features": NEW.features[::-1]})
    assert changes_since(PreviousRelease(release="rel-0", facts=NEW), turned) == ["The order of the features changed"]


def test_same_facts_same_digest() -> None:
    shuffled = NEW.model_copy(update={"inputs": dict(reversed(NEW.inputs.items()))})
    assert build().fingerprint() == build(facts=shuffled).fingerprint()
    assert build().fingerprint() != build(payload="b3:other").fingerprint()


def test_what_cannot_be_proposed() -> None:
    with pytest.raises(Refused, match="cannot be proposed") as caught:
        build(gates=[gate("auc_floor", passed=False)], evidence=[])
    text = str(caught.value)
    assert "gate latency was not decided" in text
    assert "gate auc_floor blocks it" in text
    assert "No evidence" in text
    build(gates=[gate("auc_floor", passed=False, severity="warn"), gate("latency")])


def changed(**changes: Any) -> Policy:
    return POLICY.model_copy(update={"version": 4} | changes)


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (changed(approvals=1), "1 approvals"),
        (changed(approver_roles=["reviewer", "analyst"]), "analyst may approve too"),
        (changed(gates=[AUC]), "latency is gone"),
        (changed(gates=[AUC.model_copy(update={"value": 0.6}), LATENCY]), "0.6"),
        (changed(gates=[AUC.model_copy(update={"severity": "warn"}), LATENCY]), "warn"),
        (changed(gates=[AUC, LATENCY.model_copy(update={"value": 80.0})]), "80"),
        (changed(gates=[AUC.model_copy(update={"fact": "metrics.roc_auc.high"}), LATENCY]), "high"),
        (changed(sign_off_valid="900d"), "900d"),
    ],
)
def test_a42_weakening_is_named_and_refused(new: Policy, word: str) -> None:
    change = compare_policies(POLICY, new)
    assert len(change.weaker) == 1
    assert word in change.weaker[0]
    with pytest.raises(Refused, match="demands less"):
        refuse_weaker(change, approved=False)
    refuse_weaker(change, approved=True)


@pytest.mark.parametrize(
    "new",
    [
        changed(approvals=3),
        changed(gates=[AUC.model_copy(update={"value": 0.8}), LATENCY.model_copy(update={"value": 20.0})]),
        changed(gates=[AUC, LATENCY, GateRule(id="brier", fact="metrics.brier.high", op="<=", value=0.2)]),
        changed(sign_off_valid="7d"),
        changed(gates=[AUC.model_copy(update={"why": "clearer words"}), LATENCY]),
        changed(sign_off_valid="720h"),
    ],
)
def test_stricter_or_equal_policies_pass(new: Policy) -> None:
    refuse_weaker(compare_policies(POLICY, new), approved=False)


def test_changed_content_needs_a_higher_version() -> None:
    change = compare_policies(POLICY, POLICY.model_copy(update={"approvals": 3}))
    with pytest.raises(Refused, match="version must rise"):
        refuse_weaker(change, approved=True)
    assert compare_policies(POLICY, POLICY).lines == []
