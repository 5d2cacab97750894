"""Steps that make tables by the project's own Python, after the tables that they read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.engine.steps import Planner, Step
from core.project.python_tables import function_text
from core.project.schema import PythonTable


def python_step(name: str, spec: PythonTable, before: Sequence[Step]) -> Step:
    """The step of one Python table; the digest of its code is part of its key."""
    made_by = {step.name.split(":", 1)[1]: step.name for step in before}
    needs = {table: made_by[table] for table in spec.inputs if table in made_by}

    def plan(planner: Planner) -> tuple[dict[str, Any], dict[str, str]]:
        function_text(spec.function, planner.folder)  # says what is wrong with it before a job is queued
        params = {
            "name": name,
            "table": planner.project.tables[name].plain(),
            "project": str(planner.folder),
            "snapshots": [planner.outputs[step]["snapshot"] for step in needs.values()],
        }
        return params, {f"table:{table}": planner.blob(step) for table, step in needs.items()}

    return Step(f"table:{name}", f"Compute {name}", "features.python", tuple(needs.values()), plan=plan)
