"""policy facts, and exceptions from a gate: ask, grant, refuse, revoke, list."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli import output
from core.cli.session import Options, client, passphrase_of
from core.cli.walk import listing

ExceptionId = Annotated[str, typer.Argument(metavar="EXCEPTION", help="Its id or the beginning of it.")]
Comment = Annotated[str, typer.Option(help="What you looked at, and why; it is signed.")]


def register(policy: typer.Typer) -> None:
    """Add the commands to the group."""
    policy.command("facts")(facts)
    policy.command("except")(ask_for)
    policy.command("exceptions")(list_exceptions)
    policy.command("grant")(grant)
    policy.command("refuse")(refuse)
    policy.command("revoke")(revoke)


def facts(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A run or a model, to see what is recorded of it.")] = "",
) -> None:
    """Every fact that a gate may name; with a run or model also its value."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("policy_facts", model=model)
    columns = ["fact", "kind", *(["value"] if model else []), "about"]
    listing(options, found, columns, f"Facts of {model}" if model else "Facts that a gate may name")


def ask_for(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="The run, or the model registered from it.")],
    rule: Annotated[str, typer.Option(help="The gate that did not pass.")],
    reason: Annotated[str, typer.Option(help="Why it may stand; it is signed and kept.")],
    valid: Annotated[str, typer.Option("--for", help="For how long, such as 7d.")] = "7d",
    environment: Annotated[str, typer.Option(help="production or staging.")] = "production",
) -> None:
    """Ask that one failed gate may stand for one release; somebody who had no part in it must sign."""
    options: Options = context.obj
    request = {"model": model, "rule": rule, "reason": reason, "valid": valid, "environment": environment}
    with client(options) as held:
        made = held.change("exception.request", request)
    options.printer.value(made)


def list_exceptions(context: typer.Context) -> None:
    """Exceptions with who asked, who signed, and until when they stand."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("exceptions")
    names = (
        "exception",
        "state",
        "rule",
        "model",
        "environment",
        "observed",
        "requested_by",
        "signed_by",
        "expires_at",
    )
    if options.as_json:
        options.printer.value(found)
        return
    output.rows(names, [[str(row[name]) for name in names] for row in found.iter_rows(named=True)], "Exceptions")


def grant(context: typer.Context, exception: ExceptionId, comment: Comment) -> None:
    """Let the gate stand until the day that was asked for; asks for your passphrase."""
    _sign(context, exception, "grant", comment)


def refuse(context: typer.Context, exception: ExceptionId, comment: Comment) -> None:
    """Refuse an exception; asks for your passphrase."""
    _sign(context, exception, "refuse", comment)


def _sign(context: typer.Context, exception: str, meaning: str, comment: str) -> None:
    options: Options = context.obj
    request = {"exception": exception, "meaning": meaning, "comment": comment}
    with client(options) as held:
        done = held.change("exception.sign", request, passphrase=passphrase_of(options, held))
    options.printer.value(done)


def revoke(
    context: typer.Context, exception: ExceptionId, reason: Annotated[str, typer.Option(help="Why; it is kept.")]
) -> None:
    """Take an exception back; the gate blocks again, also what was released on it."""
    options: Options = context.obj
    with client(options) as held:
        done = held.change("exception.revoke", {"exception": exception, "reason": reason})
    options.printer.value(done)
