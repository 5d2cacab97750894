"""release, target, deploy, rollout: from a registered version to what runs on a host."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from core.cli import output
from core.cli.session import Options, client, passphrase_of
from core.cli.walk import do_job, listing, noun, verdict, write_whole
from core.kernel.errors import NotFound, Refused

ReleaseId = Annotated[str, typer.Argument(metavar="ID", help="Release id or its beginning, or latest.")]
TargetName = Annotated[str, typer.Argument(metavar="TARGET", help="Name of a target.")]
Environment = Annotated[str, typer.Option(help="production or staging.")]
Reason = Annotated[str, typer.Option(help="Why; it is recorded.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    release = noun(app, "release", "Releases: propose, sign, package, verify.")
    release.command("propose")(propose)
    release.command("list")(list_releases)
    release.command("show")(show)
    release.command("sign")(sign)
    release.command("package")(package)
    release.command("export")(export)
    release.command("verify")(verify)
    target = noun(app, "target", "Hosts that packages go to.")
    target.command("add")(add_target)
    target.command("list")(list_targets)
    target.command("check")(check_target)
    target.command("remove")(remove_target)
    app.command("deploy")(deploy)
    rollout = noun(app, "rollout", "What runs on a target: look, go back, stop, go on.")
    rollout.command("status")(status)
    rollout.command("rollback")(rollback)
    rollout.command("kill")(kill)
    rollout.command("revive")(revive)


def propose(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="latest, NAME, NAME/NUMBER or id.")],
    environment: Environment = "production",
) -> None:
    """Freeze a version into a dossier that people can sign."""
    options: Options = context.obj
    with client(options) as held:
        version = held.ask("model", name=model)
        made = held.change("release.propose", {"model": version["model_version"], "environment": environment})
    options.printer.value({**made, "model": version["model"], "version": version["version"]})


def list_releases(context: typer.Context) -> None:
    """All releases with their sign-offs, newest first."""
    options: Options = context.obj
    with client(options) as held:
        frame = held.ask("releases")
    columns = ["release", "model", "version", "environment", "state", "approvals", "approvals_needed", "author"]
    listing(options, frame, columns, "Releases")


def show(context: typer.Context, release: ReleaseId) -> None:
    """One release: the dossier, who signed what, what counts and why, where it runs."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("release", id=release)
    if options.as_json:
        options.printer.value(view)
        return
    dossier, tally = view["dossier"], view["tally"]
    options.printer.value(
        {
            "release": view["release"],
            "model": f"{dossier['model']} v{dossier['version']} for {dossier['environment']}",
            "state": view["state"],
            "approvals": f"{len(tally['approved_by'])} of {tally['needed']}",
            "author": view["author_name"],
            "dossier": view["dossier_digest"] + ("" if view["dossier_intact"] else " (CHANGED since it was proposed)"),
            "package": view["package_digest"],
            "replaces": dossier["previous"],
            "changes": dossier["changes"],
            "deployed": [f"{one['target']} at {one['at']}" for one in view["deployments"]],
        }
    )
    signed = ("signer", "meaning", "signed_at", "valid", "comment", "reason")
    output.rows(signed, [[one[name] for name in signed] for one in view["sign_offs"]], "Sign-offs")
    shown = ("rule", "observed", "op", "expected", "passed")
    output.rows(shown, [[gate[name] for name in shown] for gate in dossier["gates"]], "Gates")
    if view["exceptions"]:
        told = ("rule", "signer_name", "expires_at", "stands", "reason")
        output.rows(told, [[one[name] for name in told] for one in view["exceptions"]], "Exceptions")
    output.rows(
        ("kind", "id", "summary"), [[e["kind"], e["id"], e["summary"]] for e in dossier["evidence"]], "Evidence"
    )


def sign(
    context: typer.Context,
    release: ReleaseId,
    meaning: Annotated[str, typer.Option(help="approve or reject.")],
    comment: Annotated[str, typer.Option(help="What you looked at, in your words.")] = "",
) -> None:
    """Approve or reject in your own name; your passphrase is asked for each time."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("release", id=release)
        dossier = view["dossier"]
        options.printer.say(
            f"Signing {meaning!r} for {dossier['model']} v{dossier['version']} ({dossier['environment']}), "
            f"dossier {view['dossier_digest']}"
        )
        request = {"release": view["release"], "meaning": meaning, "comment": comment}
        options.printer.value(held.change("release.sign", request, passphrase=passphrase_of(options, held)))


def package(
    context: typer.Context,
    release: ReleaseId,
    to: Annotated[Path | None, typer.Option("--to", help="Copy the package into this folder.")] = None,
) -> None:
    """Build the file that travels, from a release that enough people approved."""
    options: Options = context.obj
    with client(options) as held:
        name = held.ask("release", id=release)["release"]
        made: dict[str, Any] = do_job(held, "release.package", {"release": name})
        if to is not None:
            to.mkdir(parents=True, exist_ok=True)
            made["file"] = str(to / f"{name}.tar")
            write_whole(to / f"{name}.tar", Path(held.ask("release_file", id=name)).read_bytes())
    options.printer.value(made)


def export(context: typer.Context, release: ReleaseId, file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Copy a release's package to a file."""
    options: Options = context.obj
    with client(options) as held:
        view = held.ask("release", id=release)
        stored = held.ask("release_file", id=view["release"])
        if not stored:
            raise NotFound(
                f"Release {view['release']} is not packaged yet",
                remedy=f"Run `plimsoll release package {view['release']}`.",
            )
        data = Path(stored).read_bytes()
    write_whole(file, data)
    digest = view["package_digest"]
    options.printer.value({"release": view["release"], "file": str(file), "bytes": len(data), "digest": digest})


def verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A package.")],
    trust: Annotated[Path | None, typer.Option(help="Trust root of a target; else this workspace's keys.")] = None,
) -> None:
    """Check a package's bytes and signatures as a target would, without a network; exit 1 when it fails."""
    from core.contract.release import Dossier, TrustRoot
    from core.engine.offline import verify_package
    from core.serving.trust import read_trust

    options: Options = context.obj

    def of_workspace(dossier: Dossier) -> TrustRoot:
        with client(options) as held:
            found = held.ask("trust_root", project=dossier.project, environment=dossier.environment)
        return TrustRoot.read(found)

    found = verify_package(file, (lambda _: read_trust(trust)) if trust is not None else of_workspace)
    if options.as_json:
        verdict(options, {"ok": found.ok, **found.plain()}, found.ok)
        return
    answer = {
        "release": found.release,
        "verified": found.ok,
        "approved by": found.approved_by,
        "payload": found.payload,
    }
    options.printer.value(answer)
    for line in found.problems:
        output.out.print(f"✗ {line}", markup=False)
    if not found.ok:
        raise typer.Exit(1)


def add_target(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name here.")],
    url: Annotated[str, typer.Argument(help="ssh://user@host:port/path")],
    key: Annotated[Path, typer.Option(help="Private key to log in with.")],
    host_key: Annotated[str, typer.Option(help="The host's public key, as its operator gave it.")] = "",
    environment: Environment = "production",
) -> None:
    """Add a host with its pinned key. Without --host-key the key is only shown, never accepted by itself."""
    options: Options = context.obj
    client_key = str(key.expanduser().resolve())
    with client(options) as held:
        if not host_key:
            raise _unpinned(name, url, client_key, environment, held.ask("host_key", url=url))
        spec = {
            "name": name,
            "url": url,
            "host_key": host_key,
            "client_key": client_key,
            "environment": environment,
        }
        made = held.change("target.add", {"spec": spec})
    options.printer.value({**made, "name": name, "url": url, "environment": environment})


def _unpinned(name: str, url: str, key: str, environment: str, found: dict[str, Any]) -> Refused:
    command = ["plimsoll", "target", "add", name, url, "--host-key", found["text"], "--key", key]
    if environment != "production":
        command += ["--environment", environment]
    return Refused(
        f"The host key of {found['host']}:{found['port']} is not pinned; nothing was added",
        detail=f"It presents {found['text'].split()[0]} with fingerprint\n{found['sha256']}",
        remedy="Compare the fingerprint with the one that the host's operator gives. If it is the same, run:\n"
        + shlex.join(command),
    )


def list_targets(context: typer.Context) -> None:
    """Targets with what runs on each, as far as this console knows."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("targets"), "Targets")


def check_target(context: typer.Context, name: TargetName) -> None:
    """Whether a target could take a deployment; exit 1 with everything that stands in the way."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("target_check", target=name))


def remove_target(context: typer.Context, name: TargetName) -> None:
    """Forget a target; its past stays on record."""
    options: Options = context.obj
    with client(options) as held:
        held.change("target.remove", {"target": name})
    options.printer.value({"removed": name})


def deploy(
    context: typer.Context,
    release: ReleaseId,
    to: Annotated[str, typer.Option("--to", metavar="TARGET", help="Name of a target.")],
    strategy: Annotated[Literal["replace"], typer.Option(help="How it takes over.")] = "replace",
) -> None:
    """Push, install without a network, test there, switch."""
    options: Options = context.obj
    with client(options) as held:
        name = held.ask("release", id=release)["release"]
        made = do_job(held, "deploy.start", {"release": name, "target": to, "strategy": strategy})
    if options.as_json:
        options.printer.value(made)
        return
    output.rows(("step", "what it saw"), [[one["step"], one["detail"]] for one in made["steps"]], f"{name} on {to}")


def status(context: typer.Context, target: TargetName) -> None:
    """What is installed and what answers on a target, asked there now."""
    options: Options = context.obj
    with client(options) as held:
        options.printer.value(held.ask("target_status", target=target))


def rollback(context: typer.Context, target: TargetName, reason: Reason) -> None:
    """Go back to the release before."""
    _switch(context, "deploy.rollback", target, reason)


def kill(context: typer.Context, target: TargetName, reason: Reason) -> None:
    """Stop answering: inference says 503 from the next request on."""
    _switch(context, "deploy.kill", target, reason)


def revive(context: typer.Context, target: TargetName, reason: Reason) -> None:
    """Answer again."""
    _switch(context, "deploy.revive", target, reason)


def _switch(context: typer.Context, operation: str, target: str, reason: str) -> None:
    options: Options = context.obj
    with client(options) as held:
        made = do_job(held, operation, {"target": target, "reason": reason})
    options.printer.value(made if options.as_json else {"target": target, **made["status"]})
