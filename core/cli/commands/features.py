"""features: definitions, views, the training set, online stores, and whether they agree."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.cli import output
from core.cli.commands.backfill import backfill
from core.cli.session import Options, client
from core.cli.walk import do_job, listing, load_project_here, noun, show_steps, verdict, walk_to
from core.kernel.errors import NotFound

Target = Annotated[str, typer.Option("--target", metavar="NAME", help="The online store of this target.")]
Store = Annotated[str, typer.Option("--store", metavar="PATH", help="This file as the online store.")]
Redis = Annotated[str, typer.Option("--redis", metavar="URL", help="This Redis server as the online store.")]
Secret = Annotated[str, typer.Option("--secret", metavar="NAME", help="Entry of the keyring with Redis' password.")]
At = Annotated[str, typer.Option("--at", metavar="T", help="Judge freshness at this instant (UTC) instead of now.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    features = noun(app, "features", "Features: definitions, views, the training set, online stores.")
    features.command("list")(list_features)
    features.command("show")(show_view)
    for function in (build, backfill, materialize, freshness, parity):
        features.command(function.__name__)(function)


def list_features(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Words in names, descriptions, owners, expressions, columns.")] = "",
    at: At = "",
) -> None:
    """The catalogue: all features, with owner, definition, freshness and the share of rows that have a value."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("feature_catalogue", search=search, at=at)
    columns = ["feature", "view", "kind", "owner", "filled", "freshness_state", "models", "expression"]
    listing(options, frame, columns, "Features")


def show_view(
    context: typer.Context, view: Annotated[str, typer.Argument(help="A feature view.")], at: At = ""
) -> None:
    """One view: definition, features, lineage, freshness, usage, history, parity."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("feature_view", name=view, at=at)
    if options.as_json:
        options.printer.value(found)
    else:
        _show(options, found)


def _show(options: Options, found: dict[str, Any]) -> None:
    facts = ("description", "owner", "entity", "event_time", "available", "delay", "tolerance", "refresh", "freshness")
    known = {name: found[name] for name in facts if found.get(name)}
    under = " ← ".join(f"{item['table']} ({_count(item['rows'])} rows)" for item in found["lineage"])
    options.printer.value({**known, "tables": under, "version": found["version"][3:15]}, f"View {found['view']}")
    features = [
        [item["feature"], item["definition"], item["kind"], item["filled"], ", ".join(item["reads"])]
        for item in found["features"]
    ]
    output.rows(("feature", "definition", "kind", "filled", "reads"), features, "Features")
    places = [item for item in found["online"] if item["place"]]
    _table("Online", places, "place", "state", "age_s", "newest", "until", "stale_since", "entities")
    _table("Used by", found["usage"][:12], "kind", "name", "state", "current", "version", "created_at")
    _table("Backfilled", found["backfilled"], "since", "until", "partitions", "values", "new", "equal", "different")
    _table("Definitions", found["history"], "since", "version", "changes")
    output.out.print(f"Parity: {_parity_words(found['parity'])}", markup=False)


def _table(title: str, items: list[dict[str, Any]], *names: str) -> None:
    values = [[_age(item[name]) if name == "age_s" else _short(item[name]) for name in names] for item in items]
    output.rows([name.removesuffix("_s") for name in names], values, title)


def _age(seconds: float | None) -> str:
    """An age in its largest whole unit and the next: 1 d 4 h."""
    if seconds is None:
        return "–"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    place = next((number for number, (_, size) in enumerate(units) if seconds >= size), 3)
    first, rest = divmod(int(seconds), units[place][1])
    more = f" {rest // units[place + 1][1]} {units[place + 1][0]}" if place < 3 else ""
    return f"{first:,} {units[place][0]}{more}"


def _short(value: Any) -> Any:
    """Digests to twelve digits, times to the second."""
    if isinstance(value, str) and value.startswith("b3:"):
        return value[3:15]
    return value[:19] if isinstance(value, str) and value.endswith("Z") and len(value) == 27 else value


def _count(rows: int | None) -> str:
    return "no" if rows is None else f"{rows:,}"


def _parity_words(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not compared yet (`plimsoll features parity MODEL`)"
    words = (
        "equal" if found["passed"] else "; ".join(found["differ"]) + " differ" if found["differ"] else found["reason"]
    )
    return f"{words} on {found['rows']:,} look-ups of {found['model']} at {found['place']}, {found['created_at'][:19]}"


def build(context: typer.Context) -> None:
    """Build the point-in-time-correct training set."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        show_steps(options, walk_to(held, "features"))


def materialize(
    context: typer.Context,
    view: Annotated[str, typer.Argument(help="A feature view; all of them without one.")] = "",
    to: Annotated[str, typer.Option("--to", metavar="T", help="As of this instant (UTC); now without it.")] = "",
    target: Target = "",
    store: Store = "",
    redis: Redis = "",
    secret: Secret = "",
) -> None:
    """Write what became valid since the last time into an online store (the workspace's own without an option)."""
    options: Options = context.obj
    request = {"view": view, "to": to, **_place(target, store, redis, secret)}
    with client(options) as held:
        load_project_here(options, held)
        done = do_job(held, "features.materialize", request)
    if options.as_json:
        options.printer.value(done)
        return
    names = ("view", "mode", "rows", "entities", "before", "until", "newest", "reason")
    _table(f"Materialised to {done['place']}", done["views"], *names)


def freshness(context: typer.Context, at: At = "") -> None:
    """How old the values of every online store are, kept as a report; exit 1 when a view is stale."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        done = held.change("features.freshness", {"at": at})
    if options.as_json:
        verdict(options, done, done["passed"])
        return
    names = ("view", "place", "target", "state", "age_s", "newest", "until", "stale_since")
    _table(f"Freshness at {done['at'][:19]}", done["views"], *names)
    if not done["passed"]:
        raise typer.Exit(1)


def parity(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model or champion.")],
    target: Target = "",
    store: Store = "",
    redis: Redis = "",
    secret: Secret = "",
    project: Annotated[
        bool, typer.Option("--project", help="Offline side: the project as it stands, not the model's own.")
    ] = False,
    at: Annotated[
        list[str] | None, typer.Option("--at", metavar="T", help="An instant to compare; repeatable.")
    ] = None,
    entities: Annotated[int, typer.Option(help="Entities drawn at each instant.")] = 2000,
) -> None:
    """Offline against online, feature by feature, by entity and instant; exit 1 when they differ.

    Also shown: served probabilities against the model's offline ones, where predictions were collected.
    """
    options: Options = context.obj
    request = {"model": model, "offline": "project" if project else "model", "at": at or [], "entities": entities}
    with client(options) as held:
        version = held.ask("model", name=model)
        served = (held.ask("monitoring", model=version["model_version"]) or {}).get("parity") or {"rows": 0}
        try:
            done = do_job(held, "features.parity", {**request, **_place(target, store, redis, secret)})
        except NotFound:
            if not served["rows"]:
                raise
            done = None
        body = held.ask("feature_parity", id=done["report"]) if done else None
    named = {"model": version["model"], "version": version["version"]}
    if options.as_json:
        verdict(options, {**named, **served, "features": body}, body is None or body["passed"])
        return
    if served["rows"]:
        options.printer.value({**named, **served}, "Served probabilities")
    if body is not None:
        _show_parity(body)
        if not body["passed"]:
            raise typer.Exit(1)


def _show_parity(body: dict[str, Any]) -> None:
    rows = [
        [item["view"], item["feature"], item["compared"], item["mismatched"], item["worst"], _cause(view, item)]
        for view in body["views"]
        for item in view["features"]
    ]
    rows += [[view["view"], "–", 0, None, None, view["reason"]] for view in body["views"] if not view["rows"]]
    title = f"{body['model']} at {body['place']}, offline by the {body['offline']}"
    output.rows(("view", "feature", "compared", "differ", "worst", "why"), rows, title)
    examples = [
        [item["feature"], one["key"], _short(one["at"]), one["offline"], one["online"]]
        for view in body["views"]
        for item in view["features"]
        for one in item["examples"][:3]
    ]
    if examples:
        output.rows(("feature", "entity", "at", "offline", "online"), examples, "Examples")
    wrong = [item for item in body["golden"] if item["mismatched"]]
    compared = max((item["compared"] for item in body["golden"]), default=0)
    said = "; ".join(f"{item['view']}.{item['feature']} in {item['mismatched']}" for item in wrong)
    output.out.print(f"Golden rows: {compared} recomputed, {'differing: ' + said if wrong else 'none differs'}")


def _cause(view: dict[str, Any], item: dict[str, Any]) -> str:
    if not item["mismatched"]:
        return ""
    named = [one for one in view["changes"] if item["feature"] in one["features"]]
    words = [f"{one['what']}: online {one['before']}, offline {one['after']}" for one in named]
    return "; ".join(words) or view["reason"]


def _place(target: str, store: str, redis: str, secret: str) -> dict[str, str]:
    from pathlib import Path

    return {
        "target": target,
        "store": str(Path(store).resolve()) if store else "",
        "redis": redis,
        "secret": secret,
    }
