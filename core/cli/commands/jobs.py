"""jobs: what runs, what waits, and how it does."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli import output
from core.cli.session import Options, client, follow_job
from core.cli.walk import noun

JobName = Annotated[str, typer.Argument(metavar="JOB", help="Job id or its beginning, or latest.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    jobs = noun(app, "jobs", "Work that runs or waits: list, show, log, pause, resume, cancel.")
    jobs.command("list")(list_jobs)
    for function in (show, log, watch, pause, resume, cancel):
        jobs.command(function.__name__)(function)


def list_jobs(
    context: typer.Context, most: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20
) -> None:
    """The newest jobs, newest first."""
    options: Options = context.obj
    with client(options) as held:
        rows = held.ask("jobs", most=most)
    if options.as_json:
        options.printer.value(rows)
        return
    cells = [
        [row["job"], row["state"], row["title"], row["priority"], row["queued_at"], row["message"]] for row in rows
    ]
    output.rows(("job", "state", "title", "priority", "queued", "now"), cells, "Jobs")


def show(context: typer.Context, job: JobName) -> None:
    """One job: its state, progress, curves and error."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("job", id=job))


def log(context: typer.Context, job: JobName, lines: Annotated[int, typer.Option(min=1, max=10_000)] = 50) -> None:
    """The last lines of a job's log."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("job_log", id=job, most=lines)
    if options.as_json:
        options.printer.value(found)
    else:
        output.out.print("\n".join(found) or "No lines.", markup=False, highlight=False)


def watch(context: typer.Context, job: JobName) -> None:
    """Follow a job until it ends; Ctrl-C cancels it."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(follow_job(held, held.ask("job", id=job)["job"]))


def pause(context: typer.Context, job: JobName) -> None:
    """Stop a running job where it stands. It keeps its memory; its time limit waits too."""
    _pause(context, job, paused=True)


def resume(context: typer.Context, job: JobName) -> None:
    """Let a paused job go on."""
    _pause(context, job, paused=False)


def _pause(context: typer.Context, job: str, *, paused: bool) -> None:
    options: Options = context.obj
    with client(options) as held:
        name = held.ask("job", id=job)["job"]
        held.pause_job(name, paused=paused)
        options.printer.value(held.ask("job", id=name))


def cancel(context: typer.Context, job: JobName) -> None:
    """Stop a job that runs or waits. What it had finished is kept for the next try."""
    options: Options = context.obj
    with client(options) as held:
        name = held.ask("job", id=job)["job"]
        held.cancel(name)
        options.printer.value({"job": name, "state": held.ask("job", id=name)["state"]})
