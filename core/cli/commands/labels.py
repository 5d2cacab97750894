"""labels: outcomes that became known, and weak ones that functions vote for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli import output
from core.cli.session import Options, client
from core.cli.walk import do_job, listing, load_project_here, noun
from core.kernel.errors import NotFound

AsOf = Annotated[str, typer.Option(help="As it was known then, such as 2013-07-01T00:00:00Z; now if empty.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    labels = noun(app, "labels", "Outcomes that became known.")
    labels.command("add")(add_labels)
    labels.command("list")(list_labels)
    labels.command("show")(show)
    labels.command("coverage")(coverage)
    labels.command("weak")(weak)


def add_labels(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    source: Annotated[str, typer.Option(help="Where they come from; the file's name if empty.")] = "",
    allow_unknown: Annotated[bool, typer.Option(help="Keep labels of events that nobody knows yet.")] = False,
) -> None:
    """Keep labels that arrived: a CSV or Parquet file with the key columns, label and known_at."""
    options: Options = context.obj
    request = {"file": str(file.resolve()), "source": source, "allow_unknown": allow_unknown}
    with client(options) as held:
        options.printer.value(do_job(held, "labels.add", request))


def list_labels(context: typer.Context) -> None:
    """Deliveries of true labels and runs of weak ones, newest first."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("labels")
    columns = ["snapshot", "kind", "source", "rows", "repeated", "corrected", "last_known", "added_at"]
    listing(options, frame, columns, "Labels")


def show(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's value, or name=value,name=value.")],
    as_of: AsOf = "",
) -> None:
    """Every label that one event ever had, and the one that counts."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("label_history", key=key, as_of=as_of)
    options.printer.value(view)


def coverage(
    context: typer.Context,
    as_of: AsOf = "",
    days: Annotated[int, typer.Option(help="How many of the last days to list.")] = 14,
) -> None:
    """How much of the truth is known, day by day, and how late it comes."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("label_stream", as_of=as_of)
    if options.as_json:
        options.printer.value(view)
        return
    told = ("as_of", "events", "labelled", "corrected", "orphans", "median_hours", "longest_hours", "deliveries")
    options.printer.value({name: view[name] for name in told})
    output.rows(("within", "known"), [[one["within"], one["share"]] for one in view["delays"]], "Delay")
    names = ("day", "events", "labelled", "share")
    output.rows(names, [[one[name] for name in names] for one in view["days"][-days:]], "Coverage by day")


def weak(context: typer.Context) -> None:
    """Let the labelling functions vote, and weigh their votes without the truth."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        do_job(held, "labels.weak", {})
        view = held.ask("weak_labels")
    if view is None:
        raise NotFound("No weak labels were made")
    if options.as_json:
        options.printer.value(view)
        return
    told = ("name", "rows", "labelled", "balance", "dependence")
    options.printer.value({name: view[name] for name in told})
    names = ("function", "coverage", "overlap", "conflict", "polarity", "estimated_accuracy", "empirical_accuracy")
    output.rows(names, [[one[name] for name in names] for one in view["functions"]], "Labelling functions")
    pairs = [(name, view[name]) for name in ("model", "majority") if view[name]]
    figures = ("rows", "auc", "accuracy", "brier")
    output.rows(
        ("by", *figures), [[name, *(one[part] for part in figures)] for name, one in pairs], "Against the truth"
    )
    if view["anchored"]:
        output.err.print("The functions depend on each other: the model leans on their majority.", markup=False)
