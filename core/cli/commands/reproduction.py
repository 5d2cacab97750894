"""runs reproduce: a run made again from its record."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli import output
from core.cli.session import Options, client
from core.cli.walk import do_job


def register(runs: typer.Typer) -> None:
    """Add the command to the group ``runs``."""
    runs.command("reproduce")(reproduce)


def reproduce(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id or its beginning, candidate, model, or latest.")],
) -> None:
    """Make a run again from its record: identical, within tolerance, or different (exit 1), and what changed since."""
    options: Options = context.obj
    with client(options) as held:
        made = do_job(held, "run.reproduce", {"run": run})
    if options.as_json:
        options.printer.value(made)
    else:
        output.out.print(f"{made['run']}: {made['verdict']}", markup=False)
        output.out.print(f"  {made['summary']}", markup=False)
        heads = ("what", "then", "now")
        for title, rows in (("Inputs that changed since", made["changed"]), ("Environment", made["environment"])):
            if rows:
                output.rows(heads, [[row["what"], row["then"], row["now"]] for row in rows], title)
            else:
                output.out.print(f"{title}: nothing")
    if made["verdict"] == "different":
        raise typer.Exit(1)
