"""Pipelines: caches, refusals, two walks at once, and two people who approve at once. One workspace, in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.kernel.errors import InputError, NotFound, Refused
from core.store.tables import Run, StepResult, Transition

from ..faults.orders import PASSPHRASE, REVIEWERS, write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("walks") / "project")


@pytest.fixture(scope="module")
def client(project: Path) -> Iterator[Client]:
    root = project.parent / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    held = connect(root, user="founder", passphrase=PASSPHRASE)
    for name in REVIEWERS:
        held.change("user.add", {"name": name, "roles": ["reviewer"]}, passphrase=PASSPHRASE)
    yield held
    held.close()


def walk(client: Client, project: Path, **options: str) -> dict[str, Any]:
    client.change("project.load", {"path": str(project)})
    return finish(client, client.change("pipeline.run", options)["pipeline"])


def finish(client: Client, run: str) -> dict[str, Any]:
    while True:
        view: dict[str, Any] = client.ask("pipeline", id=run)
        if view["state"] != "running":
            return view
        client.pause(0.05)


def made_anew(view: dict[str, Any]) -> set[str]:
    return {step["name"] for step in view["steps"] if step["job"]}


def edit(project: Path, old: str, new: str, file: str = "plimsoll.yaml") -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new, 1))


JOBS = {
    "ingest:orders",
    "table:events",
    "profile:orders",
    "profile:events",
    "personal:orders",
    "personal:events",
    "validate:orders",
    "features",
    "leakage",
    "train:logistic",
    "evaluate:logistic",
    "payload",
}


def test_two_walks_at_once_make_everything_once(client: Client, project: Path) -> None:
    client.change("project.load", {"path": str(project)})
    runs = [client.change("pipeline.run", {})["pipeline"] for _ in range(2)]
    views = [finish(client, run) for run in runs]
    assert [view["state"] for view in views] == ["done", "done"], [view["error"] for view in views]
    first, second = (made_anew(view) for view in views)
    assert first | second == JOBS
    assert not first & second
    with client._hold.channel.engine.workspace.database.reading() as session:  # type: ignore[union-attr]
        keys = [row.key for row in session.exec(select(StepResult))]
        assert len(keys) == len(set(keys)) == len(JOBS)
        assert len(session.exec(select(Run)).all()) == 1
    assert client.ask("models").height == 1


def test_nothing_changed_nothing_made(client: Client, project: Path) -> None:
    view = walk(client, project)
    assert view["state"] == "done"
    assert made_anew(view) == set()
    assert all(step["cached"] for step in view["steps"] if step["name"] in JOBS)


def test_a_changed_setting_recomputes_what_depends_on_it(client: Client, project: Path) -> None:
    edit(project, "bootstrap: 20", "bootstrap: 25")
    view = walk(client, project)
    assert view["state"] == "done", view["error"]
    assert made_anew(view) == {"evaluate:logistic", "payload"}


def test_another_version_of_the_policy_or_other_words_train_nothing_again(client: Client, project: Path) -> None:
    edit(project, "version: 1\n", "version: 2\n")
    view = walk(client, project)
    assert view["state"] == "done", view["error"]
    assert made_anew(view) == set()
    edit(project, "title: Late orders", "title: Orders that come late")
    assert made_anew(walk(client, project)) == {"evaluate:logistic", "payload"}  # they show the title
    edit(project, "version: 2\n", "version: 1\n")
    edit(project, "title: Orders that come late", "title: Late orders")


def test_a_table_that_nothing_reads_makes_nothing_stale(client: Client, project: Path) -> None:
    (project / "notes.csv").write_text("note\none\n")
    edit(project, "sources:\n", "sources:\n  notes: {path: notes.csv}\n")
    assert walk(client, project)["state"] == "done"
    (project / "notes.csv").write_text("note\none\ntwo\n")
    view = walk(client, project)
    assert view["state"] == "done", view["error"]
    assert made_anew(view) == {"ingest:notes", "profile:notes", "personal:notes"}
    edit(project, "sources:\n  notes: {path: notes.csv}\n", "sources:\n")


def test_from_and_to(client: Client, project: Path) -> None:
    view = walk(client, project, first="validate:orders", last="validate:orders")
    assert made_anew(view) == {"validate:orders"}
    assert {step["name"] for step in view["steps"]} == {
        "ingest:orders",
        "table:events",
        "personal:orders",  # examples of what it proposes are masked already
        "validate:orders",
    }
    wrong = walk(client, project, last="no such step")
    assert wrong["state"] == "failed"
    assert "no such step" in wrong["error"]["headline"]


def test_two_people_approve_at_once(client: Client) -> None:
    """Each in a connection of their own: both count, and the release is approved exactly once."""
    release = client.change("release.propose", {"model": "orders"})["release"]
    with pytest.raises(InputError, match="proposed already"):
        client.change("release.propose", {"model": "orders"})
    with pytest.raises(Refused):
        client.change("release.package", {"release": release})
    root, results = client.root, dict[str, Any]()

    def sign(name: str) -> None:
        held = connect(root, user=name, passphrase=PASSPHRASE)
        try:
            request = {"release": release, "meaning": "approve", "comment": "read"}
            results[name] = held.change("release.sign", request, passphrase=PASSPHRASE)
        finally:
            held.close()

    threads = [threading.Thread(target=sign, args=(name,)) for name in REVIEWERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["complete"] for answer in results.values()) == [False, True]
    with client._hold.channel.engine.workspace.database.reading() as session:  # type: ignore[union-attr]
        moves = session.exec(select(Transition).where(Transition.subject == release)).all()
        assert sorted(move.state for move in moves) == ["approved", "proposed"]
    grace = client.as_user("grace", PASSPHRASE)
    with pytest.raises(Refused, match="signed release"):
        grace.change("release.sign", {"release": release, "meaning": "approve"}, passphrase=PASSPHRASE)
    with pytest.raises(Refused):
        client.change("release.sign", {"release": release, "meaning": "approve"}, passphrase=PASSPHRASE)
    job = client.change("release.package", {"release": release})["job"]
    assert client.wait(job)["package"]
    assert client.ask("ledger_verify")["ok"]


def test_data_that_fails_its_suite_is_not_built_on(client: Client, project: Path) -> None:
    edit(project, "o00001,", "o00000,", "orders.csv")
    view = walk(client, project)
    assert view["state"] == "refused"
    assert "did not pass validation" in view["error"]["headline"]
    states = {step["name"]: step["state"] for step in view["steps"]}
    assert states["validate:orders"] == "done"
    assert states["features"] == "refused"
    assert states["train:logistic"] == "waiting"
    edit(project, "o00000,2020-01-01T00:28", "o00001,2020-01-01T00:28", "orders.csv")


def test_a_leak_is_refused_by_name(client: Client, project: Path) -> None:
    edit(project, "    size: {expression: size}", "    size: {expression: size}\n    days: {expression: days}")
    with pytest.raises(Refused, match="lets the future into training") as error:
        client.change("project.load", {"path": str(project)})
    assert "days" in str(error.value)


def test_a_project_that_is_not_there(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        client.change("project.load", {"path": str(tmp_path / "nowhere")})
