"""Online stores: materialising views, noting how fresh they are, and parity of offline and online values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from sqlmodel import Session, col, select

from core.engine.context import Context, Done
from core.engine.erasure_places import queue_reach
from core.engine.freshness import Freshness, freshness_of, instant
from core.engine.incidents import live_incidents, mutes, record_incidents
from core.engine.jobs import submit
from core.engine.online_facts import freshness_signals
from core.engine.operations.data import keep_report
from core.engine.operations.delivery import target_row
from core.engine.operations.models import find_model
from core.engine.projects import newest_version, read_version
from core.engine.registry import JobOutcome, job_kind, operation
from core.features.definitions import tables_under
from core.kernel.clock import utc_text
from core.kernel.digests import canonical_json
from core.kernel.errors import InputError, NotFound, Problem
from core.kernel.records import Record
from core.monitoring.alerts import absorb
from core.project.schema import Project
from core.store.tables import ProjectVersion, Report, Snapshot

ROOMS = ("features", "serving", "delivery", "contract", "project")
TABLE_KINDS = ("source", "table")


class Place(Record):
    """Where an online store is: at most one of a target, a file and a Redis server; the workspace's own file else.

    ``secret`` names the entry of the keyring that holds Redis' password.
    """

    target: str = ""
    store: str = ""
    redis: str = ""
    secret: str = ""


class Materialise(Place):
    """Bring views (all, or one) up to an instant (now)."""

    view: str = ""
    to: str = ""


class Parity(Place):
    """Compare offline and online values of a model's views; ``offline`` says whose definitions the offline side has."""

    model: str
    offline: str = Field(default="model", pattern="^(model|project)$")
    at: list[str] = Field(default_factory=list)
    entities: int = Field(default=2000, ge=1, le=1_000_000)


class CheckFreshness(Record):
    """Note how old the values of all stores are at an instant (now)."""

    at: str = ""


@operation("features.materialize", "features.materialize", Materialise)
def start_materialise(context: Context, request: Materialise) -> Done:
    """Queue a materialisation from the newest snapshots of the views' tables."""
    version = newest_version(context.session)
    project = read_version(version, {})
    names = _views(project, request.view)
    until = instant(request.to) if request.to else context.now
    inputs, snapshots = newest_tables(context.session, project, [project.features.views[name].table for name in names])
    place = place_of(context, project, request)
    params: dict[str, Any] = {
        "project": project.model_dump(mode="json", by_alias=True),
        "project_version": version.id,
        "views": names,
        "until": utc_text(until),
        "place": place,
        "secrets": [place["secret"]] if place.get("secret") else [],
        "snapshots": snapshots,
    }
    title = f"Materialise {request.view or f'{len(names)} views'} to {place['name']}"
    job = submit(context, "features.materialize", title, params=params, inputs=inputs)
    return Done(subject=version.id, summary=title, result={"job": job})


@job_kind(
    "features.materialize",
    "features.materialize",
    "core.engine.work.online:materialise_views",
    rooms=ROOMS,
    timeout_s=7200,
)
def keep_materialisation(context: Context, outcome: JobOutcome) -> Done:
    """Keep one report for each view: how far it has come, and what was written."""
    params = outcome.params
    place = params["place"]
    rows = keep_materialised(
        context,
        params["project"]["project"],
        place["name"],
        outcome.value["views"],
        params["snapshots"],
        {"url": place["url"], "secret": place["secret"]} if place["kind"] == "redis" else None,
    )
    queue_reach(context, place["name"])
    written = sum(view["rows"] for view in outcome.value["views"])
    summary = f"{written:,} values of {len(rows)} views written to {params['place']['name']}"
    return Done(
        subject=params["project_version"],
        summary=summary,
        result={
            "place": params["place"]["name"],
            "until": params["until"],
            "rows": written,
            "views": [{"report": row.id, **row.facts} for row in rows],
        },
    )


def keep_materialised(
    context: Context,
    project: str,
    place: str,
    views: list[dict[str, Any]],
    snapshots: dict[str, str],
    reach: dict[str, str] | None = None,
) -> list[Report]:
    """A report for each materialised view, with the snapshots that it came from, and how the place is reached again."""
    out = []
    for done in views:
        facts = {**done, "place": place, "snapshots": snapshots, **({"reach": reach} if reach else {})}
        facts.pop("definition")
        words = f"{done['mode']}, {done['rows']:,} values" + (f" ({done['reason']})" if done["reason"] else "")
        row = context.add(
            Report,
            "rep",
            kind="materialisation",
            subject=subject_of(project, done["view"]),
            name=done["view"],
            blob=context.workspace.blobs.put_bytes(canonical_json(done)),
            passed=None,
            summary=f"{done['view']} at {place} up to {done['until'][:19]}: {words}",
            facts=facts,
        )
        for snapshot in snapshots.values():
            context.edge(snapshot, row.id, "materialised")
        out.append(row)
    return out


def subject_of(project: str, view: str) -> str:
    """What reports about a view are about."""
    return f"view:{project}/{view}"


@operation("features.freshness", "features.materialize", CheckFreshness)
def note_freshness(context: Context, request: CheckFreshness) -> Done:
    """Note how fresh every store's views are; a view that is stale raises an alert of its own."""
    project = read_version(newest_version(context.session), {})
    at = instant(request.at) if request.at else context.now
    found = freshness_of(context.session, project, at)
    stale = [one for one in found if one.state == "stale"]
    body = {"at": utc_text(at), "views": [one.plain() for one in found]}
    summary = "; ".join(one.line() for one in stale) or f"{len(found)} views, none is stale"
    row = context.add(
        Report,
        "rep",
        kind="freshness",
        subject=f"project:{project.project}",
        name=project.project,
        blob=context.workspace.blobs.put_bytes(canonical_json(body)),
        passed=not stale,
        summary=summary,
        facts={"at": body["at"], "stale": [_stale_fact(one) for one in stale], "views": len(found)},
    )
    told = absorb(
        live_incidents(context.session), freshness_signals(project.project, stale), at, mutes(context.session)
    )
    opened = record_incidents(context, told, row.id)
    result = {"report": row.id, "passed": row.passed, "incidents": opened, **body}
    return Done(subject=row.id, summary=summary, result=result)


def _stale_fact(one: Freshness) -> dict[str, Any]:
    return {"view": one.view, "place": one.place, "since": one.stale_since, "age_s": one.age_s}


@operation("features.parity", "features.materialize", Parity)
def start_parity(context: Context, request: Parity) -> Done:
    """Queue the comparison of a model's views."""
    session = context.session
    model = find_model(session, request.model)
    newest = newest_version(session, model.model)
    trained = session.get(ProjectVersion, model.detail["project_version"]) or newest
    version = trained if request.offline == "model" else newest
    project = read_version(version, {})
    if not project.features.views:
        raise NotFound(f"{model.model} v{model.version} has no feature views, so nothing is looked up online")
    tables = [view.table for view in project.features.views.values()]
    inputs, snapshots = newest_tables(session, project, tables)
    inputs |= {"contract": model.contract, "golden": model.detail["files"]["golden.json"]}
    place = place_of(context, project, request)
    params = {
        "project": project.model_dump(mode="json", by_alias=True),
        "subject": model.id,
        "name": f"{model.model} v{model.version}",
        "offline": request.offline,
        "at": [utc_text(instant(one)) for one in request.at],
        "entities": request.entities,
        "place": place,
        "secrets": [place["secret"]] if place.get("secret") else [],
        "snapshots": snapshots,
    }
    job = submit(context, "features.parity", f"Parity of {params['name']}", params=params, inputs=inputs)
    return Done(subject=model.id, summary="Comparing offline and online values", result={"job": job})


@job_kind("features.parity", "features.materialize", "core.engine.work.online:hold_parity", rooms=ROOMS)
def keep_parity(context: Context, outcome: JobOutcome) -> Done:
    """Keep the verdict. Values that differ are a result, not a fault."""
    value, params = outcome.value, outcome.params
    facts = {"place": params["place"]["name"], "offline": params["offline"], "rows": value["rows"]}
    words = f"{value['rows']:,} look-ups at {params['place']['name']}"
    summary = f"{params['name']}: " + ("; ".join(value["problems"]) if value["problems"] else f"{words}, none differs")
    done = keep_report(
        context, outcome, "parity", bool(value["passed"]), summary, {**facts, "problems": value["problems"]}
    )
    for snapshot in params["snapshots"].values():
        context.edge(snapshot, done.subject, "compared")
    return done


def newest_tables(session: Session, project: Project, tables: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Job inputs and snapshot ids of the newest snapshots of tables.

    Raises:
        NotFound: with every table that has none.
    """
    inputs, snapshots, problems = dict[str, str](), dict[str, str](), []
    for name in dict.fromkeys(tables):
        query = select(Snapshot).where(Snapshot.name == name, col(Snapshot.kind).in_(TABLE_KINDS))
        row = session.exec(query.order_by(col(Snapshot.created_at).desc())).first()
        if row is None:
            under = ", ".join(tables_under(project, name)[1:])
            problems.append(Problem(f"There is no snapshot of {name}", where=under))
        else:
            inputs[f"table:{name}"], snapshots[name] = row.blob, row.id
    if problems:
        raise NotFound("Tables of the views were not ingested yet", remedy="Run `plimsoll run`.", problems=problems)
    return inputs, snapshots


def place_of(context: Context, project: Project, request: Place) -> dict[str, Any]:
    """Where the store is, for a job's parameters; never with a password.

    Raises:
        InputError: more than one place is named, or an address carries a password.
    """
    if sum(bool(one) for one in (request.target, request.store, request.redis)) > 1:
        raise InputError("A store is at one place", remedy="Name one of --target, --store and --redis.")
    if request.target:
        row = target_row(context.session, request.target)
        return {"kind": "target", "name": f"target:{row.name}", "spec": row.spec}
    if request.redis:
        from core.serving.online_redis import address_of

        name = f"redis:{address_of(request.redis)}"
        return {"kind": "redis", "name": name, "url": request.redis, "secret": request.secret}
    path = Path(request.store) if request.store else own_store(context.workspace.root, project.project)
    if not request.store:
        path.parent.mkdir(exist_ok=True, mode=0o700)
    return {"kind": "file", "name": f"file:{path}" if request.store else "workspace", "path": str(path)}


def own_store(root: Path, project: str) -> Path:
    """The store that a workspace keeps for a project."""
    return root / "online" / f"{project}.db"


def _views(project: Project, name: str) -> list[str]:
    every = list(project.features.views)
    if not every:
        raise NotFound("The project has no feature views", where="features.views")
    if name and name not in every:
        raise NotFound(f"There is no view {name!r}", detail="Views: " + ", ".join(every))
    return [name] if name else every
