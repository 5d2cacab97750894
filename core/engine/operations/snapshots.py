"""Tags on snapshots, and the collection of what nobody keeps."""

from __future__ import annotations

from pydantic import Field
from sqlmodel import select

from core.engine.context import Context, Done, state_of
from core.engine.questions.data import find_snapshot
from core.engine.references import CONTENT, require_content
from core.engine.registry import operation
from core.engine.retention import find_garbage, tags_of
from core.kernel.digests import canonical_json
from core.kernel.errors import Conflict, NotFound
from core.kernel.records import Record
from core.store.tables import PipelineRun, Report, Snapshot


class TagSnapshot(Record):
    """Give a snapshot a name of its own. A tag that another one bears moves here."""

    snapshot: str
    tag: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,62}$")


class RemoveTag(Record):
    """Take a tag away."""

    tag: str


class CollectGarbage(Record):
    """Remove what no rule, tag or record keeps."""


@operation("snapshot.tag", "data.ingest", TagSnapshot)
def tag(context: Context, request: TagSnapshot) -> Done:
    """Tag a snapshot: it is found by the tag, and kept for as long as it bears it.

    Raises:
        Conflict: when the tag could be taken for something else. NotFound: when the content is gone.
    """
    session = context.session
    taken = session.exec(select(Snapshot).where(Snapshot.name == request.tag)).first()
    if taken is not None or request.tag == "latest" or request.tag.startswith("snap-"):
        raise Conflict(f"{request.tag!r} is no free name for a tag", remedy="Choose one that no table has.")
    row = require_content(session, find_snapshot(session, request.snapshot))
    before = tags_of(session).get(request.tag, "")
    if before != row.id:
        context.transition("tag", request.tag, row.id, aspect="snapshot", reason=f"from {before}" if before else "")
    return Done(
        subject=row.id,
        summary=f"{row.name} is tagged {request.tag}",
        result={"snapshot": row.id, "table": row.name, "tag": request.tag, "before": before},
    )


@operation("snapshot.untag", "data.ingest", RemoveTag)
def untag(context: Context, request: RemoveTag) -> Done:
    """Take a tag away; the rules decide over the snapshot again."""
    before = tags_of(context.session).get(request.tag)
    if before is None:
        raise NotFound(f"No snapshot is tagged {request.tag!r}")
    context.transition("tag", request.tag, "", aspect="snapshot", reason=f"from {before}")
    return Done(subject=before, summary=f"{before} is no longer tagged {request.tag}", result={"tag": request.tag})


@operation("data.collect", "data.ingest", CollectGarbage)
def collect(context: Context, _request: CollectGarbage) -> Done:
    """Retire snapshots by the project's rules, then remove their blobs and those that nothing names.

    What goes is written down and committed first; files are removed after that, still under the write lock. A kill
    between the two leaves files that the next collection removes.

    Raises:
        Conflict: while a pipeline runs: its later steps may need what its cache names.
    """
    session, blobs = context.session, context.workspace.blobs
    for row in session.exec(select(PipelineRun)):
        if state_of(session, "pipeline", row.id) == "running":
            raise Conflict("A pipeline is running", where=row.id, remedy="Collect when it has ended, or cancel it.")
    garbage = find_garbage(session, blobs, context.now)
    facts = {"snapshots": len(garbage.snapshots), "blobs": len(garbage.blobs), "bytes": garbage.bytes}
    summary = "{snapshots} snapshots and {blobs} files, {bytes:,} bytes".format(**facts)
    if not garbage.blobs and not garbage.snapshots:
        return Done(summary="Nothing to collect", result={**facts, "report": ""})
    for one in garbage.snapshots:
        context.transition("snapshot", one.snapshot, "collected", aspect=CONTENT, reason=one.reason)
    report = context.add(
        Report,
        "rep",
        kind="collection",
        subject=context.workspace.info.id,
        name="garbage",
        blob=blobs.put_bytes(canonical_json(garbage.plain())),
        summary=summary,
        facts=facts,
    )
    context.afterwards.append(lambda: blobs.remove(garbage.blobs))
    return Done(subject=report.id, summary=f"Collected {summary}", result={**facts, "report": report.id})
