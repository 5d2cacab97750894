"""A run keeps what git did not hold: the patch brings a clean copy of the commit to the same files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from core.training.environment import write_changes


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def test_a_dirty_project_comes_back_from_commit_and_patch(tmp_path: Path) -> None:
    project, clone = tmp_path / "project", tmp_path / "clone"
    project.mkdir()
    git(project, "init", "-q")
    (project / "plimsoll.yaml").write_text("project: x\n")
    (project / ".gitignore").write_text("*.log\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    assert not write_changes(project, tmp_path / "nothing.patch")
    assert not (tmp_path / "nothing.patch").exists()
    git(tmp_path, "clone", "-q", str(project), str(clone))

    (project / "plimsoll.yaml").write_text("project: y\n")
    (project / "extra.bin").write_bytes(bytes(range(256)))
    (project / "run.log").write_text("not of the project")
    before = git(project, "status", "--porcelain")
    assert write_changes(project, tmp_path / "changes.patch")
    assert git(project, "status", "--porcelain") == before
    git(clone, "apply", "--binary", str(tmp_path / "changes.patch"))
    assert (clone / "plimsoll.yaml").read_text() == "project: y\n"
    assert (clone / "extra.bin").read_bytes() == bytes(range(256))
    assert not (clone / "run.log").exists()


def test_a_folder_outside_git_has_no_patch(tmp_path: Path) -> None:
    assert not write_changes(tmp_path, tmp_path / "changes.patch")
