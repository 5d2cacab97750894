"""Profiles: the newest of a table, and how a figure went over its snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.questions.data import find_snapshot, report_body
from core.engine.registry import question
from core.kernel.digests import strict_json
from core.kernel.errors import NotFound
from core.measures.profile_facts import FIGURES, profile_facts
from core.measures.records import TableProfile
from core.store.tables import Report, Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

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
        return {"snapshot": row.id, **read_profile(engine, session, row).plain()}


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
    row = session.exec(
        select(Report)
        .where(Report.kind == "profile", Report.subject == snapshot)
        .order_by(col(Report.created_at).desc())
    ).first()
    if row is None:
        return {}
    if "columns" in row.facts:
        kept: dict[str, dict[str, float]] = row.facts["columns"]
        return kept
    return profile_facts(TableProfile.read(strict_json(engine.workspace.blobs.path(row.blob).read_bytes())))


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
