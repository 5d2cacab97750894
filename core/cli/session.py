"""What every command needs: the workspace, who acts, and how to wait for long work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.output import Printer, err
from core.kernel.errors import AnswerIsNo, Refused, SystemFault, error_from_dict

if TYPE_CHECKING:
    from core.engine.client import Client


@dataclass
class Options:
    """The options before the command."""

    workspace: str | None
    as_json: bool
    user: str

    @property
    def printer(self) -> Printer:
        """Prints in the form that was asked for."""
        return Printer(self.as_json)

    def folder(self) -> Path:
        """The workspace: named, from the environment, or the nearest one upward."""
        from core.workspace.workspace import find

        named = self.workspace or os.environ.get("PLIMSOLL_WORKSPACE")
        return Path(named) if named else find(Path.cwd())


@contextmanager
def client(options: Options) -> Iterator[Client]:
    """A client on the workspace for the length of a command."""
    from core.engine.client import connect
    from core.identity.secrets import find_passphrase
    from core.workspace.workspace import read_info

    root = options.folder()
    passphrase = find_passphrase(options.user, prompt=prompt()) if options.user else None
    store = os.environ.get("PLIMSOLL_STORE_PASSPHRASE")
    if read_info(root).encrypted and store is None and (ask := prompt()) is not None:
        store = ask("Passphrase of the workspace")
    held = connect(root, user=options.user, passphrase=passphrase, store_passphrase=store)
    try:
        yield held
    finally:
        held.close()


def prompt() -> Any:
    """A function that asks for a passphrase, or none where nobody can answer."""
    if not sys.stdin.isatty():
        return None
    import getpass

    return lambda text: getpass.getpass(f"{text}: ")


def passphrase_of(options: Options, held: Client) -> str:
    """The acting user's passphrase, for signing: always asked for anew."""
    from core.identity.secrets import find_passphrase

    name = options.user or held.ask("whoami")["name"]
    return find_passphrase(name, prompt=prompt())


def follow_job(held: Client, job: str) -> dict[str, Any]:
    """Show a job's progress until it ends; Ctrl-C cancels it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("waiting", total=None, note="")

        def watch(view: dict[str, Any]) -> None:
            total = view.get("total") or None
            bar.update(
                task,
                description=view["title"],
                total=total,
                completed=view.get("done") or 0,
                note=view.get("message", ""),
            )

        try:
            return held.wait(job, watch)
        except KeyboardInterrupt:
            held.cancel(job)
            raise


def follow_pipeline(held: Client, run: str) -> dict[str, Any]:
    """Show a pipeline's steps until it ends.

    Raises:
        PlimsollError: what stopped it.
    """
    from rich.live import Live

    from core.cli.steps import steps_table

    with Live(console=err, refresh_per_second=5, transient=True) as live:
        while True:
            view: dict[str, Any] = held.ask("pipeline", id=run)
            live.update(steps_table(view["steps"], held.jobs()))
            if view["state"] != "running":
                break
            held.pause(0.2)
    if view["state"] == "done":
        return view
    if view.get("error"):
        raise error_from_dict(view["error"])
    raise {"refused": Refused, "failed": AnswerIsNo}.get(view["state"], SystemFault)(
        f"The pipeline was {view['state']}"
    )
