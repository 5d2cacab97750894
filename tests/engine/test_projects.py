"""Which version of a project's file a walk takes."""

from __future__ import annotations

from pathlib import Path

from core.engine.engine import Engine
from core.engine.projects import newest_version

from ..faults.orders import write_project


def test_going_back_to_an_earlier_text_takes_that_text(engine: Engine, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project")
    file = folder / "plimsoll.yaml"
    token, first = engine.login("founder", None), file.read_text("utf-8")

    def loaded(text: str) -> str:
        file.write_text(text, encoding="utf-8")
        return str(engine.change(token, "project.load", {"path": str(folder)}, None, None)["version"])

    one = loaded(first)
    assert loaded(first) == one
    two = loaded(first + "# another version\n")
    assert two != one
    assert loaded(first) not in (one, two)
    with engine.workspace.database.reading() as session:
        assert newest_version(session).text == first
