"""What a collection would remove, tags, and the rows that differ between two snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.engine.projects import last_loaded, read_version
from core.engine.questions.data import find_snapshot
from core.engine.references import require_content
from core.engine.registry import question
from core.engine.retention import find_garbage, tags_of

if TYPE_CHECKING:
    from sqlmodel import Session

    from core.engine.engine import Engine


@question("garbage")
def garbage(engine: Engine) -> dict[str, Any]:
    """What a collection would remove now, why, and what the rules spare; nothing is changed."""
    workspace = engine.workspace
    with workspace.database.reading() as session:
        found = find_garbage(session, workspace.blobs, workspace.clock.now())
    return {**found.plain(), "bytes": found.bytes}


@question("source_kind")
def source_kind(engine: Engine, source: str) -> str:
    """The kind of a source of the project that was loaded last; empty when it has no such source."""
    with engine.workspace.database.reading() as session:
        version = last_loaded(session)
        sources = read_version(version, {}).sources if version else {}
    return sources[source].kind if source in sources else ""


@question("snapshot_tags")
def snapshot_tags(engine: Engine) -> dict[str, str]:
    """Tag to the id of its snapshot."""
    with engine.workspace.database.reading() as session:
        return tags_of(session)


@question("snapshot_changes")
def snapshot_changes(
    engine: Engine, a: str, b: str, key: list[str], offset: int = 0, limit: int = 50
) -> list[dict[str, Any]]:
    """A page of the rows that differ from snapshot ``a`` to ``b``: removed, added and changed, with their cells.

    At most 1,000 rows. Values of personal columns are masked.
    """
    from core.data.changes import changed_rows

    with engine.workspace.database.reading() as session:
        first, second = (require_content(session, find_snapshot(session, name)) for name in (a, b))
        personal = _personal(session, {first.name, second.name})
    blobs = engine.workspace.blobs
    page = changed_rows(
        blobs.path(first.blob), blobs.path(second.blob), key, offset, min(limit, 1000), personal=personal
    )
    return [row.plain() for row in page]


def _personal(session: Session, names: set[str]) -> frozenset[str]:
    version = last_loaded(session)
    sources = read_version(version, {}).sources if version else {}
    return frozenset(column for name in names if name in sources for column in sources[name].personal)
