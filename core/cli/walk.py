"""What several commands share: walks to one step, jobs waited for, chosen columns, files written whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from core.cli import output
from core.cli.session import Options, follow_job, follow_pipeline
from core.cli.steps import steps_table
from core.kernel.errors import InputError, SystemFault

if TYPE_CHECKING:
    import polars as pl

    from core.engine.client import Client


def noun(app: typer.Typer, name: str, text: str) -> typer.Typer:
    """A group of commands under one noun."""
    group = typer.Typer(no_args_is_help=True, help=text, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


def load_project_here(options: Options, held: Client) -> None:
    """Load the project of this folder or of the workspace; without either the one loaded last goes on to count."""
    for folder in (Path.cwd(), options.folder() / "project"):
        if (folder / "plimsoll.yaml").is_file():
            held.change("project.load", {"path": str(folder.resolve())})
            return


def walk_to(held: Client, step: str, first: str = "") -> dict[str, Any]:
    """Walk the pipeline up to ``step``; unchanged steps come from the cache, but for ``first`` and what follows it."""
    started = held.change("pipeline.run", {"first": first, "last": step})
    return follow_pipeline(held, started["pipeline"])


def show_steps(options: Options, view: dict[str, Any]) -> None:
    """The steps of a walk, as a table or as JSON."""
    if options.as_json:
        options.printer.value(view)
    else:
        output.out.print(steps_table(view["steps"]))


def do_job(held: Client, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Dispatch an operation that queues a job, and wait for its result."""
    return follow_job(held, held.change(operation, request)["job"])


def listing(options: Options, frame: pl.DataFrame, columns: Sequence[str], title: str) -> None:
    """A table: all columns as JSON, the chosen ones for people."""
    options.printer.value(frame if options.as_json else frame.select(columns), title)


def verdict(options: Options, value: Any, ok: bool) -> None:
    """Print an answer that may be no; then the exit status is 1.

    Raises:
        typer.Exit: with status 1 when the answer is no.
    """
    options.printer.value(value)
    if not ok:
        raise typer.Exit(1)


def write_whole(file: Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it: a reader never sees half of it.

    Raises:
        InputError: when its folder is not there. SystemFault: when the disk fails.
    """
    if not file.parent.is_dir():
        raise InputError("There is no such folder", where=str(file.parent))
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(file)
    except OSError as error:
        raise SystemFault("The file could not be written", where=str(file), detail=error.strerror or "") from error
    finally:
        part.unlink(missing_ok=True)
