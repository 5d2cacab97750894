"""A project whose pictures are a source: kept by the pipeline, recognised when unchanged, restored to the byte."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.blobs.store import BlobStore
from core.data.files import restore_files
from core.engine.client import Client, connect
from core.engine.founding import found_workspace

from ..faults.orders import PASSPHRASE, write_project
from .test_walks import finish


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("files") / "project")
    text = (folder / "plimsoll.yaml").read_text()
    (folder / "plimsoll.yaml").write_text(
        text.replace("sources:\n", "sources:\n  pictures: {kind: files, path: pictures}\n", 1)
        + "\nretention:\n  pictures: {newest: 1}\n"
    )
    for number in range(40):
        file = folder / "pictures" / f"{number % 3}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(2000))
        os.utime(file, (time.time() - 3600,) * 2)
    return folder


@pytest.fixture(scope="module")
def client(project: Path) -> Iterator[Client]:
    root = project.parent / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    held = connect(root, user="founder", passphrase=PASSPHRASE)
    held.change("project.load", {"path": str(project)})
    yield held
    held.close()


def keep(client: Client) -> dict[str, Any]:
    view = finish(client, client.change("pipeline.run", {"last": "files:pictures"})["pipeline"])
    assert view["state"] == "done", view["error"]
    (step,) = view["steps"]
    return dict(step)


def test_files_are_kept_once_recognised_and_collected(client: Client, project: Path, tmp_path: Path) -> None:
    first = keep(client)
    assert (first["cached"], first["summary"]) == (False, "pictures: 40 files, 40 read, 80,000 bytes new")
    assert keep(client)["cached"]
    old = client.ask("snapshot", id="pictures")
    assert (old["kind"], old["rows"], old["bytes"]) == ("files", 40, 80_000)
    (project / "pictures" / "0" / "0.png").write_bytes(b"another picture")
    second = keep(client)
    assert second["summary"] == "pictures: 40 files, 1 read, 15 bytes new"
    assert not keep(client)["cached"]  # it was changed a moment ago: its status does not yet speak for it
    new = client.ask("snapshot", id="pictures")
    assert new["snapshot"] != old["snapshot"]
    page = client.ask("snapshot_rows", id="pictures", limit=1)
    assert page.to_dicts() == [{"path": "0/0.png", "bytes": 15, "chunks": 1}]
    found = client.ask("snapshot_file", id="pictures")
    restore_files(BlobStore(Path(found["blobs"])), found["digest"], tmp_path / "out")
    for file in (project / "pictures").rglob("*.png"):
        assert (tmp_path / "out" / file.relative_to(project / "pictures")).read_bytes() == file.read_bytes()
    assert client.change("data.collect", {})["snapshots"] == 1
    report = client.ask("ledger_verify")
    assert report["problems"] == []
    assert old["digest"] in report["collected_blobs"]


def test_a_source_of_files_is_no_table(client: Client, project: Path) -> None:
    from core.kernel.errors import InputError

    text = (project / "plimsoll.yaml").read_text()
    (project / "plimsoll.yaml").write_text(text.replace("suites:\n", "suites:\n  pictures: {checks: []}\n", 1))
    with pytest.raises(InputError, match="problem") as error:
        client.change("project.load", {"path": str(project)})
    assert "pictures" in str(error.value.problems)
    (project / "plimsoll.yaml").write_text(text)
