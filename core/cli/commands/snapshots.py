"""data diff, tag, untag and collect-garbage: snapshots side by side, by name, and those that nobody keeps."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.cli import output
from core.cli.session import Options, client

Tag = Annotated[str, typer.Argument(metavar="NAME", help="A name that no table has.")]
Snapshot = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="Table, snapshot id or its beginning, tag, latest.")]


def register(data: typer.Typer) -> None:
    """Add the commands to the group ``data``."""
    for function in (diff, tag, untag):
        data.command(function.__name__)(function)
    data.command("collect-garbage")(collect_garbage)


def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="A", help="Snapshot before: id, tag or table.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Snapshot after.")],
    key: Annotated[str, typer.Option(help="Columns that identify a row, separated by commas.")],
    rows: Annotated[int, typer.Option(min=0, max=1000, help="Show this many of the rows that differ.")] = 0,
    offset: Annotated[int, typer.Option(min=0, help="Leave out this many of them first.")] = 0,
) -> None:
    """What differs between two snapshots, rows matched by key: counts, and with --rows the rows cell by cell."""
    options: Options = context.obj
    names = [name.strip() for name in key.split(",") if name.strip()]
    with client(options) as held:
        counts = held.ask("snapshot_diff", a=before, b=after, key=names)
        page: list[dict[str, Any]] = []
        if rows:
            page = held.ask("snapshot_changes", a=before, b=after, key=names, offset=offset, limit=rows)
    if options.as_json:
        options.printer.value({**counts, "rows": page} if rows else counts)
        return
    options.printer.value(counts, "Differences")
    if rows:
        cells = [
            [row["change"], *row["key"].values(), cell["column"], cell["before"], cell["after"]]
            for row in page
            for cell in row["cells"] or [{"column": "", "before": "", "after": ""}]
        ]
        output.rows(["change", *names, "column", "before", "after"], cells, "Rows that differ")


def tag(context: typer.Context, snapshot: Snapshot, name: Tag) -> None:
    """Tag a snapshot: it is found by that name from now on, and its content is kept. A tag moves when given again."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.change("snapshot.tag", {"snapshot": snapshot, "tag": name}), "Tagged")


def untag(context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="A tag.")]) -> None:
    """Take a tag away."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.change("snapshot.untag", {"tag": name}), "No longer tagged")


def collect_garbage(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
) -> None:
    """Remove the content of snapshots that the project's retention retires, and files that nothing names."""
    options: Options = context.obj
    with client(options) as held:
        plan = held.ask("garbage")
        done = None if dry_run else held.change("data.collect", {})
    if options.as_json:
        options.printer.value(plan if done is None else done)
        return
    names = ("table", "created_at", "rows", "reason", "snapshot")
    for title, part in (("Their content goes", plan["snapshots"]), ("Kept", plan["kept"])):
        if part:
            output.rows(names, [[one[name] for name in names] for one in part], title)
    if dry_run:
        counts = {"snapshots": len(plan["snapshots"]), "files": len(plan["blobs"]), "bytes": plan["bytes"]}
        if plan["waiting"]:
            counts["dead bytes in packs that are mostly alive"] = plan["waiting"]
        options.printer.value(counts, "A collection would remove")
    else:
        options.printer.value(done, "Collected")
