"""Which sign-offs count: the one set of rules, used by the console and by the target.

Nothing that a sign-off says of itself is believed beyond what its signature covers: the person is
taken from the trusted key, the content from digests recomputed here. People are counted, and public
keys, never key ids (SLSA 1.2 threats B1 and B2, TUF 1.0.34 section 1.5.2).
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from core.contract.release import SIGN_OFF_TYPE, Dossier, SignOff, TrustedKey, TrustRoot
from core.kernel.clock import parse_utc
from core.kernel.envelope import Envelope, key_id_of, verify_statement
from core.kernel.errors import InputError, PlimsollError
from core.kernel.records import Record

CLOCK_TOLERANCE = timedelta(hours=1)  # machines that are offline drift; more than this is a wrong clock


class Verdict(Record):
    """What one envelope is worth. ``counts`` or else ``reason`` says why not.

    ``false`` marks a statement that is untrue in itself (altered, by a stranger, made for something
    else), as against a true one that merely does not count (expired, revoked, the author's own).
    """

    index: int
    counts: bool
    false: bool = False
    reason: str = ""
    person: str = ""
    name: str = ""
    signer: str = ""
    key_id: str = ""
    meaning: str = ""
    comment: str = ""
    signed_at: str = ""


class SignOffTally(Record):
    """The verdicts added up. One counted rejection stops a release, however many approve."""

    needed: int
    approved_by: list[str]
    rejected_by: list[str]
    ignored: list[Verdict]
    complete: bool

    @property
    def missing(self) -> int:
        """Approvals that are still wanted."""
        return max(self.needed - len(self.approved_by), 0)


def judge_sign_offs(
    dossier: Dossier,
    envelopes: Sequence[Envelope],
    trust_root: TrustRoot,
    now: datetime,
    *,
    witnessed: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """One verdict for each envelope, in order.

    ``witnessed`` maps the fingerprint of an envelope to the UTC text of a signed ledger checkpoint that
    contains it: only so can a sign-off by a key revoked later still count. A target has none.
    """
    digest = dossier.fingerprint()
    seen = [
        _judge(index, envelope, dossier, digest, trust_root, now, witnessed or {})
        for index, envelope in enumerate(envelopes)
    ]
    return _last_word_of_each(seen)


def add_up(dossier: Dossier, verdicts: Sequence[Verdict], trust_root: TrustRoot) -> SignOffTally:
    """People who approved and rejected; complete when enough different people approve and nobody rejects."""
    counted = [verdict for verdict in verdicts if verdict.counts]
    approved = sorted({item.person for item in counted if item.meaning == "approve"})
    rejected = sorted({item.person for item in counted if item.meaning == "reject"})
    needed = max(trust_root.approvals, dossier.approvals_needed, 1)
    return SignOffTally(
        needed=needed,
        approved_by=approved,
        rejected_by=rejected,
        ignored=[verdict for verdict in verdicts if not verdict.counts],
        complete=len(approved) >= needed and not rejected,
    )


def same_person(first: str, second: str) -> bool:
    """Are two person names one person? Case, width and surrounding blanks make no alias."""
    return bool(_folded(first)) and _folded(first) == _folded(second)


def is_maker(dossier: Dossier, person: str, signer: str) -> bool:
    """Did this person (or account) propose, train or prepare what is released?"""
    makers = [dossier.author_person, dossier.author, *dossier.makers]
    return any(same_person(who, maker) for who in (person, signer) for maker in makers)


def raw_public_key(text: str) -> bytes:
    """A public key's 32 raw bytes from base64 or from 64 hex digits.

    Raises:
        InputError: when it is neither.
    """
    try:
        raw = bytes.fromhex(text) if re.fullmatch(r"[0-9a-fA-F]{64}", text) else base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise InputError("This is not an Ed25519 public key", detail=text[:80])
    return raw


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _judge(
    index: int,
    envelope: Envelope,
    dossier: Dossier,
    digest: str,
    root: TrustRoot,
    now: datetime,
    witnessed: Mapping[str, str],
) -> Verdict:
    """The verdict on one envelope, taken alone."""
    try:
        sign_off, key = _signed(envelope, root)
    except PlimsollError as error:
        lines = "; ".join(problem.line() for problem in error.problems)
        return Verdict(index=index, counts=False, false=True, reason=f"{error.headline}{': ' if lines else ''}{lines}")
    shown = Verdict(
        index=index,
        counts=True,
        person=key.person,
        name=sign_off.signer_name,
        signer=sign_off.signer,
        key_id=key.key_id,
        meaning=sign_off.meaning,
        comment=sign_off.comment,
        signed_at=sign_off.signed_at,
    )
    if why := _untrue(sign_off, dossier, digest, root, now):
        return shown.model_copy(update={"counts": False, "false": True, "reason": why})
    if why := _uncounted(sign_off, key, dossier, root, now) or _revoked(key, witnessed.get(envelope.fingerprint())):
        return shown.model_copy(update={"counts": False, "reason": why})
    return shown


def _signed(envelope: Envelope, root: TrustRoot) -> tuple[SignOff, TrustedKey]:
    """The sign-off and the one trusted key that signed it.

    Raises:
        PlimsollError: another type, malformed, not exactly one signature, an unknown or ambiguous key.
    """
    if len(envelope.signatures) != 1:
        raise InputError(f"A sign-off carries exactly one signature, this one {len(envelope.signatures)}")
    named = envelope.signatures[0].key_id
    publics = {key.key_id: raw_public_key(key.public_key) for key in root.keys if key.key_id == named}
    verify_statement(envelope, SIGN_OFF_TYPE, publics)
    key = only_key(named, publics[named], root.keys)
    sign_off = SignOff.read(envelope.statement())
    if sign_off.key_id != key.key_id:
        raise InputError("The sign-off names another key than the one that signed it")
    return sign_off, key


def only_key(named: str, public: bytes, keys: Sequence[TrustedKey]) -> TrustedKey:
    """The trusted key of that id: one id for one public key, and one person holding it.

    Raises:
        InputError: when a key has a second id or a second holder.
    """
    if named != key_id_of(public):
        raise InputError(f"{named} is a second id of the key {key_id_of(public)}")
    holders = [key for key in keys if raw_public_key(key.public_key) == public]
    own = [key for key in holders if key.key_id == named]
    if any(not same_person(key.person, own[0].person) for key in holders):
        raise InputError(f"The key {named} is held by more than one person")
    return min(own, key=lambda key: key.revoked_at or "9999")


def _untrue(sign_off: SignOff, dossier: Dossier, digest: str, root: TrustRoot, now: datetime) -> str:
    """What the sign-off says that is not so of this dossier; empty when all is."""
    if root.project != dossier.project or root.environment != dossier.environment:
        return f"the trusted keys are those of {root.project} in {root.environment}"
    if sign_off.release != dossier.release:
        return f"it was given for release {sign_off.release}"
    if sign_off.environment != dossier.environment:
        return f"it was given for {sign_off.environment}, not for {dossier.environment}"
    if sign_off.policy_digest != dossier.policy_digest:
        return "it was given under another policy"
    if sign_off.dossier != digest:
        return "the dossier has changed since it was given"
    try:
        signed, expires = parse_utc(sign_off.signed_at), parse_utc(sign_off.expires_at)
        proposed = parse_utc(dossier.proposed_at)
    except ValueError:
        return "its times cannot be read"
    if signed > now + CLOCK_TOLERANCE:
        return f"it claims to be given in the future, at {sign_off.signed_at}"
    if signed < proposed - CLOCK_TOLERANCE:
        return f"it claims to be given at {sign_off.signed_at}, before the release was proposed"
    if expires <= signed:
        return "it expires before it was given"
    if sign_off.meaning == "reject" and not sign_off.comment.strip():
        return "it rejects without a reason"
    return ""


def _uncounted(sign_off: SignOff, key: TrustedKey, dossier: Dossier, root: TrustRoot, now: datetime) -> str:
    """Why a true sign-off does not count; empty when it does."""
    if is_maker(dossier, key.person, sign_off.signer):
        return f"{key.name} proposed or made this release and cannot judge it"
    for holder, roles in (("the key has", key.roles), ("it was given with", sign_off.roles)):
        for wanted in (root.approver_roles, dossier.approver_roles):
            if not set(roles) & set(wanted):
                return f"{holder} the roles {', '.join(roles) or 'none'}; needed: {', '.join(wanted)}"
    if parse_utc(sign_off.expires_at) <= now:
        return f"it expired at {sign_off.expires_at}"
    return ""


def _revoked(key: TrustedKey, seen_at: str | None) -> str:
    """A revoked key's time of signing is only its holder's word: a checkpoint must vouch for it."""
    if key.revoked_at is None:
        return ""
    if seen_at is None:
        return f"the key was revoked at {key.revoked_at}, and no earlier ledger checkpoint contains this sign-off"
    try:
        before = parse_utc(seen_at) < parse_utc(key.revoked_at)
    except ValueError:
        before = False
    return "" if before else f"the key was revoked at {key.revoked_at}, before a checkpoint contained this sign-off"


def _last_word_of_each(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Let only the newest counted sign-off of each person stand."""
    newest: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.counts:
            who = _folded(verdict.person)
            newest[who] = max(newest.get(who, verdict), verdict, key=lambda v: (parse_utc(v.signed_at), v.index))
    kept = {verdict.index for verdict in newest.values()}
    again = "the same person signed again later: only the last word of a person counts"
    return [
        verdict
        if not verdict.counts or verdict.index in kept
        else verdict.model_copy(update={"counts": False, "reason": again})
        for verdict in verdicts
    ]
