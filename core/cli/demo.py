"""``plimsoll demo``: the whole loop on the flights, as its people would walk it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.text import Text

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
            line.seconds = line.seconds or time.monotonic() - began
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
