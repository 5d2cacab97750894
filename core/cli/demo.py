"""``plimsoll demo``: the whole loop on the flights, as its people would walk it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table
from rich.text import Text

from core.cli import output
from core.cli.steps import steps_table
from core.kernel.errors import PlimsollError

if TYPE_CHECKING:
    from core.engine.client import Client

FOUNDER = "founder"
PASSPHRASES = {
    FOUNDER: "demo founder passphrase",
    "ada": "demo ada passphrase",
    "grace": "demo grace passphrase",
    "katherine": "demo katherine passphrase",
    "oscar": "demo oscar passphrase",
}
PEOPLE = (
    ("ada", "Ada (demo author)", ["analyst", "reviewer"]),
    ("grace", "Grace (demo reviewer)", ["reviewer"]),
    ("katherine", "Katherine (demo reviewer)", ["reviewer"]),
    ("oscar", "Oscar (demo operator)", ["operator"]),
)


@dataclass
class Line:
    """One stage as it went."""

    stage: str
    seconds: float
    result: str
    where: str
    ok: bool = True


@dataclass
class Demo:
    """The walk so far."""

    root: Path
    founder: Client
    live: Live
    lines: list[Line] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def person(self, name: str) -> Client:
        """The same workspace, as somebody else."""
        return self.founder.as_user(name, PASSPHRASES[name])

    @contextmanager
    def stage(self, name: str, where: str) -> Iterator[Line]:
        """Time a stage; its result is filled in inside."""
        line = Line(name, 0.0, "", where)
        began = time.monotonic()
        self.live.update(self._picture(name, ""))
        try:
            yield line
        except PlimsollError:
            line.ok = False
            raise
        finally:
            line.seconds = time.monotonic() - began
            self.lines.append(line)
            self.live.console.print(Text(f"{'✓' if line.ok else '✗'} {name}: {line.result} ({line.seconds:.1f} s)"))

    def job(self, who: Client, operation: str, request: dict[str, Any], title: str) -> dict[str, Any]:
        """Dispatch an operation that queues a job, and wait with its progress on the screen."""
        queued = who.change(operation, request)

        def watch(view: dict[str, Any]) -> None:
            share = f"{100 * view['done'] / view['total']:.0f}% " if view.get("total") else ""
            self.live.update(self._picture(title, share + str(view.get("message", ""))))

        return who.wait(queued["job"], watch)

    def pipeline(self, run: str) -> dict[str, Any]:
        """Wait for a pipeline with its steps on the screen."""
        while True:
            view: dict[str, Any] = self.founder.ask("pipeline", id=run)
            self.live.update(steps_table(view["steps"], self.founder.jobs()))
            if view["state"] != "running":
                return view
            self.founder.pause(0.2)

    def _picture(self, stage: str, message: str) -> Text:
        return Text(f"… {stage}  {message}", style="cyan")


def run_demo(root: Path, *, window: bool, as_json: bool) -> int:
    """Run it; returns the exit status."""
    from core.cli.demo_stages import STAGES
    from core.delivery.loopback import loopback_target
    from core.engine.client import connect

    began = time.monotonic()
    output.err.print(
        "This demo makes its own users (ada, grace, katherine, oscar), whose passphrases are in its source: "
        "they show how people work together and protect nothing."
    )
    fresh = prepare(root)
    with loopback_target("harbour", folder=target_folder(root)) as target:
        client = connect(root, user=FOUNDER, passphrase=PASSPHRASES[FOUNDER])
        try:
            with Live(console=output.err, refresh_per_second=5, transient=True) as live:
                demo = Demo(root, client, live)
                demo.facts |= {"target": target, "fresh": fresh}
                try:
                    for stage in STAGES:
                        stage(demo)
                    error = None
                except PlimsollError as caught:
                    error = caught
            summary(demo, time.monotonic() - began, as_json)
            if error is not None:
                raise error
            show(client, root, window)
        finally:
            client.close()
    return 0


def target_folder(root: Path) -> Path:
    """Where the demo's target keeps its files: a place that an unprivileged user can reach."""
    from core.workspace.workspace import read_info

    return Path("/var/tmp") / f"plimsoll-demo-{os.getuid()}-{read_info(root).id}"


def prepare(root: Path) -> bool:
    """Make the workspace if there is none; says whether it did."""
    from core.engine.founding import found_workspace
    from core.workspace.workspace import MARKER

    if (root / MARKER).is_file():
        return False
    root.parent.mkdir(parents=True, exist_ok=True)
    found_workspace(root, FOUNDER, PASSPHRASES[FOUNDER])
    return True


def summary(demo: Demo, seconds: float, as_json: bool) -> None:
    """The table of stages, or all of it as JSON."""
    if as_json:
        lines = [vars(line) for line in demo.lines]
        sys.stdout.write(json.dumps({"stages": lines, "seconds": seconds}, ensure_ascii=False, indent=2) + "\n")
        return
    table = Table(title="The loop, stage by stage", title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("stage", no_wrap=True)
    table.add_column("seconds", justify="right")
    table.add_column("result", overflow="fold")
    table.add_column("where to look", overflow="fold", style="dim")
    for line in demo.lines:
        mark = Text("✓", style="green") if line.ok else Text("✗", style="red")
        table.add_row(mark, line.stage, f"{line.seconds:.1f}", Text(line.result), Text(line.where))
    output.out.print(table)
    output.out.print(f"{len(demo.lines)} stages in {seconds:.0f} seconds. Workspace: {demo.root}", markup=False)


def show(client: Client, root: Path, window: bool) -> None:
    """The window where there is a screen; otherwise pictures of its pages."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if window and screen:
        from app.__main__ import run

        run(root, user=FOUNDER, client=client)
        return
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from app.pictures import render_pages

    folder = root / "pictures"
    made = render_pages(client, folder)
    why = "asked for" if screen else "there is no screen"
    output.err.print(f"{len(made)} pictures of the pages ({why}): {folder}", markup=False)
