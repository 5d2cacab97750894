"""features backfill: a view's values over a past period."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.session import Options, client
from core.cli.walk import do_job, load_project_here, verdict


def backfill(
    context: typer.Context,
    view: Annotated[str, typer.Argument(help="A feature view.")],
    since: Annotated[str, typer.Option("--from", help="First day or instant, UTC.")],
    until: Annotated[str, typer.Option("--to", help="The day or instant after the last, UTC.")],
    by: Annotated[str, typer.Option(help="day or month; by the period's length if absent.")] = "",
) -> None:
    """Compute a view's past values, and hold them against the first computation. Exit 1 when one differs."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        made = do_job(held, "features.backfill", {"view": view, "since": since, "until": until, "by": by})
    verdict(options, made, made["passed"])
