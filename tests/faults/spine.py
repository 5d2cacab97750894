"""Walks the whole spine of the orders project as the owner of a workspace, until it is killed or done.

Run as ``spine.py WORKSPACE PROJECT``, a process of its own (see ``forks.py``). Every result that the engine
acknowledged is written to standard output as one JSON line, so that the test knows what must never
be lost. It can be started again on the same workspace at any point.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orders import PASSPHRASE, REVIEWERS

from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.kernel.errors import InputError, PlimsollError, SystemFault, error_from_dict


def tell(what: str, **facts: Any) -> None:
    """One acknowledged result."""
    sys.stdout.write(json.dumps({"what": what, **facts}) + "\n")
    sys.stdout.flush()


def main() -> None:
    root, project = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        found_workspace(root, "founder", PASSPHRASE)
    except InputError as error:
        if "already" not in error.headline:
            raise
    client = connect(root, user="founder", passphrase=PASSPHRASE)
    tell("open")
    try:
        walk(client, project)
    finally:
        client.close()
    tell("closed")


def walk(client: Client, project: Path) -> None:
    """From nothing to a packaged release, skipping what is there."""
    known = set(client.ask("users")["name"].to_list())
    for name in REVIEWERS:
        if name not in known:
            made = client.change("user.add", {"name": name, "roles": ["reviewer"]}, passphrase=PASSPHRASE)
            tell("user", id=made["user"])
    client.change("project.load", {"path": str(project)})
    patiently(lambda: pipeline(client))
    release(client)


def pipeline(client: Client) -> None:
    """One walk of the pipeline, each finished step told of."""
    run = client.change("pipeline.run", {"reason": "spine"})["pipeline"]
    told: set[str] = set()
    while True:
        view = client.ask("pipeline", id=run)
        for step in view["steps"]:
            if step["state"] == "done" and step["name"] not in told:
                told.add(step["name"])
                tell("step", name=step["name"], cached=step["cached"])
        if view["state"] != "running":
            break
        client.pause(0.02)
    if view["state"] != "done":
        raise error_from_dict(view["error"])


def patiently(work: Callable[[], None]) -> None:
    """Once more whenever a worker was killed: it must be told in words, and what was made must count."""
    while True:
        try:
            return work()
        except SystemFault as fault:
            if "worker process" not in fault.headline:
                raise
            tell("worker lost", headline=fault.headline)


def release(client: Client) -> None:
    """Propose, sign twice, package."""
    rows = client.ask("releases").to_dicts()
    chosen = rows[0]["release"] if rows else client.change("release.propose", {"model": "orders"})["release"]
    tell("release", id=chosen)
    for name in REVIEWERS:
        reviewer = client.as_user(name, PASSPHRASE)
        try:
            reviewer.change(
                "release.sign", {"release": chosen, "meaning": "approve", "comment": "read"}, passphrase=PASSPHRASE
            )
        except PlimsollError as error:
            if "signed release" not in error.headline:
                raise
        tell("signed", by=name)
    patiently(lambda: package(client, chosen))


def package(client: Client, chosen: str) -> None:
    """Build the package."""
    made = client.wait(client.change("release.package", {"release": chosen})["job"])
    tell("package", id=made["package"])
