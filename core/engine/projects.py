"""Reading a stored version of a project, with a walk's own options laid over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from core.kernel.errors import NotFound
from core.project.load import parse_project
from core.project.schema import Project
from core.store.tables import ProjectVersion


def read_version(version: ProjectVersion, options: dict[str, Any]) -> Project:
    """The project of a version. ``options['split']`` replaces its periods (retraining on newer data)."""
    project = parse_project(version.text, Path(version.path)).project
    if "split" not in options:
        return project
    values = project.model_dump(mode="json", by_alias=True)
    values["split"] = {**values["split"], **options["split"]}
    return Project.read(values, where=version.path)


def newest_version(session: Session, name: str | None = None) -> ProjectVersion:
    """The newest version of a project, or of whichever project was loaded last.

    Raises:
        NotFound: when none was loaded.
    """
    query = select(ProjectVersion).order_by(col(ProjectVersion.created_at).desc())
    if name:
        query = query.where(ProjectVersion.name == name)
    found = session.exec(query).first()
    if found is None:
        raise NotFound(
            "No project was loaded into this workspace", remedy="Run `plimsoll run` in the project's folder."
        )
    return found
