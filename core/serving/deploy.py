"""Switching the current release on a target: proven first, then one atomic rename, then recorded."""

from __future__ import annotations

import os
import secrets
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.contract.release import COMMAND_TYPE, Dossier, TrustRoot, VerifiedRelease
from core.contract.signoffs import raw_public_key
from core.kernel.clock import Clock, SystemClock, parse_utc, utc_text
from core.kernel.digests import strict_json
from core.kernel.envelope import Envelope, verify_statement
from core.kernel.errors import NotFound, Problem, Refused
from core.serving.history import Switch, append_switch, read_switches, version_problems
from core.serving.layout import STATE_LIMIT, Layout, read_limited
from core.serving.loaded import load_release
from core.serving.lock import deploy_lock, server_running
from core.serving.trust import read_trust
from core.serving.verify import verify_release


@dataclass(frozen=True)
class Proof:
    """A release that may be switched on: what was verified, and the dossier that people signed."""

    verified: VerifiedRelease
    dossier: Dossier
    golden_rows: int


def prove(layout: Layout, release: str, trust: TrustRoot, now: datetime, as_of: datetime | None = None) -> Proof:
    """Verify a release and run its golden rows; ``as_of``: when it was first switched on here.

    Raises:
        NotFound: no such release. Refused: with every problem. AnswerIsNo: golden rows differ.
    """
    folder = layout.release(release)
    if not folder.is_dir() or folder.is_symlink():
        raise NotFound(f"There is no release {release} on this target", where=str(folder))
    verified = verify_release(folder, trust, now=now, environment=trust.environment, as_of=as_of)
    if not verified.ok:
        raise refusal(verified)
    model = load_release(folder, verified)
    return Proof(verified, model.dossier, model.golden_rows)


def refusal(verified: VerifiedRelease) -> Refused:
    """The error for a release that does not verify."""
    problems = [Problem(line) for line in verified.problems]
    return Refused(f"Release {verified.release} is refused", problems=problems)


def switch(layout: Layout, release: str, *, by: str, clock: Clock | None = None) -> dict[str, Any]:
    """Prove a newer release, make it current, record it and tell the server.

    Raises:
        Refused, AnswerIsNo, NotFound, Conflict: and then nothing has changed.
    """
    clock = clock or SystemClock()
    layout.prepare()
    with deploy_lock(layout, by, clock):
        proof = prove(layout, release, read_trust(layout.trust), clock.now())
        problems = list(version_problems(layout, proof.dossier))
        if problems:
            raise Refused(f"Release {release} would be a downgrade or a jump", problems=problems)
        return _make_current(layout, proof, "switch", by, clock)


def rollback(
    layout: Layout, to: str | None = None, *, by: str, order: Path | None = None, clock: Clock | None = None
) -> dict[str, Any]:
    """Go back to a release that served here before (``None``: the one before the current).

    A release that never served here needs ``order``: a rollback command signed by the console's key.
    Its sign-offs must have been valid when it was switched on; revoked keys never count.

    Raises:
        Refused, AnswerIsNo, NotFound, Conflict: and then nothing has changed.
    """
    clock = clock or SystemClock()
    layout.prepare()
    with deploy_lock(layout, by, clock):
        release = to or previous_release(layout)
        trust = read_trust(layout.trust)
        now = clock.now()
        first = first_switch(layout, release)
        if first is None:
            if order is None:
                raise Refused(
                    f"Release {release} never served on this target",
                    remedy="Going back to it needs a rollback order that the console signed",
                )
            check_order(order, release, trust, now)
        proof = prove(layout, release, trust, now, parse_utc(first.at) if first else None)
        if first is not None and proof.verified.payload != first.payload:
            raise Refused(f"Release {release} is not the one that served here before")
        return _make_current(layout, proof, "rollback", by, clock)


def previous_release(layout: Layout) -> str:
    """The release that served before the current one.

    Raises:
        NotFound: when there is none.
    """
    current = layout.current_release()
    for switch_ in reversed(read_switches(layout)):
        if switch_.release == current and switch_.previous not in (None, current):
            return str(switch_.previous)
    raise NotFound("No earlier release has served on this target", where=str(layout.switches))


def first_switch(layout: Layout, release: str) -> Switch | None:
    """The history's first line about a release."""
    return next((item for item in read_switches(layout) if item.release == release), None)


def check_order(path: Path, release: str, trust: TrustRoot, now: datetime) -> None:
    """A signed rollback order: {"command": "rollback", "release", "environment", "expires_at"}.

    Raises:
        Refused: not signed by the console, for another release or environment, or expired.
    """
    envelope = Envelope.read(strict_json(read_limited(path, STATE_LIMIT)), where=path.name)
    console = raw_public_key(trust.console_key)
    verify_statement(envelope, COMMAND_TYPE, {item.key_id: console for item in envelope.signatures})
    order = envelope.statement()
    expected = {"command": "rollback", "release": release, "environment": trust.environment}
    wrong = [
        Problem(f"the order says {str(order.get(name))[:100]!r}", where=name, expected=value)
        for name, value in expected.items()
        if order.get(name) != value
    ]
    try:
        if parse_utc(str(order.get("expires_at"))) <= now:
            wrong.append(Problem("the order has expired", where="expires_at"))
    except ValueError:
        wrong.append(Problem("the order has no readable time", where="expires_at"))
    if wrong:
        raise Refused("The rollback order is not for this", problems=wrong)


def _make_current(layout: Layout, proof: Proof, action: str, by: str, clock: Clock) -> dict[str, Any]:
    """Rename the link into place, record the switch, signal the server.

    Renamed first: killed in between, a newer release is current and fully proven. Recorded first, the
    old one would still be current and taken for a downgrade.
    """
    before = layout.current_release()
    record = Switch(
        at=utc_text(clock.now()),
        action=action,
        release=proof.dossier.release,
        model=proof.dossier.model,
        version=proof.dossier.version,
        payload=proof.verified.payload,
        previous=before,
        by=by,
        approved_by=proof.verified.approved_by,
    )
    temporary = layout.root / f".current.{secrets.token_hex(4)}"
    temporary.symlink_to(Path("releases") / record.release)
    temporary.replace(layout.current)
    append_switch(layout, record)
    return {**record.plain(), "server_signalled": signal_server(layout)}


def signal_server(layout: Layout) -> bool:
    """SIGHUP to a running server, so that it looks at once; it would see the change itself in half a second."""
    pid = server_pid(layout)
    if pid is None:
        return False
    os.kill(pid, signal.SIGHUP)
    return True


def server_pid(layout: Layout) -> int | None:
    """The process id of the running server; None when none holds the server's lock."""
    if not server_running(layout):
        return None
    try:
        return int(layout.pid.read_text())
    except (FileNotFoundError, ValueError):
        return None


def may_serve(layout: Layout, dossier: Dossier, payload: str) -> list[Problem]:
    """For a server that finds ``current`` at this release: was it switched on by a command, or is it newer?"""
    switches = read_switches(layout)
    if switches and switches[-1].release == dossier.release and switches[-1].payload == payload:
        return []
    return list(version_problems(layout, dossier))
