"""The table of a pipeline's steps, live and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

MARKS = {
    "done": ("✓", "green"),
    "running": ("…", "cyan"),
    "failed": ("✗", "red"),
    "refused": ("⊘", "red"),
    "waiting": ("·", "dim"),
}


def steps_table(steps: Sequence[dict[str, Any]], jobs: Sequence[dict[str, Any]] = ()) -> Table:
    """One line a step: state, time, result; running ones show how far they are."""
    live = {job["job"]: job for job in jobs}
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("result", overflow="fold")
    for step in steps:
        mark, style = MARKS.get(step["state"], ("?", ""))
        seconds = "cached" if step["cached"] else (f"{step['seconds']:.1f}" if step["seconds"] else "")
        table.add_row(Text(mark, style=style), Text(step["name"]), Text(seconds), Text(_result(step, live)))
    return table


def _result(step: dict[str, Any], live: dict[str, dict[str, Any]]) -> str:
    job = live.get(step["job"])
    if step["state"] == "running" and job:
        share = f"{100 * job['done'] / job['total']:.0f}% " if job["total"] else ""
        curves = " ".join(f"{name} {points[-1][1]:.4f}" for name, points in job["metrics"].items() if points)
        return f"{share}{job['message']} {curves}".strip()
    return str(step["summary"])
