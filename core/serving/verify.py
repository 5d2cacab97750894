"""Offline verification of a release on its target: every byte, every signature, every rule of the trust root.

Nothing from the package is believed unless a signature of a trusted person covers it: the sign-offs
cover the dossier, the dossier names the payload's digest, the payload manifest names every file.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from core.contract.release import (
    SIGN_OFF_TYPE,
    Dossier,
    PayloadManifest,
    SignOff,
    TrustedKey,
    TrustRoot,
    VerifiedRelease,
)
from core.kernel.clock import parse_utc
from core.kernel.digests import digest_json, strict_json
from core.kernel.envelope import Envelope, verify_statement
from core.kernel.errors import PlimsollError, Problem
from core.serving.inventory import inventory_problems
from core.serving.layout import read_limited
from core.serving.trust import CLOCK_TOLERANCE, key_bytes, trust_problems

DOCUMENT_LIMIT = 16 * 1024 * 1024
SIGNATURE_LIMIT = 256 * 1024
MOST_SIGNATURES = 100


class _Tally:
    """What the sign-offs of one release add up to while they are read."""

    def __init__(self) -> None:
        self.wrong: list[Problem] = []
        self.uncounted: list[Problem] = []
        self.approvers: dict[str, bytes] = {}


def verify_release(folder: Path, trust: TrustRoot, *, now: datetime, environment: str) -> VerifiedRelease:
    """Check an unpacked release against the trust root; all problems are listed, none raised.

    Sign-offs that are false in themselves (altered, for another release, an unknown signer) are
    problems at once. Those that merely do not count (revoked or expired key, no approver role, the
    author, a person or key that signed before) are named when too few others remain.
    """
    problems = trust_problems(trust, now)
    manifest_json = _document(folder / "manifest.json", problems)
    dossier_json = _document(folder / "dossier.json", problems)
    manifest = _manifest(manifest_json, problems)
    dossier = _dossier(dossier_json, problems)
    release = dossier.release if dossier else folder.name
    if manifest is None or dossier is None:
        return _verdict(release, "", [], problems)
    problems += inventory_problems(folder, manifest)
    try:
        payload, digest = digest_json(manifest_json["payload"]), digest_json(dossier_json)
    except PlimsollError as error:
        return _verdict(release, "", [], [*problems, Problem(f"{error.headline}: {error.detail}", where=folder.name)])
    problems += _binding(manifest_json, payload, digest, dossier, folder)
    problems += _dossier_problems(dossier, trust, environment)
    tally = _count(folder / "signatures", dossier, digest, trust, now)
    needed = max(trust.approvals, dossier.approvals_needed, 1)
    problems += tally.wrong
    if len(tally.approvers) < needed:
        short = f"{len(tally.approvers)} valid approvals by different people with different keys"
        problems += [*tally.uncounted, Problem(short, where="signatures", expected=f"at least {needed}")]
    return _verdict(release, dossier.payload, sorted(tally.approvers), problems)


def _verdict(release: str, payload: str, people: list[str], problems: list[Problem]) -> VerifiedRelease:
    lines = [problem.line() for problem in problems]
    return VerifiedRelease(release=release, payload=payload, approved_by=people, problems=lines)


def _document(path: Path, problems: list[Problem]) -> Any:
    """A JSON document of the package, strictly read; None with a problem otherwise."""
    try:
        return strict_json(read_limited(path, DOCUMENT_LIMIT))
    except PlimsollError as error:
        problems.append(Problem(error.headline, where=path.name))
        return None


def _manifest(value: Any, problems: list[Problem]) -> PayloadManifest | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"release", "payload", "payload_digest", "dossier_digest"}:
        problems.append(Problem("it must hold release, payload, payload_digest, dossier_digest", where="manifest.json"))
        return None
    try:
        return PayloadManifest.read(value["payload"], where="manifest.json")
    except PlimsollError as error:
        problems.extend(error.problems)
        return None


def _dossier(value: Any, problems: list[Problem]) -> Dossier | None:
    if value is None:
        return None
    try:
        return Dossier.read(value, where="dossier.json")
    except PlimsollError as error:
        problems.extend(error.problems)
        return None


def _binding(manifest_json: Any, payload: str, digest: str, dossier: Dossier, folder: Path) -> list[Problem]:
    """The chain of digests: files -> payload manifest -> dossier, and the names that must agree."""
    found = []
    if dossier.payload != payload:
        found.append(Problem("the dossier is for another payload", where="dossier.json", expected=payload))
    if manifest_json["payload_digest"] != payload:
        found.append(Problem("the payload digest is wrong", where="manifest.json", expected=payload))
    if manifest_json["dossier_digest"] != digest:
        found.append(Problem("the manifest was made for another dossier", where="manifest.json", expected=digest))
    if manifest_json["release"] != dossier.release:
        found.append(Problem("the manifest names another release", where="manifest.json", expected=dossier.release))
    if folder.name != dossier.release:
        found.append(Problem(f"the folder is named {folder.name}", where="dossier.json", expected=dossier.release))
    return found


def _dossier_problems(dossier: Dossier, trust: TrustRoot, environment: str) -> list[Problem]:
    """The dossier against the trust root: project, environment, threshold."""
    found = []
    where = "dossier.json"
    if dossier.project != trust.project:
        found.append(Problem(f"the release is of project {dossier.project}", where=where, expected=trust.project))
    if environment != trust.environment:
        found.append(Problem(f"the trust root is for {trust.environment}", where="trust.json", expected=environment))
    if dossier.environment != environment:
        found.append(Problem(f"the release is for {dossier.environment}", where=where, expected=environment))
    if dossier.approvals_needed < trust.approvals:
        lower = f"the dossier asks for {dossier.approvals_needed} approvals"
        found.append(Problem(lower, where=where, expected=f"at least {trust.approvals}, as the trust root says"))
    return found


def _count(folder: Path, dossier: Dossier, digest: str, trust: TrustRoot, now: datetime) -> _Tally:
    """Read every sign-off and count those of different people and different public keys."""
    tally = _Tally()
    paths = sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    if len(paths) > MOST_SIGNATURES:
        tally.wrong.append(Problem(f"more than {MOST_SIGNATURES} signatures", where="signatures"))
        return tally
    for path in paths:
        where = f"signatures/{path.name}"
        try:
            sign_off, key = _signed(path, trust)
        except PlimsollError as error:
            lines = [item.line() for item in error.problems]
            tally.wrong.append(Problem("; ".join([error.headline, *lines]), where=where))
            continue
        _judge(sign_off, key, dossier, digest, trust, now, where, tally)
    return tally


def _signed(path: Path, trust: TrustRoot) -> tuple[SignOff, TrustedKey]:
    """The sign-off in a file and the trusted key that signed it.

    Raises:
        PlimsollError: malformed, by an unknown key, not verifying, or naming another key.
    """
    envelope = Envelope.read(strict_json(read_limited(path, SIGNATURE_LIMIT)), where=path.name)
    keys = {key.key_id: key for key in trust.keys}
    publics = {key.key_id: key_bytes(key.public_key) for key in trust.keys}
    good = verify_statement(envelope, SIGN_OFF_TYPE, publics)
    sign_off = SignOff.read(envelope.statement(), where=path.name)
    if good != [sign_off.key_id] or len(envelope.signatures) != 1 or path.name != f"{sign_off.key_id}.json":
        raise PlimsollError("The sign-off names another key than the one that signed it")
    return sign_off, keys[sign_off.key_id]


def _judge(
    sign_off: SignOff,
    key: TrustedKey,
    dossier: Dossier,
    digest: str,
    trust: TrustRoot,
    now: datetime,
    where: str,
    tally: _Tally,
) -> None:
    """Put one verified sign-off where it belongs: wrong, not counted, or an approval."""
    wrong = [Problem(f"{key.name}: {text}", where=where) for text in _mismatches(sign_off, dossier, digest, now)]
    tally.wrong += wrong
    if sign_off.meaning == "reject":
        tally.wrong.append(Problem(f"{key.name} rejected this release: {sign_off.comment}", where=where))
    if wrong or sign_off.meaning != "approve":
        return
    public = key_bytes(key.public_key)
    if why := _uncounted(sign_off, key, public, dossier, trust, now, tally):
        tally.uncounted.append(Problem(f"the approval by {key.name} does not count: {why}", where=where))
    else:
        tally.approvers[key.person] = public


def _mismatches(sign_off: SignOff, dossier: Dossier, digest: str, now: datetime) -> list[str]:
    """What a sign-off says that is not true of this release."""
    found = []
    if sign_off.dossier != digest:
        found.append("the sign-off is for another dossier")
    if sign_off.release != dossier.release:
        found.append(f"the sign-off is for release {sign_off.release}")
    if sign_off.environment != dossier.environment:
        found.append(f"the sign-off is for environment {sign_off.environment}")
    if sign_off.policy_digest != dossier.policy_digest:
        found.append("the sign-off was given under another policy")
    try:
        if parse_utc(sign_off.signed_at) > now + CLOCK_TOLERANCE:
            found.append("the sign-off was given in the future: check the clock")
        parse_utc(sign_off.expires_at)
    except ValueError:
        found.append("the sign-off's times cannot be read")
    return found


def _uncounted(
    sign_off: SignOff, key: TrustedKey, public: bytes, dossier: Dossier, trust: TrustRoot, now: datetime, tally: _Tally
) -> str | None:
    """Why a true approval does not count towards the threshold; None when it does."""
    if key.revoked_at is not None:
        return f"the key was revoked at {key.revoked_at}"
    if parse_utc(sign_off.expires_at) <= now:
        return f"it expired at {sign_off.expires_at}"
    if not set(key.roles) & set(trust.approver_roles):
        return f"none of the roles {', '.join(key.roles) or '(none)'} may approve"
    if key.person in (dossier.author_person, dossier.author) or sign_off.signer == dossier.author:
        return "the author of a release cannot approve it"
    if key.person in tally.approvers:
        return "the same person approved already"
    if public in tally.approvers.values():
        return "the same public key approved already under another id"
    return None
