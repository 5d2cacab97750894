"""secret: passwords and tokens of sources, kept in the keyring."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from core.cli.session import Options, client, prompt
from core.cli.walk import listing, noun

Name = Annotated[str, typer.Argument(help="Name that a source states as `secret`.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    secret = noun(app, "secret", "Passwords and tokens of sources, kept in the keyring.")
    secret.command("set")(set_secret)
    secret.command("list")(list_secrets)
    secret.command("remove")(remove)


def set_secret(context: typer.Context, name: Name) -> None:
    """Store a secret: typed at a prompt, or the first line of standard input. Never an argument."""
    options: Options = context.obj
    ask = prompt()
    value = ask(f"Value of {name}") if ask is not None else sys.stdin.readline().rstrip("\r\n")
    with client(options) as held:
        options.printer.value(held.change("secret.set", {"name": name}, passphrase=value))


def list_secrets(context: typer.Context) -> None:
    """Secrets by name, never their values."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("secrets")
    listing(options, frame, ["secret", "state", "used_by", "changed_at"], "Secrets")


def remove(context: typer.Context, name: Name) -> None:
    """Remove a secret from the keyring."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.change("secret.remove", {"name": name}))
