"""data profile: one, several together, two side by side, or one column over the snapshots of its table."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import output
from core.cli.session import Options, client
from core.cli.walk import listing, write_whole
from core.kernel.clock import utc_text
from core.kernel.errors import InputError, Problem

if TYPE_CHECKING:
    import polars as pl

    from core.engine.client import Client

SUFFIX = ".profile"
COLUMNS = ("name", "type", "nulls", "distinct", "min", "p50", "max", "mean", "std", "top")
HISTORY = ("snapshot", "created_at", "rows", "null_share", "distinct", "min", "p50", "max", "mean", "std")


def register(data: typer.Typer) -> None:
    """Add the command to the group ``data``."""
    data.command("profile")(profile)


def profile(
    context: typer.Context,
    tables: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Table, snapshot, or an exported .profile file.")
    ],
    merge: Annotated[bool, typer.Option("--merge", help="All of them together, without their data.")] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to FILE.profile, to be merged or compared elsewhere.")
    ] = None,
    history: Annotated[
        str, typer.Option(metavar="COLUMN", help="The figures of this column over the table's snapshots.")
    ] = "",
) -> None:
    """What each column holds. Two names: what differs between them, the most changed column first."""
    options: Options = context.obj
    names = [str(Path(name).resolve()) if name.endswith(SUFFIX) else name for name in tables]
    _sensible(names, merge, export, history)
    with client(options) as held:
        if export is not None:
            _export(options, held, names, export)
        elif history:
            _history(options, held.ask("profile_history", table=names[0], column=history), history)
        elif len(names) == 2 and not merge:
            _compared(options, held.ask("profiles_compared", a=names[0], b=names[1]))
        else:
            one = len(names) == 1 and not names[0].endswith(SUFFIX)
            found = held.ask("profile", id=names[0]) if one else held.ask("profiles_merged", ids=names)
            _shown(options, found)


def _sensible(names: list[str], merge: bool, export: Path | None, history: str) -> None:
    """What cannot be meant, all of it at once."""
    problems = []
    if len(names) > 2 and not (merge or export):
        problems.append(Problem("more than two profiles are compared", expected="two names, or --merge"))
    if len(names) > 1 and export and not merge:
        problems.append(Problem("several profiles go into one file", expected="--merge beside --export"))
    if history and (len(names) > 1 or merge or export):
        problems.append(Problem("--history is of one table", expected="one name and no other option"))
    if export and export.suffix != SUFFIX:
        problems.append(Problem(f"{export.name} is no name for a profile", expected=f"a name that ends in {SUFFIX}"))
    if problems:
        raise InputError("This cannot be meant together", problems=problems)


def _history(options: Options, found: pl.DataFrame, column: str) -> None:
    """Figures are kept as floats; people see those that are whole in every snapshot as whole numbers."""
    if not options.as_json:
        whole = [one.cast(int) for one in found if one.dtype.is_float() and _whole(one.drop_nulls())]
        found = found.with_columns(whole)
    listing(options, found, HISTORY, column)


def _whole(values: pl.Series) -> bool:
    return bool((values.is_finite() & (values.abs() < 2**53) & (values == values.floor())).all())


def _shown(options: Options, found: dict[str, Any]) -> None:
    if options.as_json:
        options.printer.value(found)
        return
    rows = [[_cell(column, name) for name in COLUMNS] for column in found["columns"]]
    output.out.print(f"{found['table']}: {found['rows']:,} rows, {len(rows)} columns", markup=False)
    output.rows(COLUMNS, rows)
    if any(not column["distinct_exact"] or column["quantile_error"] for column in found["columns"]):
        output.out.print("~ estimated; --json says within which bounds")


def _cell(column: dict[str, Any], name: str) -> str:
    if name == "top":
        return ", ".join(f"{item['value'][:20]} ({item['count']:,})" for item in column["top"][:2] if item["count"] > 1)
    value = column["quantiles"].get(name) if name == "p50" else column[name]
    if value is None:
        return ""
    if column["kind"] == "time" and name in ("min", "p50", "max"):
        value = utc_text(datetime.fromtimestamp(value, UTC)) if isinstance(value, float) else value
        return str(value)[:16].replace("T", " ")
    rough = {"distinct": not column["distinct_exact"], "p50": bool(column["quantile_error"])}.get(name, False)
    return "~" * rough + _text(value)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value).split("(")[0][:24]


def _compared(options: Options, found: dict[str, Any]) -> None:
    if options.as_json:
        options.printer.value(found)
        return
    rows = f"{found['rows_before']:,} → {found['rows_after']:,} rows"
    output.out.print(f"{found['before']} → {found['after']}: {rows}", markup=False)
    changed = [column for column in found["columns"] if column["state"] != "same"]
    if changed:
        output.rows(("column", "state", "what changed"), [[one["name"], one["state"], one["says"]] for one in changed])
    same = len(found["columns"]) - len(changed)
    output.out.print(f"{len(changed)} columns differ, {same} are alike")


def _export(options: Options, held: Client, names: list[str], file: Path) -> None:
    found = held.ask("profile_state", ids=names)
    data = b64decode(found["state"])
    write_whole(file, data)
    options.printer.value({"file": str(file), "table": found["table"], "bytes": len(data)})
