"""data: what came in, what it looks like, what holds of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.commands import checks, profiles, snapshots
from core.cli.session import Options, client
from core.cli.walk import do_job, listing, load_project_here, noun, show_steps, walk_to, write_whole

Table = Annotated[str, typer.Argument(metavar="ID", help="Table, snapshot id or its beginning, or latest.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    data = noun(app, "data", "Snapshots of tables: list, show, compare, check, restore.")
    snapshots.register(data)
    profiles.register(data)
    checks.register(data)
    for function in (ingest, show, sheet, restore):
        data.command(function.__name__)(function)
    data.command("list")(list_snapshots)


def ingest(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A source of the project.")],
    anew: Annotated[bool, typer.Option("--anew", help="Read everything again instead of going on.")] = False,
) -> None:
    """Read what is new of one source into a snapshot; an unchanged file comes from the cache."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        if held.ask("source_kind", source=source) == "files":
            step = f"files:{source}"
            show_steps(options, walk_to(held, step, first=step if anew else ""))
            return
        before = held.ask("ingestion", source=source)
        walk = walk_to(held, f"ingest:{source}", first=f"ingest:{source}" if anew else "")
        taken = held.ask("ingestion", source=source)
        if taken["snapshot"] == before.get("snapshot"):
            taken = {**taken, "rows_new": 0, "rows_updated": 0}
    if options.as_json:
        options.printer.value({**walk, "ingestion": taken})
        return
    show_steps(options, walk)
    options.printer.value({name: value for name, value in taken.items() if value or name == "rows_new"}, source)


def list_snapshots(context: typer.Context) -> None:
    """All snapshots, newest first."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("snapshots")
    columns = [
        "snapshot",
        "table",
        "rows",
        "columns",
        "checks_passed",
        "checks_failed",
        "checks_warned",
        "tags",
        "created_at",
    ]
    listing(options, frame, columns, "Snapshots")


def show(context: typer.Context, table: Table) -> None:
    """One snapshot: its size, columns, and what was found out about it."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("snapshot", id=table)
        tags = held.ask("personal_tags", table=view["table"]).drop("table").to_dicts()
    if options.as_json:
        options.printer.value({**view, "personal": tags})
        return
    reports = {name: view.pop(name) for name in ("profile", "validation", "leakage")}
    columns = view.pop("columns")
    detail = view.pop("detail")
    drift = view.pop("drift")
    if "ingest" in detail:
        view["rows_new"] = detail["ingest"]["rows_new"]
        view["drift"] = "; ".join(drift_lines(drift)) if drift else "none"
    options.printer.value({**view, **{name: _said(name, body) for name, body in reports.items()}}, view["table"])
    options.printer.value([item for item in columns if item["type"]] or [item["name"] for item in columns], "Columns")
    if tags:
        shown = ("column", "state", "kind", "confidence", "reason")
        options.printer.value([{name: tag[name] for name in shown} for tag in tags], "Personal data")


def drift_lines(body: dict[str, Any]) -> list[str]:
    """A drift report in words."""
    from core.data.records import SchemaDrift

    return SchemaDrift.read({name: body[name] for name in SchemaDrift.model_fields}).lines()


def _said(name: str, body: dict[str, Any] | None) -> str:
    if body is None:
        return "none"
    if name == "profile":
        return f"{len(body['columns'])} columns, see `plimsoll data profile`"
    found = [item for item in body.get("results") or body.get("tests") or [] if not item["passed"]]
    names = "; ".join(str(item.get("name")) for item in found)
    return ("passed" if body["passed"] else "failed") + (f", found: {names}" if names else "")


def sheet(
    context: typer.Context,
    table: Table,
    croissant: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write Croissant metadata here, and the rows beside it.")
    ] = None,
) -> None:
    """The data sheet of a snapshot, as Markdown; or its Croissant 1.1 metadata with a minimised Parquet copy."""
    options: Options = context.obj
    with client(options) as held:
        if croissant is not None:
            file = croissant.resolve()
            rows = str(file.with_suffix(".parquet"))
            exported = do_job(held, "privacy.export", {"table": table, "file": rows})
            text = json.dumps(held.ask("croissant", id=table, exported=exported), ensure_ascii=False, indent=2)
            write_whole(file, text.encode() + b"\n")
            told = {"file": str(file), "rows_file": rows, "rows": exported["rows"], "sha256": exported["sha256"]}
            options.printer.value(told)
            return
        text = held.ask("data_sheet", id=table)
    if options.as_json:
        options.printer.value({"markdown": text})
    else:
        typer.echo(text, nl=False)


def restore(
    context: typer.Context, table: Table, folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to.")]
) -> None:
    """Copy a snapshot out as one Parquet file, or as the files it was, the bytes checked against their digests."""
    from core.blobs.store import BlobStore
    from core.data.files import restore_files
    from core.data.restoring import restore_table

    options: Options = context.obj
    with client(options) as held:
        found = held.ask("snapshot_file", id=table)
        made: dict[str, Any]
        if found["kind"] == "files":
            blobs = BlobStore(Path(found["blobs"]))
            blobs.replaced = found["replaced"]
            count = restore_files(blobs, found["digest"], folder)
            made = {"folder": str(folder), "files": count}
        else:
            file = folder / f"{found['table']}.parquet"
            size = restore_table([(Path(one["path"]), one["digest"]) for one in found["files"]], file)
            made = {"file": str(file), "bytes": size}
    options.printer.value({**made, "snapshot": found["snapshot"], "digest": found["digest"]})
