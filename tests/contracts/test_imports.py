"""The rooms of docs/architecture.md: contracts that hold, and that are seen to break."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[2]
PLANTED = {
    "core/features/planted.py": "import core.governance\n",  # a sibling: floors
    "core/kernel/planted.py": "import PySide6.QtCore\n",  # no-window-in-core
    "core/engine/planted.py": "import duckdb\n",  # duckdb
    "core/delivery/planted.py": "import sqlmodel\nimport core.store\n",  # store-rows, capabilities-do-not-store
    "core/contract/planted.py": "def later():\n    import torch\n",  # runtime-is-small, inside a function
    "app/planted.py": "import sklearn\n",  # window-computes-nothing
    "app/widgets/planted.py": "import core.kernel\n",  # dumb-widgets
    "app/pages/data/planted.py": "import app.pages.lineage\n",  # pages
}
# What of core the window may know: the client, and modules that hold records and nothing heavy.
SEEN_BY_APP = re.compile(
    r"^core\.(kernel(\.\w+)?|contract(\.\w+)?|engine\.client|engine\.(questions|operations|records)(\.\w+)?|\w+\.records)$"
)


def modules() -> dict[str, Path]:
    """Every module of core and app by its name."""
    found = {}
    for file in [*ROOT.glob("core/**/*.py"), *ROOT.glob("app/**/*.py")]:
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(name: str, file: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Modules of ours that a file imports anywhere, in functions too, with the line."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                target = f"{source}.{alias.name}" if f"{source}.{alias.name}" in known else source
                if target in known:
                    yield target, node.lineno


def lint(folder: Path) -> str:
    """What import-linter says about the packages in ``folder``."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Our packages and configuration in a folder of their own."""
    for package in ("core", "app"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_holds() -> None:
    said = lint(ROOT)
    assert re.search(r"Contracts: \d+ kept, 0 broken", said), said


def test_a_planted_import_breaks_every_contract(copy: Path) -> None:
    for file, text in PLANTED.items():
        (copy / file).write_text(text)
    said = lint(copy)
    assert re.search(r"Contracts: 0 kept, \d+ broken", said), said
    for file in PLANTED:
        assert file.removesuffix(".py").replace("/", ".") in said


def test_there_are_no_import_cycles_even_through_functions() -> None:
    known = modules()
    graph = nx.DiGraph((name, target) for name, file in known.items() for target, _ in imports(name, file, known))
    cycles = [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]
    assert cycles == []


def test_the_window_reaches_core_through_its_front_door_only() -> None:
    known = modules()
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {target}"
        for name, file in known.items()
        if name.split(".")[0] == "app"
        for target, line in imports(name, file, known)
        if target.startswith("core") and not SEEN_BY_APP.match(target)
    ]
    assert wrong == []
