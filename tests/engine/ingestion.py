"""A project around one source, and walks of its ingestion: shared by the tests of kinds, drift, secrets and kills."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from core.kernel.errors import error_from_dict

FRAME = """
events:
  table: rides
  key: [id]
  time: at
  prediction_time: at
  available: {id: always, at: always}
label: {name: busy, expression: bikers > 100, known_at: at}
features: {request: {number: {expression: id}}}
split:
  train: [2011-01-01, 2011-06-01]
  validate: [2011-06-01, 2011-07-01]
  test: [2011-07-01, 2012-01-01]
training: {candidates: {plain: {trainer: logistic}}}
evaluation: {primary: roc_auc}
policy:
  name: rides_release
  version: 1
  gates: [{id: ranks, fact: metrics.roc_auc.low, op: ">=", value: 0.5, why: chance}]
"""


def write_project(folder: Path, source: dict[str, Any], name: str = "rides") -> Path:
    """The project's folder with this one source. JSON is YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plimsoll.yaml").write_text(source_yaml({name: source}) + FRAME)
    return folder


def source_yaml(sources: dict[str, dict[str, Any]]) -> str:
    """The beginning of a project file."""
    lines = [f"  {name}: {json.dumps(source)}" for name, source in sources.items()]
    return "\n".join(["plimsoll: 1", "project: rides", "title: Rides", "sources:", *lines, ""])


def take(client: Any, project: Path, *, anew: bool = False, name: str = "rides") -> dict[str, Any]:
    """Ingest the source once more; the step as it ended.

    Raises:
        PlimsollError: what stopped it.
    """
    client.change("project.load", {"path": str(project)})
    step = f"ingest:{name}"
    run = client.change("pipeline.run", {"last": step, "first": step if anew else ""})["pipeline"]
    while True:
        view: dict[str, Any] = client.ask("pipeline", id=run)
        if view["state"] != "running":
            break
        client.pause(0.1)
    if view["state"] != "done":
        raise error_from_dict(view["error"])
    return dict(view["steps"][0])


def newest(client: Any, name: str = "rides") -> pl.DataFrame:
    """The rows of the newest snapshot."""
    return pl.concat([pl.read_parquet(part["path"]) for part in client.ask("snapshot_file", id=name)["files"]])


def holding(folder: Path, secret: bytes) -> list[str]:
    """Files that hold the secret."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
