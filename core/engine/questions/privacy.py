"""Personal data: tags with their proposals, how far rows hide, erasures with their proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.privacy import PERSONAL, tags
from core.engine.projects import last_loaded, read_version
from core.engine.questions.training import user_names
from core.engine.registry import question
from core.project.schema import Project
from core.store.tables import Report

if TYPE_CHECKING:
    from core.engine.engine import Engine

TAGS: dict[str, Any] = {
    "table": pl.String,
    "column": pl.String,
    "state": pl.String,
    "kind": pl.String,
    "sort": pl.String,
    "confidence": pl.Float64,
    "reason": pl.String,
    "minimised": pl.String,
    "by": pl.String,
    "at": pl.Datetime("us", "UTC"),
}
GROUPS: dict[str, Any] = {
    "table": pl.String,
    "columns": pl.List(pl.String),
    "rows": pl.Int64,
    "groups": pl.Int64,
    "k": pl.Int64,
    "unique": pl.Int64,
    "below": pl.Int64,
    "below_share": pl.Float64,
    "threshold": pl.Int64,
    "at": pl.Datetime("us", "UTC"),
}


@question("personal_tags")
def personal_tags(engine: Engine, table: str = "") -> pl.DataFrame:
    """Columns that were declared, proposed, confirmed or rejected as personal data; of one table or of all."""
    with engine.workspace.database.reading() as session:
        project = _project(session)
        names = user_names(session)
        rows = [
            (
                tag.table,
                tag.column,
                tag.state,
                tag.kind,
                tag.sort,
                tag.confidence,
                tag.reason,
                _rule(project, tag.table, tag.column),
                names.get(tag.by, tag.by),
                tag.at,
            )
            for tag in tags(session, project)
            if table in ("", tag.table)
        ]
    return pl.DataFrame(rows, schema=TAGS, orient="row")


@question("anonymity")
def anonymity(engine: Engine) -> pl.DataFrame:
    """k-anonymity of the newest snapshot of each table that has quasi-identifiers."""
    newest: dict[str, Report] = {}
    with engine.workspace.database.reading() as session:
        for row in session.exec(select(Report).where(Report.kind == PERSONAL).order_by(col(Report.created_at))):
            newest[row.name] = row
        rows = [
            {**row.facts["anonymity"], "table": name, "at": row.created_at}
            for name, row in sorted(newest.items())
            if row.facts.get("anonymity")
        ]
    return pl.DataFrame([[row[name] for name in GROUPS] for row in rows], schema=GROUPS, orient="row")


def _rule(project: Project | None, table: str, column: str) -> str:
    source = project.sources.get(table) if project else None
    if source is None:
        return ""
    rules = {**source.privacy_rules("export"), **source.privacy_rules("ingest")}
    return f"{rules[column].how} at {rules[column].when}" if column in rules else ""


def _project(session: Session) -> Project | None:
    version = last_loaded(session)
    return read_version(version, {}) if version else None
