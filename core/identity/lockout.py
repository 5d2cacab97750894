"""Counts wrong passphrases and locks a key for a while, across restarts and clock changes.

A try is counted *before* the passphrase is tested, so that killing the process does not give a
free guess. Within one boot time is measured by the machine's uptime, which nobody can set; after
a restart by the wall clock, and a wall clock that stands before the last failure counts as no
time passed. (21 CFR 11.300(d): detect and report attempts at misuse.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from core.identity.files import write_private
from core.kernel.clock import parse_utc, utc_text
from core.kernel.digests import canonical_json, strict_json
from core.kernel.errors import InputError, Refused
from core.kernel.records import Record

TRIES = 5
LOCKED_FOR = timedelta(minutes=15)
_ONE_AT_A_TIME = threading.Lock()


class Moment(NamedTuple):
    """Now, by the wall and by the uptime (seconds) of one boot."""

    wall: datetime
    boot: str
    uptime: float


Watch = Callable[[], Moment]


def real_moment() -> Moment:
    """The machine's time; ``boot`` is empty where the system names no boot (then only the wall counts)."""
    source = Path("/proc/sys/kernel/random/boot_id")
    boot = source.read_text().strip() if source.exists() else ""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    uptime = time.clock_gettime(clock) if clock is not None else time.monotonic()
    return Moment(datetime.now(UTC), boot, uptime)


class Tries(Record):
    """What is remembered beside a key file: failures in a row, when the last was, newest key file seen."""

    failures: int = 0
    at: str = "1970-01-01T00:00:00.000000Z"
    boot: str = ""
    uptime: float = 0.0
    generation: int = 0


def read_tries(path: Path, now: Moment) -> Tries:
    """The remembered tries. A damaged file counts as locked from now on: it never opens a door."""
    if not path.exists():
        return Tries()
    try:
        return Tries.read(strict_json(path.read_bytes()))
    except InputError:
        locked = _stamped(Tries(), TRIES, now)
        _write(path, locked)
        return locked


def locked_for(tries: Tries, now: Moment) -> timedelta:
    """How long the key stays locked; zero when it is open."""
    if tries.failures < TRIES:
        return timedelta(0)
    if tries.boot and tries.boot == now.boot:
        passed = timedelta(seconds=now.uptime - tries.uptime)
    else:
        passed = now.wall - parse_utc(tries.at)
    return max(LOCKED_FOR - max(passed, timedelta(0)), timedelta(0))


def begin_try(path: Path, now: Moment) -> Tries:
    """Count one try, or refuse because the key is locked.

    Raises:
        Refused: while locked, with the minutes that remain.
    """
    with _ONE_AT_A_TIME:
        tries = read_tries(path, now)
        left = locked_for(tries, now)
        if left:
            minutes = max(1, -(-int(left.total_seconds()) // 60))
            raise Refused(
                "The key is locked after too many wrong passphrases",
                detail=f"{TRIES} tries in a row were wrong.",
                remedy=f"Try again in {minutes} min. If these tries were not yours, tell an admin to revoke the key.",
            )
        before = 0 if tries.failures >= TRIES else tries.failures
        counted = _stamped(tries, before + 1, now)
        _write(path, counted)
        return counted


def succeeded(path: Path, generation: int, now: Moment) -> None:
    """Forget the failures and remember the newest generation of the key file."""
    with _ONE_AT_A_TIME:
        seen = max(generation, read_tries(path, now).generation)
        _write(path, Tries(generation=seen))


def _stamped(tries: Tries, failures: int, now: Moment) -> Tries:
    changes = {"failures": failures, "at": utc_text(now.wall), "boot": now.boot, "uptime": round(now.uptime, 3)}
    return tries.model_copy(update=changes)


def _write(path: Path, tries: Tries) -> None:
    write_private(path, canonical_json(tries.plain()))
