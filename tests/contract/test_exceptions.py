"""Exceptions from a gate, and compatibility of requests: everything that must not count does not."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.contract.compatibility import RequestField, compare_with_contract, compare_with_declared
from core.contract.exceptions import EXCEPTION_TYPE, About, GateException, exception_problem, standing
from core.contract.release import GateOutcome, TrustedKey, TrustRoot
from core.contract.schema import Contract, Field_
from core.kernel.clock import utc_text
from core.kernel.envelope import Envelope, key_id_of, sign_statement

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY, STRANGER = Ed25519PrivateKey.from_private_bytes(b"k" * 32), Ed25519PrivateKey.from_private_bytes(b"s" * 32)
ABOUT = About(project="wages", environment="production", run="run-1", policy_digest="b3:" + "1" * 64)
GATE = GateOutcome(
    rule="slices", severity="block", passed=False, fact="slices.worst_auc", op=">=", expected="0.6", observed="0.51"
)


def key_id(key: Ed25519PrivateKey) -> str:
    return key_id_of(key.public_key().public_bytes_raw())


def root(**changes: Any) -> TrustRoot:
    public = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
    held = TrustedKey(person="Grace", name="Grace H", key_id=key_id(KEY), public_key=public, roles=["reviewer"])
    return TrustRoot(
        version=1,
        project="wages",
        environment="production",
        approvals=2,
        approver_roles=["reviewer"],
        keys=[held.model_copy(update=changes)],
        console_key="",
        issued_at=utc_text(NOW),
    )


def signed(key: Ed25519PrivateKey = KEY, kind: str = EXCEPTION_TYPE, **changes: Any) -> Envelope:
    said = GateException(
        exception="exc-1",
        **ABOUT.plain(),
        model="b3:" + "2" * 64,
        **{name: getattr(GATE, name) for name in ("rule", "fact", "op", "expected", "observed")},
        reason="Shadow use only",
        requested_by="user-ana",
        requested_by_person="Ana",
        requested_at=utc_text(NOW - timedelta(hours=2)),
        makers=["Ana"],
        expires_at=utc_text(NOW + timedelta(days=7)),
        meaning="grant",
        comment="Looked at it",
        signer="user-grace",
        signer_name="Grace H",
        roles=["reviewer"],
        key_id=key_id(key),
        signed_at=utc_text(NOW - timedelta(hours=1)),
        ledger_head="7:" + "0" * 64,
    )
    return sign_statement(kind, {**said.plain(), **changes}, key)


def test_an_exception_as_it_should_be_lets_its_gate_stand_and_no_other() -> None:
    assert exception_problem(signed(), GATE, ABOUT, root(), NOW) == ""
    other = GATE.model_copy(update={"rule": "fair"})
    assert set(standing([GATE, other], [signed()], ABOUT, root(), NOW)) == {"slices"}


@pytest.mark.parametrize(
    ("envelope", "why"),
    [
        (signed(rule="fair"), "it was given for fair"),
        (signed(expected="0.5"), "it was given for slices"),
        (signed(observed="0.55"), "it was given when slices.worst_auc was 0.55"),
        (signed(run="run-2"), "run run-2"),
        (signed(environment="staging"), "it was given for staging"),
        (signed(policy_digest="b3:" + "3" * 64), "another policy"),
        (signed(meaning="refuse"), "refused it"),
        (signed(requested_by_person="grace"), "asked for it"),
        (signed(makers=["GRACE "]), "made the model"),
        (signed(roles=["operator"]), "none of the roles"),
        (signed(expires_at=utc_text(NOW)), "it expired"),
        (signed(signed_at=utc_text(NOW + timedelta(hours=3))), "in the future"),
        (signed(expires_at="soon"), "its times cannot be read"),
        (signed(STRANGER), ""),
        (signed(kind="application/vnd.plimsoll.sign-off+json"), ""),
        (signed(extra="field"), "not a valid GateException"),
        (signed().model_copy(update={"signatures": []}), "exactly one signature"),
        (signed().model_copy(update={"payload": signed(observed="0.1").payload}), ""),
    ],
)
def test_what_must_not_count_does_not(envelope: Envelope, why: str) -> None:
    problem = exception_problem(envelope, GATE, ABOUT, root(), NOW)
    assert problem
    assert why in problem
    assert standing([GATE], [envelope], ABOUT, root(), NOW) == {}


@pytest.mark.parametrize("changes", [{"revoked_at": utc_text(NOW)}, {"roles": ["operator"]}, {"person": "Ana"}])
def test_the_key_decides_and_not_what_the_statement_says_of_itself(changes: dict[str, Any]) -> None:
    assert exception_problem(signed(), GATE, ABOUT, root(**changes), NOW)


def contract(output: str = "probability", **fields: tuple[str, bool]) -> Contract:
    made = [Field_.read({"name": name, "type": kind, "nullable": null}) for name, (kind, null) in fields.items()]
    return Contract(model="m", version="1", fields=made, key=[], time_field="at", features=[], checks=[], output=output)


def test_what_breaks_a_caller_is_named_and_what_does_not_is_not() -> None:
    old = contract(a=("int", False), b=("text", True), c=("float", False), d=("int", False))
    new = contract("score", a=("float", False), b=("text", False), c=("float", True), e=("text", True))
    found = compare_with_contract(old, new, "m v1")
    assert found.removed == ["d"]
    assert found.retyped == ["a: int became float"]
    assert found.newly_required == ["b", "e"]
    assert found.answer == ["output: probability became score"]
    assert (found.compatible, found.facts()["schema.newly_required"]) == (False, 2.0)
    assert compare_with_contract(
        old, contract(**dict.fromkeys("ad", ("int", False)), b=("text", True), c=("float", True)), "m v1"
    ).compatible
    declared = {"a": RequestField(type="float"), "e": RequestField(type="text", nullable=True)}
    assert compare_with_declared(declared, new).newly_required == ["b", "c"]
