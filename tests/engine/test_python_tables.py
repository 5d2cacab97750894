"""A Python table through the pipeline: kept with lineage, made again when its code changes, refused when it peeks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.project.load import check_project

from ..faults.orders import PASSPHRASE, orders

FAULTS = Path(__file__).parents[1] / "faults"
TABLE = """\
  streaks:
    description: How many orders of this colour in a row were late, as far as was known
    python:
      function: code/streaks.py:streaks
      inputs:
        events: {columns: [colour, known, days], available: known}
      entity: [colour]
      available: known
      outputs: {colour: text, known: time, streak: int}
suites:
"""
VIEW = """\
  views:
    streaks: {table: streaks, entity: [colour], owner: tests, event_time: known, columns: {streak: streak}}
split:
"""
CODE = """\
import polars as pl

def streaks(events):
    rows = events.sort("known", maintain_order=True).with_columns(late=pl.col("days") > LIMIT)
    run = (pl.col("late") != pl.col("late").shift(1).over("colour")).fill_null(True).cum_sum().over("colour")
    rows = rows.with_columns(run=run).with_columns(streak=pl.col("late").cum_sum().over("colour", "run").cast(pl.Int64))
    return rows.group_by("colour", "known", maintain_order=True).last().select("colour", "known", "streak")
"""


def test_a_python_table_from_code_to_feature(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "code").mkdir(parents=True)
    text = (FAULTS / "orders.yaml").read_text().replace("suites:\n", TABLE, 1).replace("split:\n", VIEW, 1)
    (project / "plimsoll.yaml").write_text(text)
    write_orders(project)
    assert [problem.what for problem in check_project(project)] == [
        "There is no file 'code/streaks.py' in the project's folder"
    ]
    write_code(project, CODE.replace("LIMIT", "3"))
    assert check_project(project) == []
    found_workspace(tmp_path / "workspace", "founder", PASSPHRASE)
    held = connect(tmp_path / "workspace", user="founder", passphrase=PASSPHRASE)
    try:
        first = walk(held, project)
        assert first["table:streaks"]["cached"] is False
        assert not any(step["cached"] for step in first.values())
        version = held.ask("feature_view", name="streaks")["version"]
        assert held.ask("snapshot", id="streaks")["rows"] > 400
        edges = held.ask("lineage", node=held.ask("snapshot", id="streaks")["snapshot"], depth=1)["edges"]
        assert {role for *_, role in edges} >= {"python", "features"}
        assert all(step["cached"] for name, step in walk(held, project).items() if name != "leakage")

        write_code(project, CODE.replace("LIMIT", "2"))
        second = walk(held, project)
        assert [name for name in ("table:events", "table:streaks", "features") if not second[name]["cached"]] == [
            "table:streaks",
            "features",
        ]
        assert held.ask("feature_view", name="streaks")["version"] != version

        write_code(project, CODE.replace("LIMIT", "2").replace("shift(1)", "shift(-1)"))
        with pytest.raises(AssertionError, match="change with what was known only later"):
            walk(held, project)
    finally:
        held.close()


def write_code(project: Path, code: str) -> None:
    (project / "code" / "streaks.py").write_text(code)


def write_orders(project: Path) -> None:
    orders().head(500).write_csv(project / "orders.csv")


def walk(held: Client, project: Path) -> dict[str, Any]:
    held.change("project.load", {"path": str(project)})
    run = held.change("pipeline.run", {"last": "features"})["pipeline"]
    while (view := held.ask("pipeline", id=run))["state"] == "running":
        held.pause(0.05)
    assert view["state"] == "done", view["error"]
    return {step["name"]: step for step in view["steps"]}
