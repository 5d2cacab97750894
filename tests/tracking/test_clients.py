"""Stock MLflow clients of three ages go through a whole session against the tracking port, unchanged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from core.engine.engine import Engine
from core.engine.registry import QUESTIONS
from core.engine.tracking.door import Door

from .clients import run_client

HERE = Path(__file__).parent
OLDER = ["2.13.0", "1.30.0"] if os.environ.get("PLIMSOLL_ALL_CLIENTS") else []  # each makes an environment of its own
VERSIONS = ["3.17.2", *OLDER]


@pytest.fixture(scope="module")
def newest(door: Door) -> list[dict[str, Any]]:
    """What the newest client saw in a session and with models: both in one process, for its start takes long."""
    return run_client("3.17.2", door.url, HERE / "session.py", HERE / "models.py")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_whole_session(version: str, door: Door, request: pytest.FixtureRequest) -> None:
    if version == "3.17.2":
        saw = request.getfixturevalue("newest")[0]
    else:
        (saw,) = run_client(version, door.url, HERE / "session.py")
    assert saw["client"] == version
    assert saw["run"] == ["FINISHED", {"depth": "6", "rate": "0.1", "kind": "tree", "batch": "yes"}, "blue", 0.9]
    assert saw["history"] == [[3, 0.25], [4, 0.2]]
    assert saw["history_length"] == 180
    assert "INVALID_PARAMETER_VALUE" in saw["changed_param"]
    assert "Changing param values is not allowed" in saw["changed_param"]
    assert "RESOURCE_DOES_NOT_EXIST" in saw["no_run"]
    assert saw["search"] == [["8", 0.9], ["6", 0.9]] or saw["search"] == [["6", 0.9], ["8", 0.9]]
    assert saw["search_rest"] == ["4"]
    assert saw["files"] == ["d.json", "notes"]
    assert saw["inner_files"] == [["notes/a.txt", 5]]
    assert (saw["downloaded"], saw["folder"]) == ("hello", ["a.txt"])
    assert (saw["staging"], saw["versions"]) == ("Staging", [1, 2])
    assert "PERMISSION_DENIED" in saw["production"]
    assert "no approved release" in saw["production"]
    assert saw["version"] == ["the second", {"checked": "yes"}]
    assert saw["uri"]
    assert "RESOURCE_DOES_NOT_EXIST" in saw["no_model"]
    assert (saw["deleted"], saw["restored"], saw["experiment"], saw["renamed"]) == (
        "deleted",
        "active",
        "deleted",
        True,
    )
    assert "must be in the 'active' state" in saw["deleted_log"]
    if version > "2":
        assert saw["alias"] == "2"
        assert "no approved release" in saw["champion"]
        assert "not found" in saw["unaliased"]
        assert saw["inputs"] == [["flights", "training"]]


def test_autolog_and_logged_models(newest: list[dict[str, Any]]) -> None:
    """scikit-learn's autolog of MLflow 3, a logged model registered and loaded again by its alias."""
    saw = newest[1]
    assert saw["autolog"] == ["0.5", 0.97]
    assert saw["inputs"] == [["iris", "training"]]
    assert saw["outputs"] == 1
    assert saw["model"][:2] == ["READY", "iris"]
    assert json.loads(saw["model"][2])[0] == {"name": "irises", "version": 1}
    assert (saw["alias"], saw["same"], saw["left"]) == ("1", True, 0)
    assert saw["search"] == ["iris"]


def test_all_of_it_is_in_the_ledger(engine: Engine) -> None:
    """Each write has its entry with the one who wrote it, refused promotions too; and the store verifies."""
    report = QUESTIONS["ledger_verify"](engine)
    assert report["problems"] == []
    kinds = set(QUESTIONS["ledger"](engine, limit=5000)["kind"])
    if report["points"]:  # where no client could be installed, nothing was logged
        assert {"tracking.create_run", "tracking.log", "registry.create_version", "registry.move"} <= kinds
