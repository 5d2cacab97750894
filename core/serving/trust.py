"""Reading a target's trust root: whom it believes, signed by the console's key."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from core.contract.release import TRUST_ROOT_TYPE, TrustRoot
from core.contract.signoffs import CLOCK_TOLERANCE, raw_public_key
from core.kernel.clock import parse_utc
from core.kernel.digests import strict_json
from core.kernel.envelope import Envelope, verify_statement
from core.kernel.errors import Problem, Refused
from core.serving.layout import STATE_LIMIT, read_limited


def read_trust(path: Path, console_public_key: str | bytes | None = None) -> TrustRoot:
    """The trust root in a signed file.

    Without ``console_public_key`` the root must be signed by the key that it names itself: that is
    enough for a file that was pinned when the target was added, and not for one that just arrived.

    Raises:
        NotFound, InputError: absent or malformed. Refused: not signed by the console's key.
    """
    envelope = Envelope.read(strict_json(read_limited(path, STATE_LIMIT)), where=path.name)
    trust = TrustRoot.read(envelope.statement(), where=path.name)
    named = raw_public_key(trust.console_key)
    expected = raw_public_key(console_public_key) if isinstance(console_public_key, str) else console_public_key
    if expected is not None and named != expected:
        raise Refused(
            "The trust root names another console key than the one that is pinned",
            where=str(path),
            remedy="Change the console's key with a trust root that the pinned key signed",
        )
    verify_statement(envelope, TRUST_ROOT_TYPE, {item.key_id: named for item in envelope.signatures})
    return trust


def trust_problems(trust: TrustRoot, now: datetime, as_of: datetime | None = None) -> list[Problem]:
    """Whether the trust root can be used: its age at ``as_of`` (else now), the clock now, its thresholds."""
    found = []
    issued = _time(trust.issued_at)
    if issued is None:
        found.append(Problem("the trust root has no readable issue time", where="trust.json"))
    elif (as_of or now) > issued + timedelta(days=trust.max_age_days):
        age = ((as_of or now) - issued).days
        found.append(
            Problem(
                f"the trust root is stale: {age} days old, at most {trust.max_age_days} are allowed",
                where="trust.json",
                remedy="Send a fresh trust root from the console",
            )
        )
    elif now < issued - CLOCK_TOLERANCE:
        found.append(Problem("the trust root was issued in the future: check the clock", where="trust.json"))
    if trust.approvals < 1 or not trust.approver_roles:
        found.append(Problem("the trust root asks for no approvals", where="trust.json"))
    return found


def _time(text: str) -> datetime | None:
    try:
        return parse_utc(text)
    except ValueError:
        return None
