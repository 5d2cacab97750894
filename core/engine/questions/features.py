"""The loaded project and its features, with how often each was filled in the newest training set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from core.engine.feature_history import history_of, versions_of
from core.engine.find import find
from core.engine.freshness import freshness_of, instant
from core.engine.projects import newest_version, read_version
from core.engine.questions.backfills import backfills
from core.engine.questions.feature_catalogue import (
    definitions_in_words,
    filled_in,
    kinds_of,
    newest_training_set,
    usage_rows,
)
from core.engine.registry import question
from core.features.definitions import reads_of, tables_under
from core.kernel.clock import utc_text
from core.kernel.digests import strict_json
from core.kernel.errors import NotFound
from core.project.schema import FeatureView, Project
from core.store.tables import Report, Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("project")
def project(engine: Engine) -> dict[str, Any]:
    """The newest version of the project that was loaded last: its names, not its data."""
    with engine.workspace.database.reading() as session:
        version = newest_version(session)
        loaded = read_version(version, {})
    return {
        "project": version.name,
        "title": loaded.title,
        "version": version.id,
        "path": version.path,
        "digest": version.digest,
        "loaded_at": utc_text(version.created_at),
        "sources": list(loaded.sources),
        "tables": list(loaded.tables),
        "suites": list(loaded.suites),
        "views": list(loaded.features.views),
        "candidates": {name: item.trainer for name, item in loaded.training.candidates.items()},
    }


@question("feature_view")
def feature_view(engine: Engine, name: str, at: str = "") -> dict[str, Any]:
    """One view, whole: definition, features, lineage, freshness at an instant (now), usage, history, parity.

    Returns:
        The view's own fields, and ``version`` (digest of its definition); ``features`` (feature, definition,
        kind, filled, reads); ``lineage`` (the tables under it, each with its newest snapshot); ``online`` (as
        the question ``feature_freshness``); ``materialisations`` (newest first, at most 20); ``usage`` (as
        ``feature_usage``, newest first); ``history`` (each definition it has had, newest first); ``parity``
        (the newest verdict about it, or none); ``backfilled`` (as ``backfills``, newest first).
    """
    moment = instant(at) if at else engine.workspace.clock.now()
    with engine.workspace.database.reading() as session:
        version = newest_version(session)
        loaded = read_version(version, {})
        view = _view(loaded, name)
        newest = newest_training_set(session, version.name)
        filled, kinds = filled_in(newest), kinds_of(engine, newest)
        used = [row for row in usage_rows(session, loaded) if row["view"] == name]
        out = {
            "view": name,
            **view.model_dump(mode="json", exclude={"columns", "windows"}),
            "version": versions_of(loaded)[name],
            "lineage": _lineage(session, tables_under(loaded, view.table)),
            "online": [one.plain() for one in freshness_of(session, loaded, moment) if one.view == name],
            "materialisations": _materialisations(session, loaded.project, name),
            "usage": [{**row, "created_at": utc_text(row["created_at"])} for row in used[::-1]],
            "history": history_of(session, loaded.project, name),
            "parity": _newest_parity(engine, session, name),
            "backfilled": backfills(engine, name).drop("view").to_dicts(),
        }
    reads = reads_of(view)
    out["features"] = [
        {
            "feature": feature,
            "definition": definition,
            "kind": kinds.get(feature, "number"),
            "filled": filled.get(feature),
            "reads": reads[feature],
        }
        for feature, definition in definitions_in_words(view).items()
    ]
    return out


@question("feature_parity")
def feature_parity(engine: Engine, id: str) -> dict[str, Any]:
    """One parity report, whole: views with their features, changes of definitions, examples, and golden rows."""
    with engine.workspace.database.reading() as session:
        row = find(session, Report, id)
        body: dict[str, Any] = strict_json(engine.workspace.blobs.path(row.blob).read_bytes())
    return {**body, "report": row.id, "passed": bool(row.passed), "summary": row.summary}


def _lineage(session: Session, tables: list[str]) -> list[dict[str, Any]]:
    out = []
    for table in tables:
        query = select(Snapshot).where(Snapshot.name == table, col(Snapshot.kind).in_(("source", "table")))
        row = session.exec(query.order_by(col(Snapshot.created_at).desc())).first()
        out.append(
            {
                "table": table,
                "kind": row.kind if row else "",
                "snapshot": row.id if row else "",
                "rows": row.rows if row else None,
                "created_at": utc_text(row.created_at) if row else None,
            }
        )
    return out


def _materialisations(session: Session, project: str, view: str) -> list[dict[str, Any]]:
    query = select(Report).where(Report.kind == "materialisation", Report.subject == f"view:{project}/{view}")
    rows = session.exec(query.order_by(col(Report.created_at).desc()).limit(20)).all()
    names = ("place", "mode", "reason", "rows", "entities", "before", "until", "version")
    return [
        {"report": row.id, "created_at": utc_text(row.created_at), **{name: row.facts[name] for name in names}}
        for row in rows
    ]


def _newest_parity(engine: Engine, session: Session, view: str) -> dict[str, Any] | None:
    for row in session.exec(select(Report).where(Report.kind == "parity").order_by(col(Report.created_at).desc())):
        body = strict_json(engine.workspace.blobs.path(row.blob).read_bytes())
        found = next((one for one in body["views"] if one["view"] == view), None)
        if found is not None:
            wrong = [item["feature"] for item in found["features"] if item["mismatched"]]
            return {
                "report": row.id,
                "model": body["model"],
                "place": body["place"],
                "created_at": utc_text(row.created_at),
                "passed": found["rows"] > 0 and not wrong,
                "rows": found["rows"],
                "differ": wrong,
                "reason": found["reason"],
            }
    return None


def _view(loaded: Project, name: str) -> FeatureView:
    if name not in loaded.features.views:
        raise NotFound(f"There is no view {name!r}", detail="Views: " + ", ".join(loaded.features.views))
    return loaded.features.views[name]
