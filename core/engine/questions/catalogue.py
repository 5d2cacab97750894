"""The tables of a workspace, one row each: where they come from, their newest snapshot and what its checks said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.projects import last_loaded, read_version
from core.engine.registry import question
from core.project.schema import Project
from core.store.tables import Report, Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

TABLES: dict[str, Any] = {
    "table": pl.String,
    "kind": pl.String,
    "origin": pl.String,
    "description": pl.String,
    "state": pl.String,
    "checks": pl.String,
    "rows": pl.Int64,
    "columns": pl.Int64,
    "bytes": pl.Int64,
    "snapshots": pl.Int64,
    "snapshot": pl.String,
    "made_at": pl.Datetime("us", "UTC"),
}
NOTHING = "not ingested"


@question("data_tables")
def data_tables(engine: Engine) -> pl.DataFrame:
    """Every table that the project declares or the workspace holds: the project's in its order, then the others by age.

    ``state`` is ``passed``, ``warned`` or ``failed`` after the newest snapshot's checks, and null where there are
    none; ``snapshot`` is null for what was never ingested.
    """
    with engine.workspace.database.reading() as session:
        version = last_loaded(session)
        project = read_version(version, {}) if version else None
        newest, counts = _snapshots(session)
        facts = _verdicts(session)
    declared = dict(_declared(project)) if project else {}
    names = [*declared, *(name for name in newest if name not in declared)]
    rows = [_row(name, declared.get(name), newest.get(name), counts.get(name, 0), facts) for name in names]
    return pl.DataFrame(rows, schema=TABLES, orient="row")


def _snapshots(session: Session) -> tuple[dict[str, Snapshot], dict[str, int]]:
    """The newest snapshot of every table and how many there are; tables in the order of their first one."""
    newest: dict[str, Snapshot] = {}
    counts: dict[str, int] = {}
    for row in session.exec(select(Snapshot).order_by(col(Snapshot.created_at))):
        newest[row.name] = row
        counts[row.name] = counts.get(row.name, 0) + 1
    return newest, counts


def _verdicts(session: Session) -> dict[str, dict[str, Any]]:
    """The facts of the newest validation, by snapshot."""
    query = select(Report).where(Report.kind == "validation").order_by(col(Report.created_at))
    return {row.subject: row.facts for row in session.exec(query)}


def _declared(project: Project) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """(kind, origin, description) of each source and derived table of the project."""
    for name, source in project.sources.items():
        yield name, ("source", source.kind, source.description)
    for name, table in project.tables.items():
        yield name, ("table", "query", table.description)


def _row(
    name: str,
    declared: tuple[str, str, str] | None,
    newest: Snapshot | None,
    count: int,
    facts: dict[str, dict[str, Any]],
) -> tuple[Any, ...]:
    kind, origin, description = declared or (newest.kind.replace("_", " ") if newest else "", "made here", "")
    if newest is None:
        return (name, kind, origin, description, None, NOTHING, None, None, None, 0, None, None)
    state, words = verdict(facts.get(newest.id))
    sizes = (newest.rows, len(newest.columns), newest.bytes, count)
    return (name, kind, origin, description, state, words, *sizes, newest.id, newest.created_at)


def verdict(facts: dict[str, Any] | None) -> tuple[str | None, str]:
    """The state of a validation's facts and its line of words."""
    if not facts:
        return None, "no checks"
    failed, warned = int(facts["failed"]), int(facts["warned"])
    state = "failed" if failed else "warned" if warned else "passed"
    parts = [f"{facts['checks'] - failed - warned} passed"]
    parts += [f"{warned} warned"] if warned else []
    parts += [f"{failed} failed"] if failed else []
    return state, ", ".join(parts)
