"""user token, user tokens, user revoke-token: access tokens for programs."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from core.cli.session import Options, client
from core.kernel.digests import digest_bytes


def register(user: typer.Typer) -> None:
    """Add the commands to those about users."""
    user.command("token")(add_token)
    user.command("tokens")(list_tokens)
    user.command("revoke-token")(revoke_token)


def add_token(
    context: typer.Context, label: Annotated[str, typer.Option(help="What it is for, such as the host's name.")] = ""
) -> None:
    """Make an access token for MLFLOW_TRACKING_TOKEN. It is shown once; only its digest is stored."""
    options: Options = context.obj
    token = f"plimsoll-{secrets.token_urlsafe(32)}"
    digest = digest_bytes(token.encode())
    with client(options) as held:
        held.change("user.add_token", {"digest": digest, "label": label})
    options.printer.value({"token": token, "known as": digest.removeprefix("b3:")[:12]})


def list_tokens(context: typer.Context) -> None:
    """Access tokens that hold."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("access_tokens"), "Access tokens")


def revoke_token(
    context: typer.Context, token: Annotated[str, typer.Argument(help="The beginning of what it is known as.")]
) -> None:
    """Let an access token in no more."""
    options: Options = context.obj
    with client(options) as held:
        held.change("user.revoke_token", {"digest": token})
        options.printer.value(held.ask("access_tokens"), "Access tokens")
