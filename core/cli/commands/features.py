"""features: definitions, views, the training set, and what serving holds of them."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.session import Options, client
from core.cli.walk import listing, load_project_here, noun, show_steps, walk_to
from core.kernel.errors import NotFound


def register(app: typer.Typer) -> None:
    """Add the commands."""
    features = noun(app, "features", "Features: definitions, views, the training set.")
    features.command("list")(list_features)
    features.command("show")(show_view)
    features.command("build")(build)
    features.command("parity")(parity)


def list_features(context: typer.Context) -> None:
    """All features, with the share of rows that have a value."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("features")
    listing(options, frame, ["feature", "origin", "kind", "owner", "filled", "definition"], "Features")


def show_view(context: typer.Context, view: Annotated[str, typer.Argument(help="A feature view.")]) -> None:
    """One view: entity, availability, freshness, features."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("feature_view", name=view))


def build(context: typer.Context) -> None:
    """Build the point-in-time-correct training set."""
    options: Options = context.obj
    with client(options) as held:
        load_project_here(options, held)
        show_steps(options, walk_to(held, "features"))


def parity(context: typer.Context, model: Annotated[str, typer.Argument(help="A model or champion.")]) -> None:
    """Served probabilities against the same model's offline ones on the same events."""
    options: Options = context.obj
    with client(options) as held:
        version = held.ask("model", name=model)
        report = held.ask("monitoring", model=version["model_version"])
    if report is None or not report["parity"]["rows"]:
        raise NotFound(
            f"No served prediction of {version['model']} v{version['version']} can be compared yet",
            remedy="Collect predictions and run `plimsoll monitor analyse` first.",
        )
    named = {"model": version["model"], "version": version["version"]}
    options.printer.value({**named, **report["parity"]}, "Parity")
