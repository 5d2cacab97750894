"""What starts must start light: the window, the command line and the runtime import only what they need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ["torch", "sklearn", "onnx", "onnxruntime", "skl2onnx", "scipy", "pandas", "fairlearn"]
CASES = {
    "app.__main__": HEAVY,
    "core.engine.client": [*HEAVY, "PySide6"],
    "core.cli.__main__": [*HEAVY, "PySide6"],
    "core.contract.schema": [*HEAVY, "PySide6", "polars", "duckdb", "sqlmodel"],
}


@pytest.mark.parametrize("module", CASES)
def test_importing_it_brings_nothing_heavy(module: str) -> None:
    code = f"import sys, json, {module}; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) & set(CASES[module]) == set()
