"""What reviewers forget: long files, unsafe loads, stubs, vague names, addresses, stray files."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = {
    "pyproject.toml",
    "README.md",
    "Makefile",
    "CHANGELOG.md",
    "LICENSE",
    "app",
    "core",
    "resources",
    "tests",
    "packaging",
    "docs",
}
LONGEST = 500
UNSAFE = {
    ("pickle", "load"),
    ("pickle", "loads"),
    ("joblib", "load"),
    ("dill", "load"),
    ("cloudpickle", "load"),
    ("cloudpickle", "loads"),
    ("marshal", "loads"),
    ("shelve", "open"),
    ("time", "sleep"),
    ("os", "system"),
}
UNSAFE_ATTRIBUTES = {"processEvents", "extractall", "unpack_archive"}
VAGUE = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py", "manager.py"}
# Written in parts, so that this file does not hold what it looks for.
ADDRESSES = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "download" + r"\.pytorch", "index" + "-url"]))


def tracked() -> list[Path]:
    """Files that git knows, and that are still there."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def python_files(*rooms: str) -> list[Path]:
    return sorted(file for room in rooms for file in (ROOT / room).rglob("*.py"))


def names(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def test_only_planned_names_stand_at_the_top() -> None:
    found = {file.relative_to(ROOT).parts[0] for file in tracked()}
    assert {name for name in found if not name.startswith(".")} - TOP == set()


def test_no_file_is_too_long() -> None:
    long = [file for file in python_files("core", "app", "tests") if len(file.read_bytes().splitlines()) > LONGEST]
    assert names(long) == []


def test_no_name_says_nothing() -> None:
    assert names([file for file in python_files("core", "app") if file.name in VAGUE]) == []


def unsafe_calls(file: Path) -> list[str]:
    """Calls that run data as code, block the window or unpack without looking, and swallowed errors."""
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        place = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            if (owner, node.func.attr) in UNSAFE or node.func.attr in UNSAFE_ATTRIBUTES:
                found.append(f"{place} {owner}.{node.func.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            found.append(f"{place} {node.func.id}")
        elif isinstance(node, ast.ExceptHandler) and [type(part) for part in node.body] == [ast.Pass]:
            kind = getattr(node.type, "id", "")
            if kind in ("", "Exception", "BaseException"):
                found.append(f"{place} swallows every error")
        elif isinstance(node, ast.Name) and node.id == "NotImplementedError":
            found.append(f"{place} stub")
    return found


def test_nothing_executable_arrives_as_data_and_nothing_is_swallowed() -> None:
    assert [call for file in python_files("core", "app") for call in unsafe_calls(file)] == []


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
    found = [file for file in python_files("core", "app") if words.search(file.read_text("utf-8"))]
    assert names(found) == []


def test_no_registry_address_and_no_path_of_this_machine() -> None:
    paths = (f"{ROOT}/", f"{Path.home()}/.")
    found = []
    for file in tracked():
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture or an archive
        if ADDRESSES.search(text) or any(path in text for path in paths):
            found.append(file)
    assert names(found) == []


def test_no_file_is_large() -> None:
    assert names([file for file in tracked() if file.stat().st_size > 1_000_000]) == []
