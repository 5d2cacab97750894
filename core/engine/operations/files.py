"""The step and the commit of sources that are kept as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from core.blobs.packs import PACKS
from core.blobs.store import MANIFEST
from core.data.files import LISTING, list_files
from core.data.paths import resolve_files
from core.engine.context import Context, Done
from core.engine.registry import JobOutcome, job_kind
from core.engine.steps import NOTED, Planner, Step
from core.kernel.digests import digest_bytes
from core.store.tables import Snapshot
from core.workspace.workspace import Workspace


def files_step(name: str) -> Step:
    """The step that keeps a source of kind ``files``. Its key hangs on the status of every file."""

    def plan(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        root = resolve_files(planner.project.sources[name].path, planner.folder)
        listing = list_files(root)
        with planner.workspace.database.reading() as session:
            before = _newest(session, name)
        params = {
            "name": name,
            "root": str(root),
            "listing": listing.digest,
            "taken": str(listing.taken_ns)
            if listing.racy
            else "",  # its status does not speak for its content: look again
            NOTED: {
                "blobs": str(planner.workspace.blobs.root),
                "before": before.blob if before is not None else "",
                "known": str(_cache(planner.workspace, name)),
            },
        }
        return params, {}

    return Step(f"files:{name}", f"Keep the files of {name}", "data.files", plan=plan)


@job_kind("data.files", "data.ingest", "core.engine.work.files:keep_files", rooms=("data", "blobs"))
def keep_files(context: Context, outcome: JobOutcome) -> Done:
    """Keep files as a snapshot; content that is the newest snapshot's already is not kept twice."""
    value, name = outcome.value, outcome.params["name"]
    blobs = context.workspace.blobs
    manifest = (outcome.folder / MANIFEST).read_bytes()
    blob = digest_bytes(manifest)
    row = _newest(context.session, name)
    if row is None or row.blob != blob:
        blobs.adopt_packs(outcome.folder / PACKS)
        blobs.put_bytes(manifest)
        row = context.add(
            Snapshot,
            "snap",
            kind="files",
            name=name,
            rows=value["files"],
            bytes=value["bytes"],
            blob=blob,
            detail={
                "looked_at": value["looked_at"],
                "new_bytes": value["new_bytes"],
                "seconds": round(outcome.seconds, 3),
            },
        )
    known = _cache(context.workspace, name)
    known.parent.mkdir(parents=True, exist_ok=True)
    context.afterwards.append(lambda: Path(outcome.folder / LISTING).replace(known))
    return Done(
        subject=row.id,
        summary=f"{name}: {value['files']:,} files, {value['looked_at']:,} read, {value['new_bytes']:,} bytes new",
        result={"snapshot": row.id, "blob": blob, "rows": value["files"]},
    )


def _cache(workspace: Workspace, name: str) -> Path:
    """What was seen of the files last; it may be lost, and then everything is read again."""
    return workspace.root / "cache" / "files" / f"{name}.json"


def _newest(session: Session, name: str) -> Snapshot | None:
    query = select(Snapshot).where(Snapshot.name == name, Snapshot.kind == "files")
    return session.exec(query.order_by(col(Snapshot.created_at).desc())).first()
