"""tune: better settings for a trainer, within a budget."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.cli import output
from core.cli.session import Options, client, follow_pipeline
from core.cli.walk import load_project_here

SHOWN = 15


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tune")(tune)


def tune(
    context: typer.Context,
    trainer: Annotated[str, typer.Argument(help="A search of the project, a candidate, or a trainer.")],
    budget: Annotated[int, typer.Option(min=1, max=10_000, help="Trials in all; asked again, a search goes on.")] = 20,
) -> None:
    """Search settings: trials are runs like any other; hopeless ones are stopped early."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        started = held.change("tuning.run", {"search": trainer, "budget": budget})
        follow_pipeline(held, started["pipeline"])
        found = held.ask("tuning", name=trainer)
    if options.as_json:
        options.printer.value(found)
        return
    show(found)


def show(found: dict[str, Any]) -> None:
    """The best trials, what mattered, and the lines to write into the project."""
    best, goal = found["best"], found["goal"]
    done = [trial for trial in found["all"] if trial["state"] == "done"]
    ranked = sorted(done, key=lambda trial: trial["value"] * (1 if found["lower_is_better"] else -1))
    names = list(found["space"])
    rows = [
        [
            trial["number"] + 1,
            f"{trial['value']:.5f}",
            *(_cell(trial["settings"].get(name)) for name in names),
            trial["run"],
        ]
        for trial in ranked[:SHOWN]
    ]
    output.rows(("trial", goal, *names, "run"), rows, f"{found['trials']} trials, {found['pruned']} stopped early")
    if found["importance"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in found["importance"].items())
        output.out.print(f"What mattered: {shares}", markup=False)
    page = f"Page: plimsoll report {found['report']} --to FILE.html"
    output.out.print(page, markup=False)
    if best is None:
        output.out.print("No trial ended well; see `plimsoll jobs list`.", markup=False)
        raise typer.Exit(1)
    settings = {**found["shared"], **best["settings"]}
    lines = [f"      {name}: {_cell(value)}" for name, value in settings.items()]
    output.out.print(
        "\n".join(["To keep it, write into plimsoll.yaml under training.candidates:", f"  {found['name']}_tuned:",
                   f"    trainer: {found['trainer']}", "    settings:", *lines]),
        markup=False, highlight=False,
    )  # fmt: skip


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
