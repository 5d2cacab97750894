"""init, check, run, status, open, engine, demo, doctor."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import output
from core.cli.session import Options, client, follow_pipeline, prompt
from core.cli.steps import steps_table
from core.kernel.errors import AnswerIsNo, InputError

Json = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    app.command("check")(check)
    app.command("run")(run)
    app.command("status")(status)
    app.command("open")(open_window)
    app.command("engine")(engine)
    app.command("demo")(demo)
    app.command("doctor")(doctor)


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    example: Annotated[str, typer.Option(help="Copy an example project: flights or blank.")] = "",
    encrypt: Annotated[bool, typer.Option(help="Encrypt the store at rest.")] = False,
) -> None:
    """Make a workspace, with you as its first user."""
    from core.engine.founding import found_workspace
    from core.identity.secrets import find_passphrase

    options: Options = context.obj
    if example and not (_examples() / example / "plimsoll.yaml").is_file():
        known = ", ".join(sorted(path.parent.name for path in _examples().glob("*/plimsoll.yaml")))
        raise InputError(f"There is no example {example!r}", remedy=f"Choose one of: {known}.")
    store = os.environ.get("PLIMSOLL_STORE_PASSPHRASE")
    if encrypt and store is None and (ask := prompt()) is not None:
        store = ask("Passphrase of the workspace")
    if encrypt and not store:
        raise InputError("An encrypted workspace needs a passphrase", remedy="Set PLIMSOLL_STORE_PASSPHRASE.")
    from core.engine.operations.people import default_user_name

    name = options.user or default_user_name()
    passphrase = find_passphrase(name, prompt=prompt())
    made = found_workspace(folder, name, passphrase, store_passphrase=store if encrypt else None)
    if example:
        shutil.copytree(_examples() / example, folder / "project", dirs_exist_ok=True)
    options.printer.value({"workspace": str(folder), **made, "project": str(folder / "project") if example else None})


def _examples() -> Path:
    import resources

    return Path(resources.__file__ or "").parent / "examples"


def check(
    context: typer.Context, project: Annotated[Path, typer.Argument(help="Folder or plimsoll.yaml.")] = Path()
) -> None:
    """Report all problems of plimsoll.yaml, leaks that show in it included."""
    from core.engine.projects import project_problems

    options: Options = context.obj
    problems = project_problems(project)
    if problems:
        raise AnswerIsNo(f"{len(problems)} problems in {project}", problems=problems)
    options.printer.value({"project": str(project), "problems": []})


def run(
    context: typer.Context,
    project: Annotated[Path, typer.Argument(help="Folder or plimsoll.yaml.")] = Path(),
    first: Annotated[str, typer.Option("--from", help="Run again from this step on.")] = "",
    last: Annotated[str, typer.Option("--to", help="Stop after this step.")] = "",
) -> None:
    """Walk the project's pipeline; unchanged steps come from the cache and say so."""
    options: Options = context.obj
    with client(options) as held:
        held.change("project.load", {"path": str(_project_folder(project, options))})
        started = held.change("pipeline.run", {"first": first, "last": last})
        view = follow_pipeline(held, started["pipeline"])
    if options.as_json:
        options.printer.value(view)
    else:
        output.out.print(steps_table(view["steps"]))


def _project_folder(project: Path, options: Options) -> Path:
    inside = options.folder() / "project"
    if project == Path() and not (project / "plimsoll.yaml").exists() and inside.is_dir():
        return inside.resolve()
    return project.resolve()


def status(context: typer.Context) -> None:
    """Jobs, pending sign-offs, incidents, targets."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("overview")
        view["personal_proposals"] = (held.ask("personal_tags")["state"] == "proposed").sum()
    if options.as_json:
        options.printer.value(view)
        return
    champion = view["champion"]
    shown: Json = {
        "project": view["project"] or "none loaded",
        "champion": f"{champion['model']} v{champion['version']}" if champion else "none in production",
        "pending sign-offs": view["pending_sign_offs"],
        "open incidents": view["open_incidents"],
        "running jobs": view["running_jobs"],
        "personal columns to confirm or reject": view["personal_proposals"],
        "targets": view["targets"],
    }
    options.printer.value(shown, "Status")


def open_window(context: typer.Context) -> None:
    """Open the window."""
    from core.cli.window import open_on

    options: Options = context.obj
    raise typer.Exit(open_on(options.folder(), options.user))


def engine(
    context: typer.Context,
    tracking_port: Annotated[
        int | None, typer.Option(help="Answer MLflow's clients on this port of loopback; 0 takes a free one.")
    ] = None,
) -> None:
    """Own the workspace without a window until told to stop: schedules, jobs, socket."""
    options: Options = context.obj
    os.environ.setdefault("PLIMSOLL_WARM", "1")
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    with client(options) as held:
        if not held.owns:
            raise InputError("Another process owns this workspace already", where=str(held.root))
        door = held.open_tracking(tracking_port) if tracking_port is not None else None
        if door is not None:
            options.printer.say(f"Tracking: export MLFLOW_TRACKING_URI={door.url}")
        options.printer.say(f"Engine of {held.root} is ready")
        ended.wait()
        if door is not None:
            door.close()


def demo(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Where to; the same folder again uses what is there.")] = None,
    no_window: Annotated[bool, typer.Option("--no-window", help="Render the pages to pictures instead.")] = False,
) -> None:
    """The whole loop on the example project, then the window."""
    from core.cli.demo_run import run_demo

    options: Options = context.obj
    place = folder or Path(os.environ.get("PLIMSOLL_WORKSPACE") or Path.cwd() / ".demo")
    raise typer.Exit(run_demo(place, window=not no_window, as_json=options.as_json))


def doctor(context: typer.Context) -> None:
    """What works on this machine."""
    from core.engine.doctor import examine

    options: Options = context.obj
    options.printer.value(examine())
