"""The plan of an ingestion: what the source holds now, and the snapshot that it goes on from."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, select

from core.data.records import Former
from core.engine.privacy import ingest_privacy
from core.engine.steps import Planner
from core.engine.workfolder import BEFORE
from core.kernel.digests import digest_file
from core.kernel.errors import NotFound
from core.project.source_rules import FILES
from core.project.uses import words_about
from core.store.tables import Snapshot

ASKED = ("sql", "http", "stream")  # kinds whose content nobody knows without asking for it


def plan_ingest(planner: Planner, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters and inputs of the step that ingests a source.

    A file or folder is known by the digests of its content. Of the others the snapshot before decides:
    the same one gives the same step, so that a killed try is gone on with.

    Raises:
        InputError: when the file or folder is not there, or files changed that were taken.
    """
    source = planner.project.sources[name]
    row, before = _before(planner, name)
    former = former_of(row) if row is not None else None
    fresh = f"ingest:{name}" in planner.fresh
    params: dict[str, Any] = {
        "name": name,
        "source": source.plain(),
        "project": str(planner.folder),
        "secrets": [source.secret] if source.secret else [],
    }
    if fresh and former is not None:  # everything is read anew; only drift is seen against what was there
        former = former.model_copy(update={"definition": ""})
    words = words_about(planner.project, name)
    needed = sorted(words.intersection(former.columns)) if former is not None else []
    noted: dict[str, Any] = {"former": former.plain() if former is not None else None, "needed": needed}
    if source.kind in FILES:
        from core.data.sources import resolve_path

        params["file"] = digest_file(resolve_path(source.path, planner.folder))
    elif source.kind == "folder":
        from core.data.sources.folder import folder_files, taken_after

        noted["files"] = folder_files(source, planner.folder)
        params["taken"] = taken_after(source, noted["files"], former)
    else:
        params["former"] = former.snapshot if former is not None and not fresh else ""
    with planner.workspace.database.reading() as session:
        if privacy := ingest_privacy(planner.workspace, session, name, source):
            params["privacy"] = privacy
    return {**params, "noted": noted}, {BEFORE: before} if before else {}


def _before(planner: Planner, name: str) -> tuple[Snapshot | None, str]:
    """The newest snapshot of the source and the name of its table; without the table it is as if there were none."""
    with planner.workspace.database.reading() as session:
        row = newest_of(session, name)
    if row is None:
        return None, ""
    try:
        planner.workspace.blobs.path(row.blob)
    except NotFound:
        return None, ""
    return row, row.blob


def newest_of(session: Session, name: str) -> Snapshot | None:
    """The newest snapshot of a source."""
    query = select(Snapshot).where(Snapshot.name == name, Snapshot.kind == "source")
    return session.exec(query.order_by(col(Snapshot.created_at).desc())).first()


def former_of(row: Snapshot) -> Former:
    """The snapshot as the next ingestion sees it."""
    how = row.detail.get("ingest", {})
    return Former(
        snapshot=row.id,
        rows=row.rows,
        columns=row.columns,
        source_digest=row.source_digest,
        definition=how.get("definition", ""),
        watermark=how.get("watermark", {}),
    )
