"""Wrong input of every kind: a clear error, the stated exit status, nothing half done."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from core.engine.client import Client, connect
from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.questions.governance import ledger_verify
from core.store.tables import RoleGrant

from ..cli.conftest import call
from .orders import PASSPHRASE, write_project

HEADER = "order_id,placed,known,colour,size,days\n"
ROW = "o1,2020-01-01T00:00:00Z,2020-01-02T00:00:00Z,red,5,1\n"
WRONG_TABLES = {
    "empty": b"",
    "header only": HEADER.encode(),
    "ragged": (HEADER + ROW + ROW.rstrip() + ",one,too,many\n" + ROW).encode(),
    "wrong encoding": (HEADER + ROW.replace("red", "grün")).encode("latin-1"),
    "wrong types": (HEADER + ROW.replace("2020-01-01T00:00:00Z", "yesterday")).encode(),
    "binary": bytes(range(256)) * 50,
    "two columns of one name": ("order_id," + HEADER + "x," + ROW).encode(),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``workspace`` and ``project``."""
    folder = tmp_path_factory.mktemp("bad")
    write_project(folder / "project")
    found_workspace(folder / "workspace", "founder", PASSPHRASE)
    return folder


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[Client]:
    held = connect(place / "workspace", user="founder", passphrase=PASSPHRASE)
    yield held
    held.close()


def plimsoll(*arguments: str, passphrase: str = "") -> tuple[int, Any, str]:
    """Run the command in this process; exit status, its JSON, and what people see."""
    done = call("--json", *arguments, passphrase=passphrase)
    return done.code, json.loads(done.out) if done.out.strip() else None, done.err


@pytest.mark.parametrize("kind", WRONG_TABLES)
def test_wrong_tables(client: Client, place: Path, tmp_path: Path, kind: str) -> None:
    project = tmp_path / "project"
    shutil.copytree(place / "project", project)
    (project / "orders.csv").write_bytes(WRONG_TABLES[kind])
    blobs = sorted((place / "workspace" / "blobs").rglob("*"))
    client.change("project.load", {"path": str(project)})
    run = client.change("pipeline.run", {"last": "ingest:orders"})["pipeline"]
    while (view := client.ask("pipeline", id=run))["state"] == "running":
        client.pause(0.05)
    assert view["state"] in ("failed", "refused"), kind
    error = view["error"]
    assert error["error"] in ("InputError", "NotFound"), error
    assert "orders" in json.dumps(error)
    assert error["remedy"] or any(problem["remedy"] or problem["expected"] for problem in error["problems"]), error
    assert sorted((place / "workspace" / "blobs").rglob("*")) == blobs
    assert client.ask("ledger_verify")["ok"]


def test_a_missing_table(client: Client, place: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(place / "project", project)
    (project / "orders.csv").unlink()
    client.change("project.load", {"path": str(project)})
    run = client.change("pipeline.run", {"last": "ingest:orders"})["pipeline"]
    while (view := client.ask("pipeline", id=run))["state"] == "running":
        client.pause(0.05)
    assert view["state"] == "failed"
    assert view["error"]["error"] in ("InputError", "NotFound")


def test_wrong_yaml_on_the_command_line(place: Path, tmp_path: Path) -> None:
    """`check` answers no (1) with every problem; `run` refuses the input (2) and stores nothing."""
    text = (place / "project" / "plimsoll.yaml").read_text()
    for wrong in (
        text.replace("kind: category", "kind: colour"),
        text + "\nmore: 1\n",
        text.replace("plimsoll: 1", "plimsoll: ["),
        "",
    ):
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "plimsoll.yaml").write_text(wrong)
        code, told, seen = plimsoll("check", str(folder))
        assert code in (1, 2), told
        assert "plimsoll.yaml" in seen
    root = str(place / "workspace")
    code, told, _ = plimsoll("--workspace", root, "run", str(folder))
    assert code == 2, told


def test_identity_on_the_command_line(place: Path, tmp_path: Path) -> None:
    """A wrong passphrase is refused (3); a key that is not here is not found (2); no workspace is not found (2)."""
    root = tmp_path / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    arguments = ("--workspace", str(root), "--as", "founder", "status")
    code, told, _ = plimsoll(*arguments, passphrase="a wrong passphrase")
    assert (code, told["error"]) == (3, "Refused")
    assert told["remedy"]
    assert plimsoll(*arguments, passphrase=PASSPHRASE)[0] == 0
    for key in (root / "keys").glob("*.sealed"):
        key.rename(tmp_path / key.name)
    code, told, _ = plimsoll(*arguments, passphrase=PASSPHRASE)
    assert (code, told["error"]) == (2, "NotFound")
    assert "key" in told["headline"]
    assert plimsoll("--workspace", str(tmp_path / "nowhere"), "status")[0] == 2
    assert not (tmp_path / "nowhere").exists()


def test_a_full_disk(tmp_path: Path) -> None:
    """What was acknowledged is kept, what failed is not there, and the workspace opens again."""
    root = tmp_path / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    limit = (root / "store.duckdb").stat().st_size + 300_000
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("full_disk.py")), str(root), str(limit)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["done"] > 0
    assert told["error"]["error"] == "SystemFault", told
    assert "nothing was changed" in told["error"]["headline"]
    engine = Engine(root, slots=0)
    try:
        assert ledger_verify(engine)["ok"]
        with engine.workspace.database.reading() as session:
            grants = session.exec(select(RoleGrant).where(RoleGrant.role == "viewer")).all()
        assert len(grants) == told["done"]
        engine.change(
            engine.login("founder", None),
            "user.grant",
            {"user": "founder", "role": "viewer", "reason": "x"},
            None,
            None,
        )
    finally:
        engine.close()
