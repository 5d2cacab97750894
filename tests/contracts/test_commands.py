"""The merge check and the set-up say what they should, seen with a stand-in for make and with none of Qt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAILED = "==== 1 failed, 2 passed in 1.23s ===="


def merge_check(tmp_path: Path, said: str, status: int) -> subprocess.CompletedProcess[str]:
    """Run .ci/run with a ``make`` that says ``said`` and ends with ``status``."""
    stand_in = tmp_path / "make"
    stand_in.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit {status}\n")
    stand_in.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return subprocess.run([str(ROOT / ".ci/run")], env=environment, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    ("said", "status", "last"),
    [
        ("....\n==== 44 passed in 4.16s ====", 0, "==== 44 passed in 4.16s ===="),
        (f"FAILED x\n{FAILED}\nmake: *** [test] Error 1", 2, FAILED),
        ("120 passed, 2 skipped in 400.16s (0:06:40)", 0, "120 passed, 2 skipped in 400.16s (0:06:40)"),
    ],
)
def test_the_merge_check_ends_with_pytests_closing_line(tmp_path: Path, said: str, status: int, last: str) -> None:
    done = merge_check(tmp_path, said, status)
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == last


def test_every_target_of_the_makefile_is_there() -> None:
    for target in ("setup", "wheelhouse", "demo", "test", "lint", "bench", "pictures", "schema", "clean"):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


def test_missing_libraries_are_named_by_their_package() -> None:
    code = (
        "import runpy, ctypes\n"
        "def absent(name): raise OSError(name)\n"
        "ctypes.CDLL = absent\n"
        f"runpy.run_path({str(ROOT / 'packaging/system_check.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    lines = done.stdout.splitlines()
    assert "needed libegl1" in lines
    assert "window libxcb-cursor0" in lines
