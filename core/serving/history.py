"""What was ever switched on here: the append-only switch history and the highest version seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

from core.contract.release import Dossier
from core.kernel.clock import parse_utc
from core.kernel.digests import canonical_json, strict_json
from core.kernel.errors import Problem
from core.kernel.records import Record
from core.serving.layout import STATE_LIMIT, Layout, read_json, read_limited, write_json

LARGEST_STEP = 1000  # a fast-forward attack would burn all version numbers


class Switch(Record):
    """One switch of ``current``: when, what to, from what, by whom, and who had approved it."""

    at: str
    action: str
    release: str
    model: str
    version: int
    payload: str
    previous: str | None
    by: str
    approved_by: list[str]


def read_switches(layout: Layout) -> list[Switch]:
    """All switches, oldest first. A torn last line (crash while appending) is passed over.

    Raises:
        InputError: when an earlier line is not readable.
    """
    if not layout.switches.exists():
        return []
    lines = read_limited(layout.switches, STATE_LIMIT * 16).split(b"\n")
    return [Switch.read(strict_json(line), where="switches.jsonl") for line in lines[:-1] if line]


def append_switch(layout: Layout, switch: Switch) -> None:
    """Add a line that is on disk when this returns, and raise the highest version seen."""
    handle = os.open(layout.switches, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        if torn:
            os.ftruncate(handle, _last_newline(handle, size))
        file.write(canonical_json(switch.plain()) + b"\n")
        os.fsync(handle)
    seen = highest_versions(layout)
    if switch.version >= seen.get(switch.model, (0, ""))[0]:
        seen[switch.model] = (switch.version, switch.release)
    write_json(layout.highest, {model: {"version": item[0], "release": item[1]} for model, item in seen.items()})


def _last_newline(handle: int, size: int) -> int:
    data = os.pread(handle, size, 0)
    return data.rfind(b"\n") + 1


def highest_versions(layout: Layout) -> dict[str, tuple[int, str]]:
    """For each model the highest version ever switched on and its release, from the counter and the history."""
    stored = read_json(layout.highest, {})
    seen = {model: (int(item["version"]), str(item["release"])) for model, item in stored.items()}
    for switch in read_switches(layout):
        if switch.version > seen.get(switch.model, (-1, ""))[0]:
            seen[switch.model] = (switch.version, switch.release)
    return seen


def version_problems(layout: Layout, dossier: Dossier) -> Iterator[Problem]:
    """Why switching to this version would be a replay or a fast-forward."""
    if dossier.model not in (seen := highest_versions(layout)):
        return
    version, release = seen[dossier.model]
    if dossier.version < version or (dossier.version == version and dossier.release != release):
        yield Problem(
            f"version {dossier.version} of {dossier.model} is not newer than version {version}, seen in {release}",
            where="dossier.json",
            remedy="Use rollback to go back to a release that served here before",
        )
    if dossier.version > version + LARGEST_STEP:
        yield Problem(
            f"version {dossier.version} jumps more than {LARGEST_STEP} ahead of {version}", where="dossier.json"
        )


def switched_at(layout: Layout, release: str, payload: str) -> datetime | None:
    """When this very payload was first switched on here: sign-offs must have been valid then, not for ever."""
    for switch in read_switches(layout):
        if switch.release == release and switch.payload == payload:
            return parse_utc(switch.at)
    return None
