"""Three trainers on three kinds of task: trained, evaluated, gated and registered, from one real table.

Two classes are walked in many other files; ``PLIMSOLL_ALL_TASKS=1`` walks them here too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.engine.engine import Engine
from core.engine.founding import found_workspace

from ..faults.orders import PASSPHRASE
from ..training.task_sets import hours

TEXT = (Path(__file__).parent / "bikes.yaml").read_text()
BINARY = "label: {name: busy, expression: bikers > 140, known_at: known}"
LABELS = {
    "binary": BINARY,
    "multiclass": (
        "label: {name: level, known_at: known, task: multiclass, expression: "
        "\"CASE WHEN bikers > 250 THEN 'busy' WHEN bikers > 80 THEN 'usual' ELSE 'calm' END\"}"
    ),
    "regression": "label: {name: hired, expression: bikers, known_at: known, task: regression}",
}
GATES = {
    "binary": "metrics.roc_auc.value",
    "multiclass": 'metrics.accuracy.value, op: ">=", value: 0.5}',
    "regression": 'metrics.r2.value, op: ">=", value: 0.2}',
}
TRAINERS = {"linear", "trees", "network"}


def project_text(task: str) -> str:
    text = TEXT.replace(BINARY, LABELS[task])
    if task == "binary":
        return text
    return text.replace('metrics.roc_auc.value, op: ">=", value: 0.7}', GATES[task])


class Held:
    """An engine with one worker: its libraries are imported once for all trainings."""

    def __init__(self, root: Path) -> None:
        found_workspace(root, "founder", PASSPHRASE)
        self.engine = Engine(root, slots=1)
        self.token = self.engine.login("founder", None)

    def walk(self, project: Path) -> dict[str, Any]:
        self.engine.change(self.token, "project.load", {"path": str(project)}, None, None)
        run = self.engine.change(self.token, "pipeline.run", {}, None, None)["pipeline"]
        while (view := self.engine.ask(self.token, "pipeline", {"id": run}))["state"] == "running":
            threading.Event().wait(0.05)
        assert view["state"] == "done", view["error"]
        return {step["name"]: step for step in view["steps"]}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    made = Held(tmp_path_factory.mktemp("tasks") / "workspace")
    yield made
    made.engine.close()


@pytest.mark.parametrize("task", list(LABELS) if os.environ.get("PLIMSOLL_ALL_TASKS") else ["multiclass", "regression"])
def test_three_trainers_from_table_to_registry(task: str, held: Held, tmp_path: Path) -> None:
    hours().write_csv(tmp_path / "hours.csv")
    (tmp_path / "plimsoll.yaml").write_text(project_text(task).replace("project: bikes", f"project: bikes_{task}"))
    steps = held.walk(tmp_path)
    for name in TRAINERS:
        assert steps[f"gates:{name}"]["state"] == "done"
        assert "all passed" in steps[f"gates:{name}"]["summary"], steps[f"gates:{name}"]["summary"]
    assert "waits for a proposal" in steps["register"]["summary"]
