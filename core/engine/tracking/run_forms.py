"""Runs as clients read them, many at once: what is noted and measured of them is fetched for the whole page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from core.engine.tracking.experiments import location_of
from core.engine.tracking.forms import Json, json_number, tag_list
from core.engine.tracking.shelf import EXPERIMENT, RUN, Shelf, Thing
from core.kernel.errors import NotFound
from core.store.tables import Run
from core.store.tracked_read import latest_points

USER, RUN_NAME = "mlflow.user", "mlflow.runName"


def runs_json(shelf: Shelf, ids: Sequence[str]) -> list[Json]:
    """Runs in the order of ``ids``.

    Raises:
        NotFound: for an id that no run has.
    """
    tracked = {thing["id"]: thing for thing in shelf.stock(RUN, ids)}
    places = {one["id"]: location_of(one) for one in shelf.stock(EXPERIMENT, {t["parent"] for t in tracked.values()})}
    measured = _by_run(latest_points(shelf.connection, ids))
    out = []
    for id in ids:
        if id in tracked:
            out.append(_tracked_json(tracked[id], places[tracked[id]["parent"]], measured.get(id, [])))
        else:
            out.append(_trained_json(shelf, id, measured.get(id, [])))
    return out


def _by_run(points: pl.DataFrame) -> dict[str, list[Json]]:
    out: dict[str, list[Json]] = {}
    for run, name, value, step, ms in points.select("run", "name", "value", "step", "ms").iter_rows():
        out.setdefault(run, []).append({"key": name, "value": json_number(value), "timestamp": ms or 0, "step": step})
    return out


def _tracked_json(thing: Thing, place: str, metrics: list[Json]) -> Json:
    states, notes = thing["states"], thing["notes"]
    tags = {**({RUN_NAME: thing["name"]} if thing["name"] else {}), **thing["tags"]}
    if "name" in states:
        tags[RUN_NAME] = states["name"]
    info: Json = {
        "run_id": thing["id"],
        "run_uuid": thing["id"],
        "run_name": tags.get(RUN_NAME, ""),
        "experiment_id": thing["parent"],
        "user_id": thing["detail"].get("user") or tags.get(USER, "unknown"),
        "status": states.get("status", "RUNNING"),
        "start_time": thing["ms"],
        "artifact_uri": f"{place}/{thing['id']}/artifacts",
        "lifecycle_stage": thing["lifecycle"],
    }
    if "end_time" in states:
        info["end_time"] = int(states["end_time"])
    return {
        "info": info,
        "data": {"metrics": metrics, "params": tag_list(thing["params"]), "tags": tag_list(tags)},
        "inputs": {
            "dataset_inputs": [json.loads(note["value"])["input"] for note in notes if note["kind"] == "input"],
            "model_inputs": [{"model_id": note["name"]} for note in notes if note["kind"] == "model_input"],
        },
        "outputs": {
            "model_outputs": [
                {"model_id": note["name"], "step": int(note["value"])}
                for note in notes
                if note["kind"] == "model_output"
            ]
        },
    }


def _trained_json(shelf: Shelf, id: str, metrics: list[Json]) -> Json:
    """A run that was trained here, in the words of the clients; its experiment is its project."""
    row = shelf.session.get(Run, id)
    if row is None:
        raise NotFound(f"Run with id={id} not found")
    tags = {note["name"]: note["value"] for note in shelf.notes([id], ["tag"]).to_dicts()}
    start = int(row.started_at.timestamp() * 1000)
    have = {one["key"] for one in metrics}
    kept = [
        {"key": name, "value": json_number(float(value)), "timestamp": start, "step": 0}
        for name, value in row.metrics.items()
        if name not in have and isinstance(value, int | float)
    ]
    return {
        "info": {
            "run_id": id,
            "run_uuid": id,
            "run_name": row.name,
            "experiment_id": f"project:{row.project}",
            "user_id": row.created_by,
            "status": "FINISHED",
            "start_time": start,
            "end_time": start + int(row.seconds * 1000),
            "artifact_uri": f"mlflow-artifacts:/trained/{id}/artifacts",
            "lifecycle_stage": shelf.runs([id])[id]["lifecycle"],
        },
        "data": {
            "metrics": metrics + kept,
            "params": tag_list({"trainer": row.trainer, "seed": str(row.seed), **_texts(row.settings)}),
            "tags": tag_list({RUN_NAME: row.name, **tags}),
        },
        "inputs": {},
        "outputs": {},
    }


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
