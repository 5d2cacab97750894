"""privacy: which columns are personal, what leaves, what is kept how long, and who was erased."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.session import Options, client, passphrase_of
from core.cli.walk import do_job, listing, noun, verdict
from core.engine.client import Client
from core.kernel.errors import Conflict, InputError

Table = Annotated[str, typer.Argument(help="A table.")]
Column = Annotated[str, typer.Argument(help="A column of it.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    privacy = noun(app, "privacy", "Personal data: tags, minimised copies, retention, erasure.")
    for function in (tags, confirm, reject, groups, export, erase, retain, erasures, proof, places, reach):
        privacy.command(function.__name__)(function)


def tags(context: typer.Context, table: Annotated[str, typer.Argument(help="A table; all without.")] = "") -> None:
    """Columns that were declared, proposed, confirmed or rejected as personal data."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("personal_tags", table=table)
    columns = ["table", "column", "state", "kind", "sort", "confidence", "minimised", "reason"]
    listing(options, frame, columns, "Personal data")


def confirm(context: typer.Context, table: Table, column: Column, reason: Reason) -> None:
    """Say that a column holds personal data; models' logs mask it from now on."""
    _decide(context, table, column, "confirmed", reason)


def reject(context: typer.Context, table: Table, column: Column, reason: Reason) -> None:
    """Say that a proposed column holds no personal data; its values are shown again."""
    _decide(context, table, column, "rejected", reason)


def _decide(context: typer.Context, table: str, column: str, verdict: str, reason: str) -> None:
    options: Options = context.obj
    with client(options) as held:
        request = {"table": table, "column": column, "verdict": verdict, "reason": reason}
        options.printer.value(held.change("privacy.decide", request))


def groups(context: typer.Context) -> None:
    """k-anonymity of each table over its quasi-identifiers, with the rows in small groups."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("anonymity")
    columns = ["table", "columns", "rows", "groups", "k", "unique", "below", "below_share", "threshold"]
    listing(options, frame, columns, "Groups of rows that look alike")


def export(
    context: typer.Context,
    table: Table,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The Parquet file to write.")],
) -> None:
    """Write a minimised copy: by the project's rules for export; other tagged columns are masked."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(do_job(held, "privacy.export", {"table": table, "file": str(file.resolve())}))


def erase(
    context: typer.Context,
    table: Annotated[str, typer.Option(help="The source that names the person.")],
    key: Annotated[str, typer.Option(metavar="COLUMN=VALUE", help="The column and value that identify them.")],
    reason: Annotated[str, typer.Option(help="Why; it is signed and kept.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
) -> None:
    """Remove a person from every snapshot, report, log and cache, and leave a signed proof."""
    column, separator, value = key.partition("=")
    if not separator or not column or not value:
        raise InputError("A key is written COLUMN=VALUE", where="--key")
    _erase(context, "privacy.search", {"table": table, "column": column, "value": value}, reason, dry_run)


def retain(
    context: typer.Context,
    table: Table,
    reason: Annotated[str, typer.Option(help="Why; it is signed and kept.")] = "The time allowed is over",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
) -> None:
    """Remove the rows of a table that are older than its rule of retention allows, wherever they are."""
    _erase(context, "privacy.search_expired", {"table": table}, reason, dry_run)


def _erase(context: typer.Context, search: str, request: dict[str, str], reason: str, dry_run: bool) -> None:
    options: Options = context.obj
    if not dry_run and not reason.strip():
        raise InputError("An erasure needs a reason", where="--reason")
    with client(options) as held:
        for tries_left in (2, 1, 0):
            found = do_job(held, search, {**request, "dry_run": dry_run})
            if dry_run or not (found["rows"] or found["files"]):
                options.printer.value(found, "Found" if found["rows"] or found["files"] else "Nothing found")
                return
            try:
                asked = {"plan": found["plan"], "reason": reason}
                done = held.change("privacy.erase", asked, passphrase=passphrase_of(options, held))
            except Conflict:
                if not tries_left:
                    raise
                continue
            break
        for place in done["places"]:
            _try(options, held, place)
    options.printer.value(done, "Erased")
    if done["runs"]:
        options.printer.say("Models of these runs learned from the erased rows: retrain them with `plimsoll run`.")
    if done["held"]:
        options.printer.say("These rows of the store name the person and cannot be changed: " + ", ".join(done["held"]))


def erasures(context: typer.Context) -> None:
    """All erasures with their proofs."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("erasures")
    columns = ["erasure", "at", "by", "table", "kind", "rows", "files", "held", "open", "state", "valid", "reason"]
    listing(options, frame, columns, "Erasures")


def places(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that are done.")] = False,
) -> None:
    """Stores and targets at which an erasure is still open, and why."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("erasure_places", open=not every)
    listing(options, frame, ["erasure", "place", "state", "reason", "at"], "Places of erasures")


def reach(
    context: typer.Context,
    place: Annotated[str, typer.Argument(help="A place as `places` names it; all without.")] = "",
) -> None:
    """Try the places again at which an erasure is open; exit 1 while one still is."""
    options: Options = context.obj
    with client(options) as held:
        waiting = [place] if place else sorted({row["place"] for row in _open(held)})
        for one in waiting:
            _try(options, held, one)
        left = [f"{row['place']}: {row['reason']}" for row in _open(held, place)]
    verdict(options, {"open": left}, not left)


def _open(held: Client, place: str = "") -> list[dict[str, Any]]:
    rows = held.ask("erasure_places", open=True).iter_rows(named=True)
    return [row for row in rows if place in ("", row["place"])]


def _try(options: Options, held: Client, place: str) -> None:
    """Send somebody to a place at which an erasure is open, and say what came of it."""
    if not _open(held, place):
        return
    for job in held.change("privacy.reach", {"place": place})["jobs"]:
        held.wait(job)
    for row in _open(held, place):
        options.printer.say(f"Still open at {place}: {row['reason']}")


def proof(context: typer.Context, erasure: Annotated[str, typer.Argument(help="An erasure or its proof.")]) -> None:
    """What a proof states, and whether its signature holds; exit 1 when it does not."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("erasure_proof", id=erasure)
    shown = found if options.as_json else {"valid": found["valid"], "open": found["open"], **(found["statement"] or {})}
    verdict(options, shown, found["valid"])
