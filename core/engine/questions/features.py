"""The loaded project and its features, with how often each was filled in the newest training set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.projects import newest_version, read_version
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.kernel.errors import NotFound
from core.project.schema import FeatureView, Project
from core.store.tables import Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

FEATURES = {
    "feature": pl.String,
    "origin": pl.String,
    "kind": pl.String,
    "entity": pl.String,
    "owner": pl.String,
    "filled": pl.Float64,
    "definition": pl.String,
}


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


@question("features")
def features(engine: Engine) -> pl.DataFrame:
    """All features of the loaded project; ``filled`` is the share of rows that have a value."""
    with engine.workspace.database.reading() as session:
        version = newest_version(session)
        loaded = read_version(version, {})
        filled = _filled(session, version.name)
    rows = [
        (name, "request", item.kind, "", "", filled.get(name), item.expression)
        for name, item in loaded.features.request.items()
    ]
    for view_name, view in loaded.features.views.items():
        for name, definition in _definitions(view).items():
            entity = ", ".join(view.entity)
            rows.append((name, view_name, "number", entity, view.owner, filled.get(name), definition))
    return pl.DataFrame(rows, schema=FEATURES, orient="row")


@question("feature_view")
def feature_view(engine: Engine, name: str) -> dict[str, Any]:
    """One view with its features and how fresh it has to be."""
    with engine.workspace.database.reading() as session:
        version = newest_version(session)
        view = _view(read_version(version, {}), name)
        filled = _filled(session, version.name)
    return {
        "view": name,
        **view.model_dump(mode="json", exclude={"columns", "windows"}),
        "features": [
            {"feature": feature, "definition": definition, "filled": filled.get(feature)}
            for feature, definition in _definitions(view).items()
        ],
    }


def _view(loaded: Project, name: str) -> FeatureView:
    if name not in loaded.features.views:
        raise NotFound(f"There is no view {name!r}", detail="Views: " + ", ".join(loaded.features.views))
    return loaded.features.views[name]


def _definitions(view: FeatureView) -> dict[str, str]:
    windows = {name: f"{item.function}({item.column or '*'}) over {item.over}" for name, item in view.windows.items()}
    return {**view.columns, **windows}


def _filled(session: Session, name: str) -> dict[str, float]:
    query = select(Snapshot).where(Snapshot.kind == "training_set", Snapshot.name == f"{name}_features")
    row = session.exec(query.order_by(col(Snapshot.created_at).desc())).first()
    return {item["name"]: 1.0 - float(item["share"]) for item in row.detail["fill"]} if row else {}
