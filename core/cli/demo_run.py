"""Running the demo: workspace, target, stages, summary, window."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from rich.live import Live
from rich.table import Table
from rich.text import Text

from core.cli import output
from core.cli.demo import FOUNDER, PASSPHRASES, Demo
from core.cli.demo_stages import STAGES
from core.cli.window import open_on, pictures_of
from core.delivery.loopback import loopback_target
from core.engine.client import connect
from core.engine.founding import found_workspace
from core.kernel.errors import AnswerIsNo, PlimsollError
from core.workspace.workspace import MARKER, read_info


def run_demo(root: Path, *, window: bool, as_json: bool) -> int:
    """Run it; returns the exit status."""
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
                    error: PlimsollError | None = None
                except PlimsollError as caught:
                    error = caught
            summary(demo, time.monotonic() - began, as_json)
            error = error or shortfall(demo)
            if error is not None:
                raise error
            show(root, window)
        finally:
            client.close()
    return 0


def target_folder(root: Path) -> Path:
    """Where the demo's target keeps its files: a place that an unprivileged user can reach."""
    return Path("/var/tmp") / f"plimsoll-demo-{os.getuid()}-{read_info(root).id}"


def prepare(root: Path) -> bool:
    """Make the workspace if there is none; says whether it did."""
    if (root / MARKER).is_file():
        return False
    root.parent.mkdir(parents=True, exist_ok=True)
    found_workspace(root, FOUNDER, PASSPHRASES[FOUNDER])
    return True


def shortfall(demo: Demo) -> AnswerIsNo | None:
    """What to end with where stages ended without a fault, but not with what they are there to show."""
    short = [line for line in demo.lines if not line.ok]
    if not short:
        return None
    names = ", ".join(line.stage for line in short)
    return AnswerIsNo(
        f"Not as it should be: {names}", detail="\n".join(f"{line.stage}: {line.result}" for line in short)
    )


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


def show(root: Path, window: bool) -> None:
    """The window where there is a screen; otherwise pictures of its pages. Both ask this process, which owns."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    os.environ["PLIMSOLL_PASSPHRASE"] = PASSPHRASES[FOUNDER]
    if window and screen:
        open_on(root, FOUNDER)
        return
    folder = root / "pictures"
    pictures_of(root, FOUNDER, folder)
    why = "asked for" if screen else "there is no screen"
    output.err.print(f"{len(list(folder.glob('*.png')))} pictures of the pages ({why}): {folder}", markup=False)
