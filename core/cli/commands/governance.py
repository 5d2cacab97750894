"""lineage, ledger, user, policy."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from core.cli import output
from core.cli.commands import policy as policy_commands
from core.cli.commands import tokens
from core.cli.session import Options, client, passphrase_of, prompt
from core.cli.walk import listing, noun, write_whole
from core.kernel.errors import AnswerIsNo, InputError

NEW_PASSPHRASE = "PLIMSOLL_NEW_PASSPHRASE"
UserName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a user.")]
RoleName = Annotated[str, typer.Option(help="viewer, analyst, reviewer, operator or admin.")]
Reason = Annotated[str, typer.Option(help="Why; it is recorded.")]
File = Annotated[Path, typer.Argument(metavar="FILE")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    lineage = noun(app, "lineage", "What was made of what.")
    lineage.command("show")(show_lineage)
    lineage.command("export")(export_lineage)
    ledger = noun(app, "ledger", "Who did what, in a chain that shows every change.")
    ledger.command("show")(show_ledger)
    ledger.command("verify")(verify)
    ledger.command("export")(export_ledger)
    user = noun(app, "user", "Users, roles, keys.")
    user.command("add")(add_user)
    user.command("list")(list_users)
    user.command("grant")(grant)
    user.command("revoke")(revoke)
    user.command("rotate-key")(rotate_key)
    tokens.register(user)
    policy = noun(app, "policy", "What a release must show, and how many must sign.")
    policy.command("show")(show_policy)
    policy.command("diff")(diff_policies)
    policy.command("test")(test_policy)
    policy_commands.register(policy)


def show_lineage(
    context: typer.Context,
    node: Annotated[str, typer.Argument(metavar="ID", help="Anything with an id, or a model.")],
    up: Annotated[bool, typer.Option("--up", help="Only what it was made of.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what was made of it.")] = False,
    depth: Annotated[int, typer.Option(min=1, help="Steps away.")] = 2,
) -> None:
    """What something was made of, and what was made of it."""
    options: Options = context.obj
    direction = "both" if up == down else ("up" if up else "down")
    with client(options) as held:
        graph = held.ask("lineage", node=node, depth=depth, direction=direction)
    if options.as_json:
        options.printer.value(graph)
        return
    nodes = {item["id"]: item for item in graph["nodes"]}
    centre = nodes[graph["centre"]]
    output.out.print(f"{centre['id']}: {centre['kind']}, {centre['label']} {centre['state']}".rstrip(), markup=False)
    rows = [
        [source, nodes[source]["label"], role, result, nodes[result]["label"]]
        for source, result, role in graph["edges"]
    ]
    output.rows(("of", "", "by", "was made", ""), sorted(rows), f"{len(nodes)} nodes, {len(rows)} edges")


def export_lineage(context: typer.Context, file: File) -> None:
    """Write the lineage as OpenLineage 2-0-2 run events, one JSON object a line."""
    options: Options = context.obj
    with client(options) as held:
        events = held.ask("openlineage")
    write_whole(file, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events).encode())
    options.printer.value({"file": str(file), "events": len(events)})


def show_ledger(
    context: typer.Context,
    where: Annotated[str, typer.Option(help="Keep entries whose text holds this.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Newest entries to show.")] = 50,
) -> None:
    """Entries of the ledger, newest first."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("ledger", where=where, limit=limit)
    listing(options, frame, ["seq", "at", "actor", "kind", "outcome", "summary"], "Ledger")


def verify(context: typer.Context) -> None:
    """Check chain, rows, points, checkpoints and files; exit 1 with everything that was changed."""
    options: Options = context.obj
    with client(options) as held:
        report = held.ask("ledger_verify")
    if options.as_json:
        options.printer.value(report)
    elif report["ok"]:
        head = ("ok", "entries", "rows", "points", "blobs", "collected", "checkpoints", "head")
        options.printer.value({name: report[name] for name in head}, "The ledger is sound")
    else:
        raise AnswerIsNo(
            f"The ledger does not verify: {len(report['problems'])} problems",
            detail="\n".join(report["problems"]),
            remedy="Keep this workspace as it is and restore the newest backup beside it.",
        )
    if not report["ok"]:
        raise typer.Exit(1)


def export_ledger(context: typer.Context, file: File) -> None:
    """Write all entries, whole, one JSON object a line."""
    options: Options = context.obj
    lines: list[str] = []
    with client(options) as held:
        after = 0
        while entries := held.ask("ledger_lines", after=after):
            lines += [json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries]
            after = entries[-1]["seq"]
    write_whole(file, "".join(lines).encode())
    options.printer.value({"file": str(file), "entries": len(lines)})


def add_user(
    context: typer.Context,
    name: UserName,
    role: Annotated[list[str], typer.Option(help="May be given several times.")],
    full_name: Annotated[str, typer.Option(help="As it stands under signatures.")] = "",
    person: Annotated[str, typer.Option(help="Who is behind the account, where one person has several.")] = "",
) -> None:
    """Add a user with a first key, sealed with the new user's passphrase."""
    options: Options = context.obj
    passphrase = _new_passphrase(name)
    request = {"name": name, "full_name": full_name, "person": person, "roles": role}
    with client(options) as held:
        made = held.change("user.add", request, passphrase=passphrase)
    options.printer.value({**made, "name": name, "roles": role})


def _new_passphrase(name: str) -> str:
    found = os.environ.get(NEW_PASSPHRASE, "")
    ask = prompt()
    if not found and ask is not None:
        found = ask(f"New passphrase of {name}")
        if ask("The same again") != found:
            raise InputError("The two passphrases differ")
    if not found:
        raise InputError(
            f"No passphrase for the new user {name}",
            remedy=f"Run this in a terminal to be asked for it, or set {NEW_PASSPHRASE} for this one command.",
        )
    return str(found)


def list_users(context: typer.Context) -> None:
    """Users with their roles and keys."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("users")
    listing(options, frame, ["name", "full_name", "roles", "person", "key", "created_at"], "Users")


def grant(context: typer.Context, name: UserName, role: RoleName, reason: Reason) -> None:
    """Give a role."""
    _role(context, "user.grant", name, role, reason)


def revoke(context: typer.Context, name: UserName, role: RoleName, reason: Reason) -> None:
    """Take a role away."""
    _role(context, "user.revoke", name, role, reason)


def _role(context: typer.Context, operation: str, name: str, role: str, reason: str) -> None:
    options: Options = context.obj
    with client(options) as held:
        held.change(operation, {"user": name, "role": role, "reason": reason})
        users = held.ask("users").to_dicts()
    roles = next(item["roles"] for item in users if name in (item["name"], item["user"]))
    options.printer.value({"name": name, "roles": roles})


def rotate_key(context: typer.Context, reason: Reason) -> None:
    """Replace your own signing key; what the old one signed stays valid."""
    options: Options = context.obj
    with client(options) as held:
        passphrase = passphrase_of(options, held)
        options.printer.value(held.change("key.rotate", {"reason": reason}, passphrase=passphrase))


def show_policy(context: typer.Context) -> None:
    """The policy of the loaded project."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("policy")
    if not options.as_json:
        found = {"policy": f"{found.pop('name')} v{found.pop('version')}", **found}
    options.printer.value(found)


def diff_policies(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="A", help="A plimsoll.yaml, current, or a project version.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same, for the other one.")],
) -> None:
    """What changes from one policy to another; exit 1 when the other demands less."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("policy_diff", a=_place(before), b=_place(after))
    if options.as_json:
        options.printer.value(found)
    else:
        for line in found["lines"] or ["The two policies are the same"]:
            output.out.print(line + (" — demands less" if line in found["weaker"] else ""), markup=False)
        for line in found["problems"]:
            output.out.print(f"✗ {line}", markup=False)
    if found["weaker"] or found["problems"]:
        raise typer.Exit(1)


def _place(name: str) -> str:
    return str(Path(name).resolve()) if Path(name).exists() else name


def test_policy(context: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """How the evaluated runs would fare under the policy of a plimsoll.yaml; exit 1 when one would be blocked."""
    options: Options = context.obj
    with client(options) as held:
        found = held.ask("policy_test", file=str(file.resolve()))
    if options.as_json:
        options.printer.value(found)
    else:
        names = ("run", "name", "releases", "was", "verdict", "not_passed")
        output.rows(names, [[item[name] for name in names] for item in found], f"Runs under {file}")
    if any(item["verdict"] == "blocked" for item in found):
        raise typer.Exit(1)
