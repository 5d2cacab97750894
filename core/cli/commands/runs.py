"""runs: list, show, compare, names, tag, note, archive, restore, views, import-mlflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli import output
from core.cli.commands import reproduction
from core.cli.session import Options, client, follow_job
from core.cli.walk import noun
from core.kernel.errors import InputError

RunName = Annotated[str, typer.Argument(metavar="RUN", help="Run id or its beginning, candidate, model, or latest.")]
RunNames = Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs.")]
NOTHING_SHOWN = ("experiment", "lifecycle", "status", "trainer")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    runs = noun(app, "runs", "Training runs: search, show, compare, tag, archive, import.")
    runs.command("list")(list_runs)
    runs.command("show")(show_run)
    runs.command("compare")(compare)
    runs.command("names")(names)
    runs.command("group")(group)
    runs.command("tag")(tag)
    runs.command("note")(note)
    runs.command("archive")(archive)
    runs.command("restore")(restore)
    runs.command("views")(views)
    runs.command("import-mlflow")(import_mlflow)
    reproduction.register(runs)


def list_runs(
    context: typer.Context,
    where: Annotated[
        str, typer.Option(help="Search, such as \"metrics.auc > 0.9 and params.depth = 6 and tags.team like '%x%'\".")
    ] = "",
    column: Annotated[list[str] | None, typer.Option(help="Show this: metrics.NAME, params.NAME, tags.NAME.")] = None,
    order: Annotated[str, typer.Option(help="Order, such as 'metrics.auc desc'.")] = "",
    archived: Annotated[bool, typer.Option("--archived", help="Those out of sight.")] = False,
    limit: Annotated[int | None, typer.Option(help="At most so many.")] = None,
    view: Annotated[str, typer.Option(help="A saved view.")] = "",
    save_as: Annotated[str, typer.Option(help="Save this search, its columns and order as a view.")] = "",
) -> None:
    """Runs that fit a search, newest first: those trained here, and those of clients."""
    options: Options = context.obj
    with client(options) as held:
        if view:
            kept = next((one for one in held.ask("run_views") if one["name"] == view), None)
            if kept is None:
                raise InputError(f"There is no view {view!r}", remedy="List them with `plimsoll runs views`.")
            where, column, order = where or kept["where"], column or kept["columns"] or None, order or kept["order"]
        if save_as:
            held.change("run.save_view", {"name": save_as, "where": where, "columns": column or [], "order": order})
        lifecycle = "deleted" if archived else "active"
        frame = held.ask("runs_found", where=where, columns=column, order=order, lifecycle=lifecycle, limit=limit)
    title = f"Runs where {where}" if where else "Runs"
    shown = frame if options.as_json else frame.drop(NOTHING_SHOWN)
    options.printer.value(shown, title)


def show_run(context: typer.Context, run: RunName) -> None:
    """One run with everything that decided its outcome."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("run", id=held.ask("run_id", name=run))
    if options.as_json:
        options.printer.value(view)
        return
    environment = view.pop("environment")
    code = environment.get("code", {})
    first = {"metrics": view.pop("metrics"), "parameters": view.pop("parameters")}
    rest = {name: item for name, item in view.items() if name != "log"}
    machine = {name: item for name, item in environment.items() if name not in ("code", "packages") and item}
    packages = environment.get("packages", {})
    locked = {"packages": len(packages)} if packages else {}
    options.printer.value(
        {
            "run": rest.pop("run"),
            "name": rest.pop("name"),
            **first,
            **rest,
            "code": code,
            "machine": {**machine, **locked},
        }
    )


def compare(
    context: typer.Context, runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Two runs or more.")]
) -> None:
    """Runs beside each other; people see figures and what differs, JSON has all."""
    options: Options = context.obj
    if len(runs) < 2:
        raise InputError("Name two runs or more")
    with client(options) as held:
        found = held.ask("runs_compared", names=runs)
    if options.as_json:
        options.printer.value(found)
        return
    heads = ["", *(f"{item['name']} {item['run']}" for item in found["runs"])]
    for part in ("metrics", "parameters", "inputs"):
        differ = found["differ"][part]
        if differ:
            output.rows(heads, [[name, *found[part][name]] for name in differ], f"{part.capitalize()} that differ")
        else:
            output.out.print(f"{part.capitalize()}: all the same")


def names(context: typer.Context) -> None:
    """Names of metrics, parameters and tags that runs can be searched by."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("run_names"))


def group(
    context: typer.Context,
    by: Annotated[str, typer.Argument(help="Such as params.depth, tags.team, experiment or trainer.")],
    value: Annotated[str, typer.Argument(help="The figure to aggregate, such as metrics.auc or seconds.")],
    where: Annotated[str, typer.Option(help="Only runs that fit this search.")] = "",
) -> None:
    """Runs by groups: how many, and mean, least and most of a figure."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("runs_grouped", by=by, value=value, where=where), f"{value} by {by}")


def tag(
    context: typer.Context,
    run: RunName,
    tags: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="KEY= takes the tag away.")],
) -> None:
    """Tag a run."""
    options: Options = context.obj
    pairs = {key: value for key, _, value in (one.partition("=") for one in tags)}
    with client(options) as held:
        id = held.ask("run_id", name=run)
        held.change("run.tag", {"run": id, "tags": {key: value or None for key, value in pairs.items()}})
        options.printer.value({"run": id, "tags": held.ask("run", id=id)["tags"]})


def note(context: typer.Context, run: RunName, text: Annotated[str, typer.Argument(help="The note.")]) -> None:
    """Write a note about a run."""
    options: Options = context.obj
    with client(options) as held:
        id = held.ask("run_id", name=run)
        held.change("run.note", {"run": id, "text": text})
        options.printer.value({"run": id, "note": held.ask("run", id=id)["note"]})


def archive(context: typer.Context, runs: RunNames) -> None:
    """Take runs out of sight; nothing of them is lost."""
    _move(context, runs, archived=True)


def restore(context: typer.Context, runs: RunNames) -> None:
    """Bring archived runs back."""
    _move(context, runs, archived=False)


def _move(context: typer.Context, runs: list[str], *, archived: bool) -> None:
    options: Options = context.obj
    with client(options) as held:
        ids = [held.ask("run_id", name=one) for one in runs]
        held.change("run.archive", {"runs": ids, "archived": archived})
    options.printer.value({"archived" if archived else "restored": ids})


def views(context: typer.Context) -> None:
    """Saved views."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("run_views"), "Views")


def import_mlflow(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A folder mlruns, or a file mlflow.db.")],
) -> None:
    """Import experiments and runs of MLflow; what was imported before is not imported twice."""
    options: Options = context.obj
    with client(options) as held:
        started = held.change("tracking.import", {"path": str(path.resolve())})
        options.printer.value(follow_job(held, started["job"]))
