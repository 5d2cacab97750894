"""Definitions of a project's views over its versions, read from the project files that were loaded."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from core.features.definitions import changes, definition_digest, definition_of
from core.kernel.clock import utc_text
from core.kernel.errors import PlimsollError
from core.project.load import parse_project
from core.project.schema import Project
from core.store.tables import ProjectVersion

Definitions = dict[str, dict[str, Any]]


def definitions_by_version(session: Session, project: str) -> list[tuple[ProjectVersion, Definitions]]:
    """Every loaded version of a project, oldest first, with its views' definitions.

    A version that today's schema no longer reads counts as one without views.
    """
    query = select(ProjectVersion).where(ProjectVersion.name == project).order_by(col(ProjectVersion.created_at))
    return [(row, _definitions(row.text, row.path)) for row in session.exec(query)]


def history_of(session: Session, project: str, view: str) -> list[dict[str, Any]]:
    """Each definition that a view has had, newest first: its digest, since when, and what changed in it."""
    out: list[dict[str, Any]] = []
    before: dict[str, Any] | None = None
    for row, definitions in definitions_by_version(session, project):
        now = definitions.get(view)
        if now == before:
            continue
        changed = [item.line() for item in changes(before, now)] if before and now else []
        words = "removed" if now is None else "; ".join(changed) or "first seen"
        out.append(
            {
                "version": definition_digest(now) if now else "",
                "since": utc_text(row.created_at),
                "project_version": row.id,
                "changes": words,
            }
        )
        before = now
    return out[::-1]


def versions_of(project: Project) -> dict[str, str]:
    """The digest of each view's definition."""
    return {name: definition_digest(definition_of(project, name)) for name in project.features.views}


@functools.lru_cache(maxsize=256)
def _definitions(text: str, path: str) -> Definitions:
    try:
        project = parse_project(text, Path(path)).project
    except PlimsollError:
        return {}
    return {name: definition_of(project, name) for name in project.features.views}
