"""The record of a run's environment tells two states of the code apart."""

from __future__ import annotations

import subprocess
from pathlib import Path

from core.training.environment import capture_environment, code_state


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_clean_changed_and_untracked_states_differ(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "plimsoll.yaml").write_text("a: 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    clean = code_state(tmp_path)
    assert clean.commit is not None
    assert not clean.dirty
    assert clean.changes is None
    (tmp_path / "plimsoll.yaml").write_text("a: 2\n")
    changed = code_state(tmp_path)
    (tmp_path / "extra.py").write_text("x = 1\n")
    untracked = code_state(tmp_path)
    (tmp_path / "extra.py").write_text("x = 2\n")
    edited = code_state(tmp_path)
    assert changed.dirty
    assert changed.changed_files == ["plimsoll.yaml"]
    assert untracked.changed_files == ["extra.py", "plimsoll.yaml"]
    assert len({state.changes for state in (clean, changed, untracked, edited)}) == 4
    assert {state.commit for state in (clean, changed, untracked, edited)} == {clean.commit}


def test_a_folder_outside_git_counts_as_dirty(tmp_path: Path) -> None:
    state = code_state(tmp_path)
    assert state.dirty
    assert state.commit is None


def test_the_environment_is_complete(tmp_path: Path) -> None:
    found = capture_environment(tmp_path)
    assert found.packages["polars"]
    assert found.packages["torch"]
    assert found.cpu
    assert found.cpu_count >= 1
    assert found.memory_mib > 100
    assert found.python.startswith("3.")
    assert isinstance(found.gpus, list)
    assert found.fingerprint().startswith("b3:")
