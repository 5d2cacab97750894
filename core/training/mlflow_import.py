"""Reading what MLflow kept: a folder ``mlruns`` or a database ``mlflow.db``, as frames and files.

Nothing is loaded that could run: metadata is text and numbers, artifacts are copied byte by byte.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import polars as pl
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from core.kernel.digests import PREFIX, digest_file
from core.kernel.errors import InputError
from core.kernel.progress import Progress

RUNS = {
    "run": pl.String,
    "experiment": pl.String,
    "name": pl.String,
    "user": pl.String,
    "status": pl.String,
    "start": pl.Int64,
    "end": pl.Int64,
    "lifecycle": pl.String,
}
NOTES = {"run": pl.String, "kind": pl.String, "name": pl.String, "value": pl.String}
POINTS = {"run": pl.String, "name": pl.String, "step": pl.Int64, "value": pl.Float64, "ms": pl.Int64}
STATUSES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
FILES = "files"


class Found:
    """What was read, row by row: runs, notes (parameters, tags, inputs, files) and metric points."""

    def __init__(self) -> None:
        self.runs: list[tuple[Any, ...]] = []
        self.notes: list[tuple[str, str, str, str]] = []
        self.points: list[tuple[Any, ...]] = []

    def write(self, folder: Path) -> None:
        """As three Parquet files."""
        for name, rows, schema in (
            ("runs", self.runs, RUNS),
            ("notes", self.notes, NOTES),
            ("points", self.points, POINTS),
        ):
            pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / f"{name}.parquet")


def read_mlflow(path: Path, folder: Path, progress: Progress) -> dict[str, int]:
    """Read ``path`` into Parquet files and copied artifacts of ``folder``; counts of what was found.

    Raises:
        InputError: when it is neither an ``mlruns`` folder nor a database of MLflow.
    """
    found = Found()
    (folder / FILES).mkdir(exist_ok=True)
    if path.is_dir():
        _read_folder(path, folder, found, progress)
    else:
        _read_database(path, folder, found, progress)
    found.write(folder)
    return {"runs": len(found.runs), "notes": len(found.notes), "points": len(found.points)}


def _read_folder(root: Path, folder: Path, found: Found, progress: Progress) -> None:
    root = root / "mlruns" if (root / "mlruns").is_dir() else root
    places = [one for base in (root, root / ".trash") for one in sorted(base.glob("*/meta.yaml"))]
    if not places:
        raise InputError(
            "This folder holds no experiments of MLflow", where=str(root), remedy="Name the mlruns folder."
        )
    for number, meta in enumerate(places):
        experiment = str(_yaml(meta).get("name", meta.parent.name))
        progress.step(number, len(places), f"Reading {experiment}")
        for run in sorted(meta.parent.glob("*/meta.yaml")):
            progress.check()
            _folder_run(run, experiment, folder, found)


def _folder_run(meta: Path, experiment: str, folder: Path, found: Found) -> None:
    facts, here = _yaml(meta), meta.parent
    id = str(facts.get("run_id") or facts.get("run_uuid") or here.name)
    tags = {name: file.read_text(encoding="utf-8") for name, file in _leaves(here / "tags")}
    name = str(facts.get("run_name") or tags.get("mlflow.runName", ""))
    state = STATUSES.get(str(facts.get("status")), "FINISHED")
    gone = str(facts.get("lifecycle_stage", "active"))
    end = facts.get("end_time")
    found.runs.append(
        (id, experiment, name, str(facts.get("user_id") or ""), state, facts.get("start_time") or 0, end, gone)
    )
    found.notes += [(id, "tag", key, value) for key, value in tags.items()]
    found.notes += [(id, "param", key, file.read_text(encoding="utf-8")) for key, file in _leaves(here / "params")]
    for key, file in _leaves(here / "metrics"):
        for line in file.read_text(encoding="utf-8").splitlines():
            ms, value, *step = line.split()
            found.points.append((id, key, int(step[0]) if step else 0, float(value), int(ms)))
    _copy(here / "artifacts", id, folder, found)


def _leaves(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files below a folder with their names, slashes included."""
    for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if file.is_file() and not file.is_symlink():
            yield file.relative_to(folder).as_posix(), file


def _copy(artifacts: Path, run: str, folder: Path, found: Found) -> None:
    """Copy a run's files under their digests; a note says the path of each."""
    for name, file in _leaves(artifacts):
        digest = digest_file(file)
        place = folder / FILES / digest.removeprefix(PREFIX)
        if not place.exists():
            shutil.copyfile(file, place)
        found.notes.append((run, "file", name, f"{digest} {file.stat().st_size}"))


def _yaml(path: Path) -> dict[str, Any]:
    try:
        value = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise InputError("This file cannot be read", detail=str(error), where=str(path)) from error
    return value if isinstance(value, dict) else {}


def _read_database(path: Path, folder: Path, found: Found, progress: Progress) -> None:
    if not path.is_file():
        raise InputError("There is nothing here", where=str(path))
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            _read_tables(database, path.parent, folder, found, progress)
    except sqlite3.DatabaseError as error:
        raise InputError(
            "This is no database of MLflow", detail=str(error), where=str(path), remedy="Name mlflow.db or mlruns."
        ) from error


def _read_tables(database: sqlite3.Connection, home: Path, folder: Path, found: Found, progress: Progress) -> None:
    progress.step(0, 3, "Reading runs")
    query = """SELECT r.run_uuid, e.name, coalesce(r.name, ''), coalesce(r.user_id, ''), r.status,
        coalesce(r.start_time, 0), r.end_time, r.lifecycle_stage, r.artifact_uri
        FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id ORDER BY r.start_time"""
    places: dict[str, str] = {}
    for *values, place in database.execute(query):
        found.runs.append(tuple(values))
        places[values[0]] = place or ""
    progress.step(1, 3, "Reading parameters, tags and points")
    for kind, table in (("param", "params"), ("tag", "tags")):
        rows = database.execute(f"SELECT run_uuid, key, coalesce(value, '') FROM {table} ORDER BY run_uuid, key")
        found.notes += [(run, kind, key, value) for run, key, value in rows]
    points = (
        "SELECT run_uuid, key, step, CASE WHEN is_nan THEN NULL ELSE value END, timestamp FROM metrics ORDER BY rowid"
    )
    for run, key, step, value, ms in database.execute(points):
        found.points.append((run, key, step, float("nan") if value is None else float(value), ms))
    found.notes += _inputs(database)
    progress.step(2, 3, "Copying files")
    for run, place in places.items():
        progress.check()
        local = urlparse(place)
        if local.scheme in ("", "file") and local.path:
            _copy(home / unquote(local.path), run, folder, found)


def _inputs(database: sqlite3.Connection) -> Iterator[tuple[str, str, str, str]]:
    """Data sets of runs, where the database is of a version that knows them."""
    known = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"datasets", "inputs", "input_tags"} <= known:
        return
    query = """SELECT i.destination_id, i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source,
        d.dataset_schema, d.dataset_profile FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
        WHERE i.destination_type = 'RUN'"""
    for run, id, name, digest, kind, source, schema, profile in database.execute(query).fetchall():
        tags = [
            {"key": key, "value": value}
            for key, value in database.execute("SELECT name, value FROM input_tags WHERE input_uuid = ?", [id])
        ]
        data = {"name": name, "digest": digest, "source_type": kind, "source": source}
        data |= {key: value for key, value in (("schema", schema), ("profile", profile)) if value}
        context = next((tag["value"] for tag in tags if tag["key"] == "mlflow.data.context"), None)
        kept = {"input": {"tags": tags, "dataset": data}, "dataset": data, "context": context}
        yield run, "input", f"{name} {digest}", json.dumps(kept)
