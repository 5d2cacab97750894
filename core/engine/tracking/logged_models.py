"""Calls about logged models: announced, filled with files, finalised, searched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from core.engine.tracking import forms
from core.engine.tracking.desk import Desk, Json, call
from core.engine.tracking.experiments import location_of
from core.engine.tracking.forms import many, pairs, tag_list, tag_map, text, whole
from core.engine.tracking.match import matches, ordered
from core.engine.tracking.shelf import EXPERIMENT, LOGGED_MODEL, Shelf, Thing
from core.kernel.errors import InputError, NotFound
from core.store.tracked_read import latest_points

STATUSES = {"LOGGED_MODEL_PENDING": "PENDING", "LOGGED_MODEL_READY": "READY", "LOGGED_MODEL_UPLOAD_FAILED": "FAILED"}
WORDS = {state: word for word, state in STATUSES.items()}


def models_json(shelf: Shelf, things: Sequence[Thing]) -> list[Json]:
    """Logged models as clients read them, with the latest points that tell of them."""
    places = {one["id"]: location_of(one) for one in shelf.stock(EXPERIMENT, {t["parent"] for t in things})}
    measured: dict[str, list[Json]] = {}
    for row in latest_points(shelf.connection, [one["id"] for one in things], models=True).to_dicts():
        measured.setdefault(row["model"], []).append(_metric(row))
    return [_model_json(one, places[one["parent"]], measured.get(one["id"], [])) for one in things]


def _metric(row: Json) -> Json:
    name, digest = json.loads(row["dataset"]) if row["dataset"] else (None, None)
    return {
        "key": row["name"],
        "value": forms.json_number(row["value"]),
        "timestamp": row["ms"] or 0,
        "step": row["step"],
        "model_id": row["model"],
        "run_id": row["run_of"],
        **({"dataset_name": name, "dataset_digest": digest} if name else {}),
    }


def _model_json(thing: Thing, place: str, metrics: list[Json]) -> Json:
    detail = thing["detail"]
    return {
        "info": {
            "model_id": thing["id"],
            "experiment_id": thing["parent"],
            "name": thing["name"],
            "creation_timestamp_ms": thing["ms"],
            "last_updated_timestamp_ms": thing["updated"],
            "artifact_uri": f"{place}/models/{thing['id']}/artifacts",
            "status": WORDS.get(thing["states"].get("status", "PENDING"), "LOGGED_MODEL_PENDING"),
            "model_type": detail.get("type", ""),
            "source_run_id": detail.get("run", ""),
            "tags": tag_list(thing["tags"]),
        },
        "data": {"params": tag_list(thing["params"]), "metrics": metrics},
    }


def find_model(shelf: Shelf, id: str) -> Thing:
    """A logged model that was not deleted.

    Raises:
        NotFound: when there is none.
    """
    found = shelf.find(LOGGED_MODEL, id)
    if found is None or found["lifecycle"] != "active":
        raise NotFound(f"Logged model with ID '{id}' not found.")
    return found


@call("POST", "logged-models", experiment_id=(text, True), name=(text, False), model_type=(text, False),
      source_run_id=(text, False), params=(pairs, False), tags=(pairs, False))  # fmt: skip
def create(desk: Desk, asked: Json) -> Json:
    """A model whose files follow."""
    name = asked.get("name", "")
    if any(mark in name for mark in ("/", ":", ".", "%", '"', "'")):
        raise InputError(f"Invalid model name ('{name}'). It must hold none of / : . % \" '")
    request = {
        "experiment": asked["experiment_id"],
        "name": name,
        "type": asked.get("model_type", ""),
        "run": asked.get("source_run_id", ""),
        "params": tag_map(asked.get("params")),
        "tags": tag_map(asked.get("tags")),
    }
    made = desk.change("tracking.create_model", request)["model"]
    return get(desk, {}, made)  # type: ignore[no-any-return]


@call("GET", "logged-models/{}")
def get(desk: Desk, _asked: Json, id: str) -> Json:
    """One by its id."""
    with desk.reading() as shelf:
        return {"model": models_json(shelf, [find_model(shelf, id)])[0]}


@call("PATCH", "logged-models/{}", status=(text, True))
def finalize(desk: Desk, asked: Json, id: str) -> Json:
    """Its files are there, or never will be."""
    state = STATUSES.get(asked["status"])
    if state is None:
        raise forms.wrong("status", asked["status"])
    return _noted(desk, id, [{"kind": "state", "name": "status", "value": state}])


@call("DELETE", "logged-models/{}")
def delete(desk: Desk, _asked: Json, id: str) -> Json:
    """Out of sight; its files and records stay."""
    _noted(desk, id, [{"kind": "state", "name": "lifecycle", "value": "deleted"}])
    return {}


@call("PATCH", "logged-models/{}/tags", tags=(pairs, False))
def set_tags(desk: Desk, asked: Json, id: str) -> Json:
    """Tags."""
    return _noted(desk, id, [{"kind": "tag", **_pair(one)} for one in asked.get("tags", [])])


@call("DELETE", "logged-models/{}/tags/{}")
def delete_tag(desk: Desk, _asked: Json, id: str, key: str) -> Json:
    """A tag away."""
    with desk.reading() as shelf:
        if key not in find_model(shelf, id)["tags"]:
            raise NotFound(f"No tag with key '{key}' found for model with ID '{id}'.")
    return _noted(desk, id, [{"kind": "tag", "name": key, "removed": True}])


@call("POST", "logged-models/{}/params", params=(pairs, False))
def log_params(desk: Desk, asked: Json, id: str) -> Json:
    """Parameters."""
    _noted(desk, id, [{"kind": "param", **_pair(one)} for one in asked.get("params", [])])
    return {}


def _pair(one: Json) -> Json:
    return {"name": one["key"], "value": one.get("value", "")}


def _noted(desk: Desk, id: str, notes: list[Json]) -> Json:
    with desk.reading() as shelf:
        find_model(shelf, id)
    if notes:
        desk.change("tracking.note", {"subject": id, "notes": notes})
    if any(note["name"] == "lifecycle" for note in notes):
        return {}
    return get(desk, {}, id)  # type: ignore[no-any-return]


@call("POST", "logged-models/search", experiment_ids=(many, False), filter=(text, False), datasets=(many, False),
      max_results=(whole, False), order_by=(many, False), page_token=(text, False))  # fmt: skip
def search(desk: Desk, asked: Json) -> Json:
    """Those that fit a filter, and were measured on certain data sets where these are named."""
    count, start = forms.page_of(asked, 100, 50_000)
    experiments = [str(one) for one in asked.get("experiment_ids", [])]
    with desk.reading() as shelf:
        found = [
            one for one in shelf.stock(LOGGED_MODEL) if one["parent"] in experiments and one["lifecycle"] == "active"
        ]
        told = {one["info"]["model_id"]: one for one in models_json(shelf, found)}
        wanted = asked.get("datasets", [])
        kept = [
            one for one in told.values() if _measured_on(one, wanted) and matches(asked.get("filter", ""), _value(one))
        ]
        order = [
            f"{_field(one)} {'ASC' if one.get('ascending', True) else 'DESC'}" for one in asked.get("order_by", [])
        ]
        kept = ordered(kept, [*order, "creation_timestamp DESC", "model_id"], _value)
    page = kept[start : start + count]
    return {"models": page, **forms.next_token(len(kept) - start, count, start)}


def _field(order: Json) -> str:
    return str(order.get("field_name", ""))


def _measured_on(model: Json, datasets: list[Json]) -> bool:
    if not datasets:
        return True
    return any(
        metric.get("dataset_name") == one.get("dataset_name")
        and one.get("dataset_digest") in (None, "", metric.get("dataset_digest"))
        for metric in model["data"]["metrics"]
        for one in datasets
    )


def _value(model: Json) -> Any:
    info, data = model["info"], model["data"]
    plain = {
        **info,
        "creation_timestamp": info["creation_timestamp_ms"],
        "creation_time": info["creation_timestamp_ms"],
        "last_updated_timestamp": info["last_updated_timestamp_ms"],
        "status": info["status"].removeprefix("LOGGED_MODEL_"),
    }
    kinds = {
        "tag": {one["key"]: one["value"] for one in info["tags"]},
        "param": {one["key"]: one["value"] for one in data["params"]},
        "metric": {one["key"]: one["value"] for one in data["metrics"]},
    }
    return lambda kind, name: kinds[kind].get(name) if kind in kinds else plain.get(name)
