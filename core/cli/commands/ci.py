"""ci: one command that a git server runs before a merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli import output
from core.cli.ci_cases import MARKS, junit, markdown
from core.cli.session import Options
from core.cli.walk import write_whole


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ci")(ci)


def ci(
    context: typer.Context,
    project: Annotated[Path, typer.Argument(help="Folder of plimsoll.yaml.")] = Path(),
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="Write a Markdown summary here.")] = None,
    update: Annotated[
        bool, typer.Option("--update-baseline", help="Take what is found as plimsoll.baseline.json, to be committed.")
    ] = False,
) -> None:
    """Test code, data, leaks, training, figures, gates and the package in a throwaway workspace."""
    from core.cli.ci import run_ci

    options: Options = context.obj
    cases = run_ci(project, update=update)
    if junit_file is not None:
        write_whole(junit_file, junit(cases))
    if summary is not None:
        write_whole(summary, markdown(cases).encode())
    if options.as_json:
        options.printer.value({"ok": not cases.failed, "cases": [vars(case) for case in cases.all]})
    else:
        rows = []
        for group in cases.groups:
            inside = cases.of(group)
            counts = [sum(case.state == state for case in inside) for state in MARKS]
            rows.append([group, *counts, round(sum(case.seconds for case in inside), 1)])
        output.rows(("tests", *MARKS, "seconds"), rows, cases.project)
        for case in cases.failed:
            output.out.print(f"✗ {case.group} · {case.name}\n  {case.words}", markup=False, highlight=False)
    if cases.failed:
        raise typer.Exit(1)
