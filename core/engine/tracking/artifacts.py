"""Files of runs and logged models: kept as blobs under their digest, handed out again, never opened or run."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from blake3 import blake3

from core.blobs.store import BlobStore
from core.engine.tracking.desk import Desk, Json, call
from core.engine.tracking.forms import check_path, text
from core.engine.tracking.logged_models import find_model
from core.engine.tracking.registered import Registry
from core.engine.tracking.run_forms import runs_json
from core.engine.tracking.runs import run_id
from core.engine.tracking.shelf import Shelf
from core.kernel.digests import PREFIX
from core.kernel.errors import InputError, NotFound
from core.store.tables import Run

PLACE = re.compile(r"(?:.*/)?(?P<owner>(?:run-|m-)[\w-]+)/artifacts(?:/(?P<path>.*))?", re.DOTALL)
LARGEST_FORM = 10 * 1024 * 1024  # bytes that the browser's upload takes, as in MLflow


def content(value: Any) -> bool:
    """Bytes."""
    return isinstance(value, bytes)


class Incoming:
    """A file on its way in: written beside the blobs, named by its digest when it is whole."""

    def __init__(self, blobs: BlobStore) -> None:
        handle, name = tempfile.mkstemp(prefix="new-", dir=blobs.root)
        self._blobs, self._path = blobs, Path(name)
        self._file = os.fdopen(handle, "wb")
        self._hash = blake3()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """The next bytes."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def keep(self) -> str:
        """It is whole: sync it, and give it its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = PREFIX + self._hash.hexdigest()
        self._blobs.adopt(self._path, digest)
        return digest

    def drop(self) -> None:
        """It will never be whole."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def place_of(path: str) -> tuple[str, str]:
    """The run or model that a path of the artifact service names, and the path within it.

    Raises:
        InputError: for a path that leaves its folder, or names neither.
    """
    plain = check_path(path)
    found = PLACE.fullmatch(plain)
    if found is None:
        raise InputError(f"Files are kept for runs and logged models only, and '{plain[:200]}' is of neither")
    return found["owner"], found["path"] or ""


def check_owner(shelf: Shelf, owner: str) -> None:
    """Refuse files of what is not there, or deleted."""
    if owner.startswith("m-"):
        find_model(shelf, owner)
        return
    run = shelf.runs([owner]).get(owner)
    if run is None:
        raise NotFound(f"Run with id={owner} not found")
    if run["trained"]:
        raise InputError(f"The run {owner} was trained here: its files are what the trainer left")


def record_file(desk: Desk, owner: str, path: str, digest: str, size: int) -> None:
    """Note that a blob is a file of a run or model; the one before it, if any, stays on record."""
    note = {"kind": "file", "name": path, "value": f"{digest} {size}"}
    desk.change("tracking.note", {"subject": owner, "notes": [note]})


def files_of(shelf: Shelf, owner: str) -> dict[str, tuple[str, int]]:
    """Files of a run or model: path to digest and size."""
    out = {}
    for note in shelf.notes([owner], ["file"]).to_dicts():
        digest, _, size = note["value"].partition(" ")
        out[note["name"]] = (digest, int(size))
    row = shelf.session.get(Run, owner)
    return out | ({name: (digest, 0) for name, digest in row.artefacts.items()} if row is not None else {})


def listed(files: dict[str, tuple[str, int]], folder: str) -> list[Json]:
    """What lies in a folder: files with their sizes, and folders, by their names in it. In a file lies nothing."""
    inside = f"{folder}/" if folder else ""
    out: dict[str, Json] = {}
    for path, (_, size) in files.items():
        if path.startswith(inside):
            name, deeper, _ = path[len(inside) :].partition("/")
            out[name] = {"is_dir": True} if deeper else {"is_dir": False, "file_size": size}
    return [{"path": name, **fact} for name, fact in sorted(out.items())]


def find_file(desk: Desk, owner: str, path: str) -> Path:
    """Where the bytes of a file lie.

    Raises:
        NotFound: when the run or model has none of that name.
    """
    with desk.reading() as shelf:
        found = files_of(shelf, owner).get(path)
    if found is None:
        raise NotFound(f"No such artifact: '{path}'", where=owner)
    return desk.engine.workspace.blobs.path(found[0])


def list_service(desk: Desk, path: str) -> Json:
    """The list of the artifact service, names within the folder that was asked for."""
    owner, folder = place_of(path)
    with desk.reading() as shelf:
        return {"files": listed(files_of(shelf, owner), folder)}


def delete_service(desk: Desk, path: str) -> Json:
    """A file or a folder away; the record of it stays."""
    owner, folder = place_of(path)
    with desk.reading() as shelf:
        found = [name for name in files_of(shelf, owner) if name == folder or name.startswith(f"{folder}/")]
    notes = [{"kind": "file", "name": name, "removed": True} for name in found]
    if notes:
        desk.change("tracking.note", {"subject": owner, "notes": notes})
    return {}


@call(
    "GET", "artifacts/list", run_id=(text, False), run_uuid=(text, False), path=(text, False), page_token=(text, False)
)
def list_of_run(desk: Desk, asked: Json) -> Json:
    """The files of a run, by their whole paths."""
    id, folder = run_id(asked), check_path(asked.get("path", ""))
    with desk.reading() as shelf:
        root = runs_json(shelf, [id])[0]["info"]["artifact_uri"]
        found = listed(files_of(shelf, id), folder)
    return {"root_uri": root, "files": _deep(found, folder)}


def _deep(found: list[Json], folder: str) -> list[Json]:
    return [{**one, "path": f"{folder}/{one['path']}" if folder else one["path"]} for one in found]


@call("GET", "logged-models/{}/artifacts/directories", artifact_directory_path=(text, False))
def list_of_model(desk: Desk, asked: Json, id: str) -> Json:
    """The files of a logged model, by their whole paths."""
    folder = check_path(asked.get("artifact_directory_path", ""))
    with desk.reading() as shelf:
        find_model(shelf, id)
        return {"root_uri": "", "files": _deep(listed(files_of(shelf, id), folder), folder)}


@call("GET", "logged-models/{}/artifacts/files", artifact_file_path=(text, True))
def file_of_model(desk: Desk, asked: Json, id: str) -> Path:
    """One file of a logged model."""
    return find_file(desk, id, check_path(asked["artifact_file_path"]))


@call("POST", "upload-artifact", run_uuid=(text, False), path=(text, False), body=(content, False))
def upload(desk: Desk, asked: Json) -> Json:
    """A small file in the body of a form."""
    for name in ("run_uuid", "path"):
        if not asked.get(name):
            raise InputError(f"Request must specify {name}.")
    path, body = check_path(asked["path"]), asked.get("body", b"")
    if not body:
        raise InputError("Request must specify data.")
    if len(body) > LARGEST_FORM:
        raise InputError(f"Artifact size is too large. Max size is {LARGEST_FORM} bytes.")
    with desk.reading() as shelf:
        check_owner(shelf, asked["run_uuid"])
    digest = desk.engine.workspace.blobs.put_bytes(body)
    record_file(desk, asked["run_uuid"], path, digest, len(body))
    return {}


def file_of_run(desk: Desk, asked: Any) -> Path:
    """``/get-artifact``: one file of a run."""
    path = check_path(str(asked.get("path", "")))
    return find_file(desk, run_id(asked), path)


def file_of_version(desk: Desk, asked: Any) -> Path:
    """``/model-versions/get-artifact``: one file of a registered version."""
    path = check_path(str(asked.get("path", "")))
    with desk.reading() as shelf:
        version = Registry(shelf).version(str(asked.get("name", "")), int(asked.get("version") or 0))
    owner, folder = place_of(str(version["detail"].get("source", "")).removeprefix("mlflow-artifacts:/"))
    return find_file(desk, owner, f"{folder}/{path}" if folder else path)
