"""The feature catalogue: every feature with its owner, definition, lineage, freshness, usage and history.

Stable names of columns: pages and scripts are built on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.engine.context import state_of
from core.engine.feature_history import definitions_by_version, versions_of
from core.engine.freshness import Freshness, freshness_of, instant
from core.engine.operations.models import stage_of
from core.engine.projects import newest_version, read_version
from core.engine.registry import question
from core.features.definitions import definition_digest, reads_of, tables_under
from core.features.expressions import columns_read
from core.features.windows import described
from core.kernel.clock import parse_utc
from core.kernel.digests import strict_json
from core.kernel.errors import NotFound
from core.project.schema import FeatureView, Project
from core.store.tables import ModelVersion, Release, Run, Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

MOMENT = pl.Datetime("us", "UTC")
CATALOGUE: dict[str, Any] = {
    "feature": pl.String,
    "view": pl.String,
    "kind": pl.String,
    "entity": pl.String,
    "owner": pl.String,
    "description": pl.String,
    "expression": pl.String,
    "version": pl.String,
    "table": pl.String,
    "tables": pl.String,
    "reads": pl.String,
    "event_time": pl.String,
    "available": pl.String,
    "delay": pl.String,
    "tolerance": pl.String,
    "refresh": pl.String,
    "freshness_target": pl.String,
    "freshness_state": pl.String,
    "age_s": pl.Float64,
    "stale_since": MOMENT,
    "place": pl.String,
    "filled": pl.Float64,
    "training_sets": pl.Int64,
    "runs": pl.Int64,
    "models": pl.Int64,
    "releases": pl.Int64,
    "materialised_at": MOMENT,
    "backfilled_at": MOMENT,
}
USAGE: dict[str, Any] = {
    "view": pl.String,
    "kind": pl.String,
    "id": pl.String,
    "name": pl.String,
    "version": pl.String,
    "current": pl.Boolean,
    "state": pl.String,
    "created_at": MOMENT,
    "created_by": pl.String,
}
FRESHNESS: dict[str, Any] = {
    "view": pl.String,
    "place": pl.String,
    "target": pl.String,
    "state": pl.String,
    "age_s": pl.Float64,
    "newest": MOMENT,
    "until": MOMENT,
    "stale_since": MOMENT,
    "entities": pl.Int64,
    "version": pl.String,
    "materialised_at": MOMENT,
}
URGENT = ("stale", "fresh", "no target", "not materialised")


@question("feature_catalogue")
def feature_catalogue(engine: Engine, search: str = "", at: str = "") -> pl.DataFrame:
    """One row for each feature of the loaded project, request features (``view`` is empty) first.

    Args:
        search: words that all must occur in a feature's names, description, owner, expression or columns.
        at: the instant at which freshness is judged; now without one.

    Returns:
        The columns of ``CATALOGUE``. ``version`` is the digest of the view's definition, ``tables`` the tables
        and sources under it, nearest first, ``reads`` the columns of ``table`` that the value depends on.
        ``freshness_state`` is that of the stalest place: fresh, stale, no target or not materialised.
        ``training_sets`` to ``releases`` count the uses of the view in any version.
    """
    with engine.workspace.database.reading() as session:
        version = newest_version(session)
        project = read_version(version, {})
        newest = newest_training_set(session, project.project)
        kinds = kinds_of(engine, newest)
        filled = filled_in(newest)
        used = _counts(usage_rows(session, project))
        fresh = _stalest(freshness_of(session, project, _at(engine, at)))
        filled_back = _backfills(session)
    rows = [_request_row(project, name, filled.get(name)) for name in project.features.request]
    versions = versions_of(project)
    for view_name, view in project.features.views.items():
        shared = _view_row(project, view_name, view, versions[view_name], fresh.get(view_name))
        shared |= used.get(view_name, {}) | {"backfilled_at": filled_back.get(view_name)}
        reads = reads_of(view)
        for name, expression in definitions_in_words(view).items():
            own = {"feature": name, "kind": kinds.get(name, "number"), "expression": expression}
            rows.append({**shared, **own, "reads": ", ".join(reads[name]), "filled": filled.get(name)})
    frame = pl.DataFrame([{name: row.get(name) for name in CATALOGUE} for row in rows], schema=CATALOGUE)
    return searched(frame, search)


@question("feature_usage")
def feature_usage(engine: Engine, view: str = "") -> pl.DataFrame:
    """Which training sets, runs, models and releases use a view (or any), newest first.

    Returns:
        The columns of ``USAGE``: ``kind`` is training_set, run, model or release; ``version`` the digest of the
        definition that was used, ``current`` whether the project still states it; ``state`` a stage or state.
    """
    with engine.workspace.database.reading() as session:
        project = read_version(newest_version(session), {})
        if view and view not in project.features.views:
            raise NotFound(f"There is no view {view!r}", detail="Views: " + ", ".join(project.features.views))
        rows = [row for row in usage_rows(session, project) if view in ("", row["view"])]
    return pl.DataFrame(rows, schema=USAGE).sort("created_at", descending=True, maintain_order=True)


@question("feature_freshness")
def feature_freshness(engine: Engine, at: str = "") -> pl.DataFrame:
    """Each view at each place that holds it: the age of its newest value against its target, at an instant (now).

    Returns:
        The columns of ``FRESHNESS``; ``stale_since`` is when the target was passed, ``until`` how far the
        place was materialised, ``newest`` when its newest value became valid.
    """
    with engine.workspace.database.reading() as session:
        project = read_version(newest_version(session), {})
        found = freshness_of(session, project, _at(engine, at))
    rows = [{**one.plain(), **_times(one)} for one in found]
    return pl.DataFrame(rows, schema=FRESHNESS)


def searched(frame: pl.DataFrame, search: str) -> pl.DataFrame:
    """The rows in which every word of ``search`` occurs, upper and lower case alike."""
    names = ["feature", "view", "description", "owner", "entity", "expression", "tables", "reads"]
    text = pl.concat_str([pl.col(name).fill_null("") for name in names], separator=" ").str.to_lowercase()
    for word in search.lower().split():
        frame = frame.filter(text.str.contains(word, literal=True))
    return frame


def newest_training_set(session: Session, project: str) -> Snapshot | None:
    """The newest training set of a project."""
    query = select(Snapshot).where(Snapshot.kind == "training_set", Snapshot.name == f"{project}_features")
    return session.exec(query.order_by(col(Snapshot.created_at).desc())).first()


def definitions_in_words(view: FeatureView) -> dict[str, str]:
    """Each feature's expression, windows as ``mean(arr_delay > 15) over 2h``."""
    out = dict(view.columns)
    for name, window in view.windows.items():
        out[name] = described(window)
    return out


def usage_rows(session: Session, project: Project) -> list[dict[str, Any]]:
    """Uses of each view of the project, as rows of ``USAGE``."""
    known = {
        row.id: {name: definition_digest(one) for name, one in definitions.items()}
        for row, definitions in definitions_by_version(session, project.project)
    }
    now = versions_of(project)
    runs = list(session.exec(select(Run).where(Run.project == project.project)))
    models = list(session.exec(select(ModelVersion).where(ModelVersion.model == project.project)))
    trained = {run.inputs.get("training_set"): known.get(run.inputs.get("project_version", ""), {}) for run in runs}
    sets = session.exec(select(Snapshot).where(Snapshot.kind == "training_set")).all()
    by_model = {row.id: known.get(row.detail.get("project_version", ""), {}) for row in models}
    out = [
        _use(name, "training_set", row, row.name, version, now, "")
        for row in sets
        if row.name == f"{project.project}_features"
        for name, version in (row.detail.get("views") or trained.get(row.id) or {}).items()
    ]
    for run in runs:
        versions = known.get(run.inputs.get("project_version", ""), {})
        out += [_use(name, "run", run, run.name, version, now, "") for name, version in versions.items()]
    for row in models:
        named, stage = f"{row.model} v{row.version}", stage_of(session, row.id)
        out += [_use(name, "model", row, named, version, now, stage) for name, version in by_model[row.id].items()]
    for release in session.exec(select(Release).where(Release.project == project.project)):
        state = state_of(session, "release", release.id) or ""
        versions = by_model.get(release.model_version, {})
        out += [_use(name, "release", release, release.id, version, now, state) for name, version in versions.items()]
    return out


def _use(
    view: str,
    kind: str,
    row: Snapshot | Run | ModelVersion | Release,
    name: str,
    version: str,
    now: dict[str, str],
    state: str,
) -> dict[str, Any]:
    return {
        "view": view,
        "kind": kind,
        "id": row.id,
        "name": name,
        "version": version,
        "current": now.get(view) == version,
        "state": state,
        "created_at": row.created_at,
        "created_by": row.created_by,
    }


def _counts(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = out.setdefault(row["view"], dict.fromkeys(("training_sets", "runs", "models", "releases"), 0))
        counts[row["kind"] + "s"] += 1
    return out


def _stalest(found: list[Freshness]) -> dict[str, Freshness]:
    out: dict[str, Freshness] = {}
    for one in found:
        worst = out.get(one.view)
        if worst is None or URGENT.index(one.state) < URGENT.index(worst.state):
            out[one.view] = one
    return out


def _request_row(project: Project, name: str, filled: float | None) -> dict[str, Any]:
    feature = project.features.request[name]
    table = project.events.table
    return {
        "feature": name,
        "view": "",
        "kind": feature.kind,
        "description": feature.description,
        "expression": feature.expression,
        "table": table,
        "tables": ", ".join(tables_under(project, table)),
        "reads": ", ".join(columns_read(feature.expression, name)),
        "filled": filled,
    }


def _view_row(
    project: Project, name: str, view: FeatureView, version: str, fresh: Freshness | None
) -> dict[str, Any]:  # fmt: skip
    row: dict[str, Any] = {
        "view": name,
        "entity": ", ".join(view.entity),
        "owner": view.owner,
        "description": view.description,
        "version": version,
        "table": view.table,
        "tables": ", ".join(tables_under(project, view.table)),
        "event_time": view.event_time or "",
        "available": view.available or view.event_time or "",
        "delay": view.delay,
        "tolerance": view.tolerance or "",
        "refresh": view.refresh or "",
        "freshness_target": view.freshness or "",
    }
    if fresh is not None:
        times = _times(fresh)
        row |= {"freshness_state": fresh.state, "age_s": fresh.age_s, "place": fresh.place}
        row |= {"stale_since": times["stale_since"], "materialised_at": times["materialised_at"]}
    return row


def _times(one: Freshness) -> dict[str, Any]:
    names = ("newest", "until", "stale_since", "materialised_at")
    return {name: parse_utc(text) if (text := getattr(one, name)) else None for name in names}


def kinds_of(engine: Engine, newest: Snapshot | None) -> dict[str, str]:
    """Number or category, as the newest training set's contract says."""
    contract = newest.detail.get("contract") if newest else None
    if contract is None:
        return {}
    body = strict_json(engine.workspace.blobs.path(contract).read_bytes())
    return {str(feature["name"]): str(feature["kind"]) for feature in body["features"]}


def filled_in(newest: Snapshot | None) -> dict[str, float]:
    """The share of a training set's rows in which each feature has a value."""
    return {item["name"]: 1.0 - float(item["share"]) for item in newest.detail["fill"]} if newest else {}


def _backfills(session: Session) -> dict[str, Any]:
    query = select(Snapshot).where(Snapshot.kind == "backfill").order_by(col(Snapshot.created_at))
    return {row.name: row.created_at for row in session.exec(query)}


def _at(engine: Engine, text: str) -> Any:
    return instant(text) if text else engine.workspace.clock.now()
