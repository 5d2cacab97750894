"""Sign-offs under attack, with real keys (A8, A10, A11, A12, A14, A15, A41). Each must be refused with its reason."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contract.release import SIGN_OFF_TYPE, GateOutcome, SignOff
from core.contract.signoffs import SignOffTally, is_maker, judge_sign_offs, raw_public_key, same_person
from core.governance.signoff import sign_off_problems, tally
from core.kernel.clock import utc_text
from core.kernel.envelope import Envelope, EnvelopeSignature, sign_statement
from core.kernel.errors import InputError, Refused
from core.store.checkpoints import CHECKPOINT_TYPE

Desk = SimpleNamespace


@pytest.fixture
def rita(desk: Desk) -> Any:
    return desk.Person("usr-rita", "rita chen", ["reviewer"])


@pytest.fixture
def omar(desk: Desk) -> Any:
    return desk.Person("usr-omar", "omar diaz", ["reviewer", "operator"])


def only_reason(result: SignOffTally) -> str:
    assert len(result.ignored) == 1
    assert not result.complete
    return result.ignored[0].reason


def test_two_people_approve(desk: Desk, rita: Any, omar: Any) -> None:
    dossier = desk.dossier()
    keys = [rita.trusted(), omar.trusted()]
    one = tally(dossier, [rita.sign(dossier)], keys, desk.NOW)
    assert (one.complete, one.missing, one.approved_by) == (False, 1, ["rita chen"])
    both = tally(dossier, [rita.sign(dossier), omar.sign(dossier)], keys, desk.NOW)
    assert both.complete
    assert both.approved_by == ["omar diaz", "rita chen"]
    assert both.ignored == []


def test_what_is_signed_has_name_time_and_meaning(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier()
    said = SignOff.read(rita.sign(dossier, comment=" looks right ", evidence_opened=["e2", "e1"]).statement())
    assert (said.signer_name, said.meaning, said.signed_at) == ("Rita Chen", "approve", "2013-11-04T09:00:00.000000Z")
    assert (said.comment, said.evidence_opened, said.ledger_head) == ("looks right", ["e1", "e2"], desk.HEAD)
    assert said.dossier == dossier.fingerprint()


def test_a_rejection_stops_however_many_approve(desk: Desk, rita: Any, omar: Any) -> None:
    dossier = desk.dossier(approvals_needed=1)
    signed = [rita.sign(dossier), omar.sign(dossier, "reject", "the label is wrong")]
    result = tally(dossier, signed, [rita.trusted(), omar.trusted()], desk.NOW)
    assert result.rejected_by == ["omar diaz"]
    assert not result.complete


@pytest.mark.parametrize("comment", ["", "   ", "\n\t"])
def test_a_rejection_needs_a_reason(desk: Desk, rita: Any, comment: str) -> None:
    with pytest.raises(Refused, match="cannot reject") as caught:
        rita.sign(desk.dossier(), "reject", comment)
    assert "needs a reason" in str(caught.value)
    forged = rita.forge(desk.dossier(), meaning="reject", comment=comment)
    assert "without a reason" in only_reason(tally(desk.dossier(), [forged], [rita.trusted()], desk.NOW))


# --- A12: self-approval in every disguise -------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "person"),
    [
        ("usr-ana", "ana lopez"),
        ("usr-ana-2", "ana lopez"),  # a second account
        ("usr-x", "Ana  Lopez "),  # an alias by case and blanks
        ("usr-x", "ａｎａ lopez"),  # full-width letters
        ("usr-ana", "somebody else"),  # the author's account, another name entered for it
        ("usr-tom", "tom trainer"),  # who trained it
    ],
)
def test_a12_makers_cannot_judge_their_own(desk: Desk, user: str, person: str) -> None:
    dossier = desk.dossier(approvals_needed=1)
    author = desk.Person(user, person, ["reviewer", "analyst"])
    with pytest.raises(Refused, match="cannot approve") as caught:
        author.sign(dossier)
    assert "proposed or made" in str(caught.value)
    result = tally(dossier, [author.forge(dossier)], [author.trusted()], desk.NOW)
    assert "cannot judge it" in only_reason(result)


def test_a12_an_author_who_claims_another_account_is_known_by_the_key(desk: Desk) -> None:
    dossier = desk.dossier(approvals_needed=1)
    author = desk.Person("usr-ana", "ana lopez", ["reviewer"])
    forged = author.forge(dossier, signer="usr-rita", signer_name="Rita Chen")
    assert "cannot judge it" in only_reason(tally(dossier, [forged], [author.trusted()], desk.NOW))


def test_every_pair_of_maker_and_judge(desk: Desk) -> None:
    people = ["ana lopez", "tom trainer", "rita chen"]
    for author in people:
        for maker in people:
            for judge in people:
                dossier = desk.dossier(author="usr-1", author_person=author, makers=[maker])
                assert is_maker(dossier, judge, "usr-2") == (judge in (author, maker))


# --- roles, expiry, clock ------------------------------------------------------------------------


def test_without_an_approver_role_nobody_signs(desk: Desk) -> None:
    dossier = desk.dossier(approvals_needed=1)
    for roles in (["operator"], ["admin"], ["analyst", "viewer"], []):
        person = desk.Person("usr-p", "pat doe", roles)
        with pytest.raises(Refused, match="cannot approve"):
            person.sign(dossier)
        assert "roles" in only_reason(tally(dossier, [person.forge(dossier)], [person.trusted()], desk.NOW))
        claimed = person.forge(dossier, roles=["reviewer"])  # the statement claims what the key does not have
        assert "the key has" in only_reason(tally(dossier, [claimed], [person.trusted()], desk.NOW))


def test_a_role_gained_after_signing_does_not_count(desk: Desk) -> None:
    dossier = desk.dossier(approvals_needed=1)
    person = desk.Person("usr-p", "pat doe", ["operator"])
    later = person.trusted(roles=["reviewer"])
    assert "it was given with" in only_reason(tally(dossier, [person.forge(dossier)], [later], desk.NOW))


def test_expired_and_future_sign_offs(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier(approvals_needed=1)
    signed = rita.sign(dossier)
    keys = [rita.trusted()]
    assert tally(dossier, [signed], keys, desk.NOW + desk.MONTH - timedelta(seconds=1)).complete
    assert "expired" in only_reason(tally(dossier, [signed], keys, desk.NOW + desk.MONTH))
    assert "future" in only_reason(tally(dossier, [signed], keys, desk.NOW - timedelta(hours=2)))
    early = rita.forge(dossier, signed_at=utc_text(desk.NOW - timedelta(days=3)))
    assert "before the release was proposed" in only_reason(tally(dossier, [early], keys, desk.NOW))
    backwards = rita.forge(dossier, expires_at=utc_text(desk.NOW))
    assert "expires before" in only_reason(tally(dossier, [backwards], keys, desk.NOW))
    for text in ("soon", "", "2013-13-45T00:00:00Z"):
        broken = rita.forge(dossier, expires_at=text)
        assert "times cannot be read" in only_reason(tally(dossier, [broken], keys, desk.NOW))


def test_a_clock_before_the_last_event_cannot_sign(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier()
    with pytest.raises(Refused) as caught:
        rita.sign(dossier, last_ledger_time=desk.NOW + timedelta(minutes=6))
    assert "before the last recorded event" in str(caught.value)
    rita.sign(dossier, last_ledger_time=desk.NOW + timedelta(minutes=4))
    with pytest.raises(Refused, match="cannot approve"):
        rita.sign(dossier, now=desk.NOW - timedelta(days=1))


def test_a_failed_gate_cannot_be_approved_but_can_be_rejected(desk: Desk, rita: Any) -> None:
    gate = GateOutcome(
        rule="auc",
        severity="block",
        passed=False,
        fact="metrics.roc_auc.low",
        op=">=",
        expected=">= 0.7",
        observed="0.61",
    )
    dossier = desk.dossier(gates=[gate.plain()])
    with pytest.raises(Refused) as caught:
        rita.sign(dossier)
    assert "gate auc blocks it" in str(caught.value)
    rita.sign(dossier, "reject", "below the floor")


def test_all_reasons_come_at_once(desk: Desk) -> None:
    author = desk.Person("usr-ana", "ana lopez", ["analyst"])
    found = sign_off_problems(desk.dossier(), "reject", " ", author.signer, desk.NOW, timedelta(0))
    assert len(found) == 4


# --- A8: revoked keys ------------------------------------------------------------------------------


def test_a8_a_revoked_key(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier(approvals_needed=1)
    revoked_at = desk.NOW + timedelta(days=1)
    keys = [rita.trusted(revoked_at=utc_text(revoked_at))]
    later = desk.NOW + timedelta(days=2)
    signed = rita.sign(dossier)
    # The time in the statement is only its holder's word: a thief would back-date it.
    assert "revoked" in only_reason(tally(dossier, [signed], keys, later))
    before = {signed.fingerprint(): utc_text(revoked_at - timedelta(hours=1))}
    assert tally(dossier, [signed], keys, later, witnessed=before).complete
    after = {signed.fingerprint(): utc_text(revoked_at)}
    assert "revoked" in only_reason(tally(dossier, [signed], keys, later, witnessed=after))
    backdated = rita.forge(dossier, comment="by the thief")
    assert "revoked" in only_reason(tally(dossier, [backdated], keys, later, witnessed=before))


# --- A10, A11: counting people ----------------------------------------------------------------------


def test_a10_one_key_under_two_ids(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier()
    alias = rita.trusted(key_id="key-aaaaaaaaaaaaaaaa", person="rita the second")
    again = rita.forge(dossier, key_id="key-aaaaaaaaaaaaaaaa")
    renamed = again.model_copy(
        update={"signatures": [again.signatures[0].model_copy(update={"key_id": "key-aaaaaaaaaaaaaaaa"})]}
    )
    result = tally(dossier, [rita.sign(dossier), renamed], [rita.trusted(), alias], desk.NOW)
    assert not result.complete
    assert result.approved_by == []
    assert ["more than one person" in v.reason or "second id" in v.reason for v in result.ignored] == [True, True]
    same = rita.trusted(key_id="key-aaaaaaaaaaaaaaaa")  # the same person: still one key, counted once
    result = tally(dossier, [rita.sign(dossier), renamed], [rita.trusted(), same], desk.NOW)
    assert result.approved_by == ["rita chen"]
    assert not result.complete


def test_a10_one_person_with_two_accounts_and_keys(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier()
    for name in ("rita chen", "Rita Chen", "rita  chen"):
        second = desk.Person("usr-rita-2", name, ["reviewer"])
        result = tally(
            dossier, [rita.sign(dossier), second.sign(dossier)], [rita.trusted(), second.trusted()], desk.NOW
        )
        assert len(result.approved_by) == 1
        assert not result.complete
        assert "the same person signed again" in result.ignored[0].reason


def test_a11_the_same_person_signs_twice(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier()
    once, twice = rita.sign(dossier), rita.sign(dossier, comment="again")
    for envelopes in ([once, once], [once, twice], [once] * 5):
        result = tally(dossier, envelopes, [rita.trusted()], desk.NOW)
        assert result.approved_by == ["rita chen"]
        assert not result.complete


def test_the_last_word_of_a_person_stands(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier(approvals_needed=1)
    approve = rita.sign(dossier)
    reject = rita.sign(dossier, "reject", "I looked again", now=desk.NOW + timedelta(minutes=1))
    later = desk.NOW + timedelta(minutes=2)
    for order in ([approve, reject], [reject, approve]):
        result = tally(dossier, order, [rita.trusted()], later)
        assert result.rejected_by == ["rita chen"]
        assert result.approved_by == []


def test_two_signatures_in_one_envelope_are_not_a_sign_off(desk: Desk, rita: Any, omar: Any) -> None:
    dossier = desk.dossier()
    a, b = rita.sign(dossier), omar.sign(dossier)
    joined = a.model_copy(update={"signatures": [*a.signatures, *b.signatures]})
    assert "exactly one signature" in only_reason(tally(dossier, [joined], [rita.trusted(), omar.trusted()], desk.NOW))


# --- A14: replay; stale content -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"release": "rel-9999999999"}, "given for release rel-0123456789"),
        ({"environment": "staging"}, "given for production, not for staging"),
        ({"policy_digest": "b3:" + "0" * 64}, "another policy"),
        ({"payload": "b3:" + "1" * 64}, "dossier has changed"),
        ({"metrics": {"roc_auc": 0.75}}, "dossier has changed"),
        ({"approvals_needed": 1}, "dossier has changed"),
        ({"approver_roles": ["reviewer", "operator"]}, "dossier has changed"),
        ({"changes": ["x"]}, "dossier has changed"),
        ({"makers": []}, "dossier has changed"),
    ],
)
def test_a14_an_approval_does_not_travel(
    desk: Desk, rita: Any, omar: Any, changes: dict[str, Any], reason: str
) -> None:
    signed = [rita.sign(desk.dossier()), omar.sign(desk.dossier())]
    result = tally(desk.dossier(**changes), signed, [rita.trusted(), omar.trusted()], desk.NOW)
    assert not result.complete
    assert result.approved_by == []
    assert all(reason in verdict.reason and verdict.false for verdict in result.ignored)


def test_keys_of_another_environment_or_project(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier(approvals_needed=1)
    signed = rita.sign(dossier)
    for change in ({"environment": "staging"}, {"project": "loans"}):
        root = desk.root(dossier, rita.trusted()).model_copy(update=change)
        verdict = judge_sign_offs(dossier, [signed], root, desk.NOW)[0]
        assert not verdict.counts
        assert "trusted keys are those of" in verdict.reason


# --- A15, A41: forged and confused statements ------------------------------------------------------------


def altered(envelope: Envelope, **changes: Any) -> Envelope:
    statement = envelope.statement() | changes
    return envelope.model_copy(update={"payload": base64.b64encode(json.dumps(statement).encode()).decode()})


@pytest.mark.parametrize(
    "change",
    [
        {"meaning": "approve"},
        {"signer_name": "Omar Diaz"},
        {"signed_at": "2013-11-04T10:00:00.000000Z"},
        {"expires_at": "2033-11-04T10:00:00.000000Z"},
        {"comment": "fine"},
        {"roles": ["reviewer", "admin"]},
        {"dossier": "b3:" + "0" * 64},
    ],
)
def test_a15_a_changed_statement_is_forged(desk: Desk, rita: Any, change: dict[str, Any]) -> None:
    dossier = desk.dossier(approvals_needed=1)
    signed = rita.sign(dossier, "reject", "no")
    reason = only_reason(tally(dossier, [altered(signed, **change)], [rita.trusted()], desk.NOW))
    assert "does not verify" in reason


def test_a41_a_signature_for_one_purpose_is_none_for_another(desk: Desk, rita: Any) -> None:
    dossier = desk.dossier(approvals_needed=1)
    as_checkpoint = rita.forge(dossier, payload_type=CHECKPOINT_TYPE)
    assert "ledger-checkpoint" in only_reason(tally(dossier, [as_checkpoint], [rita.trusted()], desk.NOW))
    relabelled = as_checkpoint.model_copy(update={"payload_type": SIGN_OFF_TYPE})
    assert "does not verify" in only_reason(tally(dossier, [relabelled], [rita.trusted()], desk.NOW))
    checkpoint = sign_statement(CHECKPOINT_TYPE, {"seq": 7, "head": desk.HEAD}, rita.key)
    reused = rita.sign(dossier).model_copy(update={"signatures": checkpoint.signatures})
    assert "does not verify" in only_reason(tally(dossier, [reused], [rita.trusted()], desk.NOW))
    other = sign_statement(SIGN_OFF_TYPE, {"seq": 7, "head": desk.HEAD}, rita.key)
    assert "not a valid SignOff" in only_reason(tally(dossier, [other], [rita.trusted()], desk.NOW))


def test_strangers_and_rubbish(desk: Desk, rita: Any, omar: Any) -> None:
    dossier = desk.dossier(approvals_needed=1)
    assert "trusted here" in only_reason(tally(dossier, [omar.sign(dossier)], [rita.trusted()], desk.NOW))
    posing = rita.forge(dossier, key_id=omar.trusted().key_id)
    assert "names another key" in only_reason(tally(dossier, [posing], [rita.trusted(), omar.trusted()], desk.NOW))
    good = rita.sign(dossier)
    for bad in (
        good.model_copy(update={"payload": "%%%"}),
        good.model_copy(update={"signatures": []}),
        good.model_copy(update={"signatures": [EnvelopeSignature(key_id=rita.trusted().key_id, signature="AA==")]}),
        good.model_copy(update={"signatures": [EnvelopeSignature(key_id=rita.trusted().key_id, signature="!")]}),
    ):
        assert only_reason(tally(dossier, [bad], [rita.trusted()], desk.NOW))


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(position: int, bit: int) -> None:
    desk = Fixed.desk
    body = bytearray(Fixed.signed.body())
    body[position % len(body)] ^= 1 << bit
    bad = Fixed.signed.model_copy(update={"payload": base64.b64encode(bytes(body)).decode()})
    assert only_reason(tally(Fixed.dossier, [bad], [Fixed.rita.trusted()], desk.NOW))


class Fixed:
    """One signed dossier for the property test (hypothesis does not renew fixtures)."""

    desk: Any
    rita: Any
    dossier: Any
    signed: Any


@pytest.fixture(autouse=True)
def fixed(desk: Desk, rita: Any) -> None:
    Fixed.desk, Fixed.rita, Fixed.dossier = desk, rita, desk.dossier(approvals_needed=1)
    Fixed.signed = rita.sign(Fixed.dossier)


def test_small_rules(desk: Desk, rita: Any) -> None:
    assert same_person("Zoë", "ZOE\u0308")
    assert not same_person("", "")
    assert not same_person("ana", "anna")
    assert raw_public_key(rita.public.hex()) == rita.public
    for text in ("", "abc", "A" * 44, "zz" * 32):
        with pytest.raises(InputError):
            raw_public_key(text)
