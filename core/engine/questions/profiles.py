"""Profiles: the newest of a table, what differs between two, several together, and a figure over the snapshots."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.questions.data import find_snapshot, report_body
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.kernel.digests import strict_json
from core.kernel.errors import InputError, NotFound
from core.measures.profile import profile_of
from core.measures.profile_facts import FIGURES, profile_facts
from core.measures.profile_state import TableState, merge_tables, pack_state, unpack_state
from core.measures.records import TableProfile
from core.store.tables import Report, Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

SUFFIX = ".profile"
HISTORY: dict[str, Any] = {
    "snapshot": pl.String,
    "created_at": pl.Datetime("us", "UTC"),
    "column": pl.String,
    **dict.fromkeys(FIGURES, pl.Float64),
}


@question("profile")
def profile(engine: Engine, id: str) -> dict[str, Any]:
    """The newest profile of a snapshot or table."""
    with engine.workspace.database.reading() as session:
        row = profiled(session, id)
        report = newest_report(session, row.id)
        found = read_profile(engine, session, row)
    return {**found.plain(), "snapshot": row.id, "report": report.id if report else None}


@question("profile_history")
def profile_history(engine: Engine, table: str, column: str = "") -> pl.DataFrame:
    """The figures of one column, or of all, over the profiled snapshots of a table, oldest first.

    One row a snapshot and column; a figure that the column does not have is null.

    Raises:
        NotFound: when the table has no profile, or no snapshot of it ever had the column.
    """
    with engine.workspace.database.reading() as session:
        rows = _history(engine, session, table, column)
    if not rows:
        what = f"a profile with the column {column!r}" if column else "a profile"
        raise NotFound(f"No snapshot of {table!r} has {what}", remedy=f"Run `plimsoll run --to profile:{table}`.")
    return pl.DataFrame(rows, schema=HISTORY)


def _history(engine: Engine, session: Session, table: str, column: str) -> list[dict[str, Any]]:
    found = select(Snapshot).where(Snapshot.name == table).order_by(col(Snapshot.created_at), col(Snapshot.id))
    rows = []
    for row in session.exec(found):
        for name, facts in facts_of(engine, session, row.id).items():
            if column in ("", name):
                rows.append({"snapshot": row.id, "created_at": row.created_at, "column": name, **facts})
    return rows


def facts_of(engine: Engine, session: Session, snapshot: str) -> dict[str, dict[str, float]]:
    """The figures of a snapshot's newest profile by column, none without a profile.

    They lie in the row of the report; for a report of an earlier version they are taken from its body.
    """
    row = newest_report(session, snapshot)
    if row is None:
        return {}
    if "columns" in row.facts:
        kept: dict[str, dict[str, float]] = row.facts["columns"]
        return kept
    return profile_facts(TableProfile.read(strict_json(engine.workspace.blobs.path(row.blob).read_bytes())))


def newest_report(session: Session, snapshot: str) -> Report | None:
    """The newest profile of a snapshot, as it was stored."""
    found = select(Report).where(Report.kind == "profile", Report.subject == snapshot)
    return session.exec(found.order_by(col(Report.created_at).desc())).first()


def profiled(session: Session, name: str) -> Snapshot:
    """A snapshot by id; for a table, its newest snapshot that has a profile, else its newest."""
    found = (
        select(Snapshot)
        .join(Report, col(Report.subject) == Snapshot.id)
        .where(Snapshot.name == name, Report.kind == "profile")
        .order_by(col(Snapshot.created_at).desc())
    )
    return session.exec(found).first() or find_snapshot(session, name)


def read_profile(engine: Engine, session: Session, row: Snapshot) -> TableProfile:
    """The newest profile of a snapshot.

    Raises:
        NotFound: when it was not profiled.
    """
    body = report_body(engine, session, "profile", row.id)
    if body is None:
        remedy = f"Run `plimsoll run --to profile:{row.name}`."
        raise NotFound(f"{row.name} has no profile", where=row.id, remedy=remedy)
    return TableProfile.read({key: value for key, value in body.items() if key not in ("report", "passed")})


@question("profiles_compared")
def profiles_compared(engine: Engine, a: str, b: str) -> dict[str, Any]:
    """What differs between the profiles of two snapshots, the most changed column first."""
    from core.measures.profile_compare import compare_profiles

    before, after = read_state(engine, a), read_state(engine, b)
    return compare_profiles(before, after).plain()


@question("profiles_merged")
def profiles_merged(engine: Engine, ids: list[str]) -> dict[str, Any]:
    """One profile of several snapshots, tables or exported profiles together, made without their data.

    Raises:
        InputError: when they are not of the same columns. NotFound: when one has no profile.
    """
    return profile_of(merge_tables([read_state(engine, id) for id in ids])).plain()


@question("profile_state")
def profile_state(engine: Engine, ids: list[str]) -> dict[str, str]:
    """The mergeable state of one profile, or of several together, in base64: for a file that travels."""
    state = merge_tables([read_state(engine, id) for id in ids])
    return {"table": state.table, "state": b64encode(pack_state(state)).decode("ascii")}


def read_state(engine: Engine, name: str) -> TableState:
    """The mergeable state of a snapshot or table, or of a file that was exported (it ends in ``.profile``).

    Raises:
        NotFound: when it has none. InputError: when the file is not a profile.
    """
    if name.endswith(SUFFIX):
        return _read_file(Path(name))
    with engine.workspace.database.reading() as session:
        row = profiled(session, name)
        report = newest_report(session, row.id)
        blob = report.facts.get("state") if report else None
    if blob is None or not engine.workspace.blobs.has(str(blob)):
        remedy = f"Run `plimsoll run --to profile:{row.name}`."
        raise NotFound(f"{row.name} has no profile that merges", where=row.id, remedy=remedy)
    state = unpack_state(engine.workspace.blobs.path(str(blob)).read_bytes())
    return replace(state, table=f"{row.name} {utc_text(row.created_at)[:16]}")


def _read_file(file: Path) -> TableState:
    try:
        return unpack_state(file.read_bytes())
    except OSError as error:
        raise InputError("The profile cannot be read", where=str(file), detail=error.strerror or "") from error
