"""Reading a stored version of a project, with a walk's own options laid over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from core.features.static_leaks import static_leaks
from core.kernel.errors import NotFound, Problem
from core.project.load import check_project, load_project, parse_project
from core.project.python_tables import with_digests
from core.project.schema import Project
from core.store.tables import ProjectVersion


def read_version(version: ProjectVersion, options: dict[str, Any]) -> Project:
    """The project of a version. ``options['split']`` replaces its periods (retraining on newer data)."""
    project = with_digests(parse_project(version.text, Path(version.path)).project, Path(version.path).parent)
    if "split" not in options:
        return project
    values = project.model_dump(mode="json", by_alias=True)
    values["split"] = {**values["split"], "production": None, **options["split"]}
    return Project.read(values, where=version.path)


def last_loaded(session: Session, name: str | None = None) -> ProjectVersion | None:
    """The version that was loaded last, of a project or of any; none in a new workspace."""
    query = select(ProjectVersion).order_by(col(ProjectVersion.created_at).desc())
    if name:
        query = query.where(ProjectVersion.name == name)
    return session.exec(query).first()


def newest_version(session: Session, name: str | None = None) -> ProjectVersion:
    """The newest version of a project, or of whichever project was loaded last.

    Raises:
        NotFound: when none was loaded.
    """
    found = last_loaded(session, name)
    if found is None:
        raise NotFound(
            "No project was loaded into this workspace", remedy="Run `plimsoll run` in the project's folder."
        )
    return found


def project_problems(path: Path) -> list[Problem]:
    """Everything wrong with a project's file: its form, its sense, and leaks that show without data."""

    problems = check_project(path)
    if problems:
        return problems
    return static_leaks(load_project(path).project)
