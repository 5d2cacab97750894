"""Searching, comparing and curating runs of clients, and importing what MLflow itself kept."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.registry import QUESTIONS
from core.kernel.errors import InputError, NotFound

from .conftest import PASSPHRASE

HERE = Path(__file__).parent
PAUSE = threading.Event()
DATABASE_RUNS = {"run-205f0f7a", "run-e91ec23a", "run-fe85c897"}  # how their ids begin


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``mlruns`` and a file ``mlflow.db`` as MLflow 3 keeps them; ``keep.py`` says how they were made."""
    home = tmp_path_factory.mktemp("kept")
    for name, words in json.loads((HERE / "kept_mlruns.json").read_text())["files"].items():
        file = home / "mlruns" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(words.replace("ROOT", str(home)))
    with closing(sqlite3.connect(home / "mlflow.db")) as made:
        made.executescript((HERE / "kept_mlflow.sql").read_text().replace("ROOT", str(home)))
        for (place,) in made.execute("SELECT artifact_uri FROM runs WHERE name LIKE 'depth%'").fetchall():
            (Path(place) / "notes").mkdir(parents=True)
            (Path(place) / "notes" / "a.txt").write_text("hello")
    return home


@pytest.fixture(scope="module")
def imported(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    root = tmp_path_factory.mktemp("imported") / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    engine = Engine(root, slots=1)
    token = engine.login("founder", None)
    _import(engine, token, stores / "mlruns")
    yield engine, token
    engine.close()


def _import(engine: Engine, token: str, path: Path) -> dict[str, Any]:
    job = engine.change(token, "tracking.import", {"path": str(path)}, None, None)["job"]
    while (view := QUESTIONS["job"](engine, id=job))["state"] in ("queued", "running"):
        PAUSE.wait(0.1)
    assert view["state"] == "done", str(view["error"])
    return dict(view["result"])


def found(engine: Engine, where: str = "", **more: Any) -> list[str]:
    return list(QUESTIONS["runs_found"](engine, where=where, **more)["name"])


def test_a_folder_comes_over_whole_and_once(imported: tuple[Engine, str], stores: Path) -> None:
    engine, token = imported
    again = _import(engine, token, stores / "mlruns")
    assert (again["runs"], again["here already"], again["points"]) == (0, 2, 0)
    frame = QUESTIONS["runs_found"](engine, lifecycle="all")
    assert sorted(frame["name"]) == ["depth 3", "depth 5"]
    assert sorted(frame["lifecycle"]) == ["active", "deleted"]
    run = QUESTIONS["run"](engine, id=frame.filter(frame["name"] == "depth 3")["run"].item())
    assert (run["project"], run["status"], run["parameters"]) == ("kept", "done", {"depth": "3"})
    assert run["tags"]["team/of"] == "sea"
    assert run["metrics"]["loss/train"] == 3 / 5
    assert engine.workspace.blobs.path(run["artefacts"]["notes/a.txt"]).read_text() == "hello"
    assert QUESTIONS["run_metrics"](engine, id=run["run"]).height == 6
    assert QUESTIONS["ledger_verify"](engine)["problems"] == []


def test_the_language(imported: tuple[Engine, str]) -> None:
    engine, _ = imported
    every: dict[str, Any] = {"lifecycle": "all"}
    assert found(engine, "params.depth = 3 and metrics.loss/train < 0.7", **every) == ["depth 3"]
    assert found(engine, "params.depth > 3 or not params.depth < 4", **every) == ["depth 5"]
    assert len(found(engine, "tags.team/of like 's%' and status = 'done'", **every)) == 2
    assert len(found(engine, "start_time > '2020-01-01' and experiment = 'kept'", **every)) == 2
    assert found(engine, "depth in (5)", **every) == ["depth 5"]
    assert found(engine, "params.depth between 1 and 4", **every) == ["depth 3"]
    assert found(engine, order="metrics.loss/train desc", **every) == ["depth 5", "depth 3"]
    assert found(engine, "metrics.auc >= 0.75", **every) == ["depth 5"]
    grouped = QUESTIONS["runs_grouped"](engine, by="experiment", value="metrics.loss/train")
    assert grouped["runs"].to_list() == [1]


def test_typos_and_completion(imported: tuple[Engine, str]) -> None:
    engine, _ = imported
    with pytest.raises(InputError) as caught:
        found(engine, "metrics.los_train > 1 and params.dept = 2")
    assert [problem.where for problem in caught.value.problems] == ["character 1", "character 27"]
    assert "metrics.loss/train" in caught.value.problems[0].remedy
    with pytest.raises(InputError, match="a value is missing"):
        found(engine, "metrics.auc > ")
    complete = QUESTIONS["run_completions"]
    assert complete(engine, text="metrics.lo") == ["metrics.loss/train"]
    assert "status = 'FINISHED'" in complete(engine, text="status = ")
    assert complete(engine, text="params.depth = 3 an") == ["params.depth = 3 and "]


def test_curating(imported: tuple[Engine, str]) -> None:
    """Tags, notes, archive and return, saved views: operations all, with the store still sound."""
    engine, token = imported
    run = str(QUESTIONS["runs_found"](engine, where="", lifecycle="active")["run"].item())

    def change(operation: str, /, **request: Any) -> None:
        engine.change(token, operation, request, None, None)

    change("run.tag", run=run, tags={"team/of": None, "kept": "yes"})
    change("run.note", run=run, text="the one that we shipped")
    told = QUESTIONS["run"](engine, id=run)
    assert (told["tags"]["kept"], "team/of" in told["tags"], told["note"]) == ("yes", False, "the one that we shipped")
    change("run.archive", runs=[run])
    assert found(engine) == []
    change("run.archive", runs=[run], archived=False)
    assert len(found(engine)) == 1
    change("run.save_view", name="good", where="metrics.auc > 0.5", columns=["params.depth"], order="metrics.auc desc")
    assert QUESTIONS["run_views"](engine)[0]["where"] == "metrics.auc > 0.5"
    with pytest.raises(NotFound):
        change("run.archive", runs=["run-nowhere"])
    every = QUESTIONS["runs_found"](engine, lifecycle="all")["run"].to_list()
    compared = QUESTIONS["runs_compared"](engine, names=every)
    assert compared["differ"]["parameters"] == ["depth"]
    assert json.loads(json.dumps(QUESTIONS["run_names"](engine)))["params"] == ["depth"]


def test_a_database_comes_over_whole_and_once(imported: tuple[Engine, str], stores: Path) -> None:
    """Deleted and unfinished runs, data sets, what is no number, files: as in the folder."""
    engine, token = imported
    first, again = (_import(engine, token, stores / "mlflow.db") for _ in range(2))
    assert (first["runs"], first["here already"], first["points"]) == (3, 0, 12)
    assert (again["runs"], again["here already"], again["points"]) == (0, 3, 0)
    frame = QUESTIONS["runs_found"](engine, where="experiment = 'kept'", lifecycle="all")
    assert frame.height == 5, "two came from the folder"
    theirs = {row["name"]: row for row in frame.to_dicts() if row["run"][:12] in DATABASE_RUNS}
    assert {name: (row["status"], row["lifecycle"]) for name, row in theirs.items()} == {
        "depth 3": ("done", "deleted"),
        "depth 5": ("done", "active"),
        "still running": ("running", "active"),
    }
    run = QUESTIONS["run"](engine, id=theirs["depth 5"]["run"])
    assert (run["parameters"], run["tags"]["team/of"]) == ({"depth": "5"}, "sea")
    assert (run["metrics"]["loss/train"], run["metrics"]["auc"]) == (1.0, 0.75)
    points = QUESTIONS["run_metrics"](engine, id=theirs["depth 3"]["run"])
    assert points.filter(points["value"].is_nan())["name"].to_list() == ["auc"]
    assert engine.workspace.blobs.path(run["artefacts"]["notes/a.txt"]).read_text() == "hello"
    assert len(found(engine, "dataset.name = 'flights' and dataset.context = 'training'", lifecycle="all")) == 2
    assert QUESTIONS["ledger_verify"](engine)["problems"] == []
    (stores / "other.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(AssertionError, match="no database of MLflow"):
        _import(engine, token, stores / "other.db")
