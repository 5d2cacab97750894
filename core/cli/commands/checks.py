"""data validate, propose, history and import-suite: what holds of a table, and how that went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import output
from core.cli.session import Options, client
from core.cli.walk import load_project_here, verdict, walk_to


def register(data: typer.Typer) -> None:
    """Add the commands."""
    for function in (validate, propose, history):
        data.command(function.__name__)(function)
    data.command("import-suite")(import_suite)


def validate(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A table with a suite.")],
    file: Annotated[Path | None, typer.Option(help="Check this file as that source; nothing is kept.")] = None,
) -> None:
    """Run a table's suite; exit 1 when a check of severity fail fails."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        if file is not None:
            report = held.ask("check_file", name=name, file=str(file.resolve()))
        else:
            walk_to(held, f"validate:{name}")
            report = held.ask("snapshot", id=name)["validation"]
    if options.as_json:
        verdict(options, report, report["passed"])
        return
    failed = [item for item in report["results"] if not item["passed"]]
    skipped = [item for item in report["results"] if item.get("skipped")]
    words = "passed" if report["passed"] else "failed"
    found = f"{len(failed)} found something" + (f", {len(skipped)} skipped" if skipped else "")
    output.out.print(f"{name}: {words}; {len(report['results'])} checks on {report['rows']:,} rows, {found}")
    if failed or skipped:
        names = ("severity", "name", "expected", "observed", "failed")
        output.rows(names, [[item[column] for column in names] for item in [*failed, *skipped]])
    if not report["passed"]:
        raise typer.Exit(1)


def propose(context: typer.Context, source: Annotated[str, typer.Argument(help="A table with a profile.")]) -> None:
    """Checks that today's data suggest, each with its reason, as YAML for the project's suites."""
    options: Options = context.obj
    with client(options) as held:
        proposals = held.ask("suite_proposal", id=source)
    if options.as_json:
        options.printer.value(proposals)
        return
    from core.data.suite_text import suite_yaml

    typer.echo(suite_yaml(source, [(item["check"], item["why"]) for item in proposals]), nl=False)


def history(
    context: typer.Context,
    table: Annotated[str, typer.Argument(help="A table with a suite.")],
    check: Annotated[str, typer.Argument(help="A check by its name; all when left out.")] = "",
) -> None:
    """How a check went over the table's snapshots, oldest first."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("check_history", table=table, check=check)
    if options.as_json:
        options.printer.value(frame)
        return
    columns = ["created_at", "check", "passed", "failed", "rows", "share", "value", "low", "high"]
    options.printer.value(frame.select(columns), f"{table}: checks over snapshots")


def import_suite(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A Great Expectations suite (JSON) or a Pandera schema (YAML, JSON).")],
    table: Annotated[str, typer.Option(help="The table that the suite is for.")] = "",
) -> None:
    """Another tool's suite as YAML for the project's suites; exit 1 when some of it has no equivalent here."""
    from core.data.suite_import import read_suite
    from core.data.suite_text import suite_yaml

    options: Options = context.obj
    found = read_suite(file)
    name = table or found.table or "table"
    left: list[dict[str, Any]] = [item.plain() for item in found.unmapped]
    if options.as_json:
        checks = [check.model_dump(mode="json", exclude_defaults=True) for check in found.checks]
        options.printer.value({"table": name, "format": found.format, "checks": checks, "unmapped": left})
    else:
        pairs = [(check.model_dump(mode="json", exclude_defaults=True), "") for check in found.checks]
        typer.echo(suite_yaml(name, pairs, found.unmapped), nl=False)
        for item in found.unmapped:
            output.err.print(f"not imported: {item.what}: {item.why}", markup=False)
    if left:
        raise typer.Exit(1)
