"""Calls about experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.engine.tracking.desk import Desk, Json, call
from core.engine.tracking.forms import (
    check_length,
    many,
    next_token,
    page_of,
    pairs,
    tag_list,
    tag_map,
    text,
    whole,
)
from core.engine.tracking.match import matches, ordered
from core.engine.tracking.shelf import DEFAULT, EXPERIMENT, Thing
from core.kernel.errors import InputError, NotFound

VIEWS = {"ACTIVE_ONLY": ("active",), "DELETED_ONLY": ("deleted",), "ALL": ("active", "deleted")}


def location_of(experiment: Thing) -> str:
    """Where the files of an experiment's runs go: to us, unless its maker named another place."""
    return str(experiment["detail"].get("location") or f"mlflow-artifacts:/{experiment['id']}")


def experiment_json(thing: Thing) -> Json:
    """An experiment as clients read it."""
    return {
        "experiment_id": thing["id"],
        "name": thing["name"],
        "artifact_location": location_of(thing),
        "lifecycle_stage": thing["lifecycle"],
        "creation_time": thing["ms"],
        "last_update_time": thing["updated"],
        "tags": tag_list(thing["tags"]),
    }


@call("POST", "experiments/create", name=(text, True), artifact_location=(text, False), tags=(pairs, False))
def create(desk: Desk, asked: Json) -> Json:
    """A new experiment."""
    check_length("name", asked["name"], 500)
    location = _place(asked.get("artifact_location", ""))
    request = {"name": asked["name"], "location": location, "tags": tag_map(asked.get("tags"))}
    return {"experiment_id": desk.change("tracking.create_experiment", request)["experiment"]}


def _place(location: str) -> str:
    """The place that was named; a relative folder is one in the engine's own, as it is with MLflow's server."""
    if "#" in location or "?" in location:
        raise InputError(f"Invalid artifact location: '{location}'. It must hold no query and no fragment.")
    return str(Path(location).absolute()) if location and not urlsplit(location).scheme else location


@call("GET", "experiments/get", experiment_id=(text, True))
def get(desk: Desk, asked: Json) -> Json:
    """One by its id."""
    with desk.reading() as shelf:
        return {"experiment": experiment_json(shelf.experiment(asked["experiment_id"]))}


@call("GET", "experiments/get-by-name", experiment_name=(text, True))
def get_by_name(desk: Desk, asked: Json) -> Json:
    """One by its name."""
    with desk.reading() as shelf:
        found = shelf.experiment_named(asked["experiment_name"])
    if found is None:
        raise NotFound(f"Could not find experiment with name '{asked['experiment_name']}'")
    return {"experiment": experiment_json(found)}


@call("POST", "experiments/search", filter=(text, False), order_by=(many, False), max_results=(whole, False),
      page_token=(text, False), view_type=(text, False))  # fmt: skip
@call("GET", "experiments/search", filter=(text, False), order_by=(many, False), max_results=(whole, False),
      page_token=(text, False), view_type=(text, False))  # fmt: skip
def search(desk: Desk, asked: Json) -> Json:
    """Those that fit a filter."""
    count, start = page_of(asked, 1000, 50_000)
    view = VIEWS.get(asked.get("view_type", "ACTIVE_ONLY"), VIEWS["ACTIVE_ONLY"])
    with desk.reading() as shelf:
        kept = [one for one in shelf.stock(EXPERIMENT) if one["lifecycle"] in view]
    kept = [one for one in kept if matches(asked.get("filter", ""), _value(one))]
    kept = ordered(kept, asked.get("order_by") or ["creation_time DESC", "experiment_id"], _value)
    page = kept[start : start + count]
    return {"experiments": [experiment_json(one) for one in page], **next_token(len(kept) - start, count, start)}


@call("GET", "experiments/list", view_type=(text, False), max_results=(whole, False), page_token=(text, False))
def list_all(desk: Desk, asked: Json) -> Json:
    """All of them, as clients before version 2 ask."""
    return search(desk, asked)  # type: ignore[no-any-return]


def _value(thing: Thing) -> Any:
    plain = {
        "name": thing["name"],
        "experiment_id": int(thing["id"]),
        "creation_time": thing["ms"],
        "last_update_time": thing["updated"],
        "lifecycle_stage": thing["lifecycle"],
    }
    return lambda kind, name: thing["tags"].get(name) if kind == "tag" else plain.get(name)


@call("POST", "experiments/update", experiment_id=(text, True), new_name=(text, False))
def update(desk: Desk, asked: Json) -> Json:
    """Another name."""
    if "new_name" not in asked:
        return {}
    with desk.reading() as shelf:
        other = shelf.experiment_named(asked["new_name"])
    if other is not None and other["id"] != asked["experiment_id"]:
        raise InputError(f"The name '{asked['new_name']}' is taken by experiment {other['id']}")
    return _noted(desk, asked["experiment_id"], "state", "name", asked["new_name"])


@call("POST", "experiments/delete", experiment_id=(text, True))
def delete(desk: Desk, asked: Json) -> Json:
    """Out of sight; its records stay, and it can be brought back."""
    with desk.reading() as shelf:
        found = shelf.experiment(asked["experiment_id"])
    if found["lifecycle"] == "deleted":
        raise NotFound(f"No active Experiment with id={found['id']} exists")
    if found["id"] == DEFAULT:
        raise InputError("The default experiment cannot be deleted")
    return _noted(desk, found["id"], "state", "lifecycle", "deleted")


@call("POST", "experiments/restore", experiment_id=(text, True))
def restore(desk: Desk, asked: Json) -> Json:
    """Back again."""
    return _noted(desk, asked["experiment_id"], "state", "lifecycle", "active")


@call("POST", "experiments/set-experiment-tag", experiment_id=(text, True), key=(text, True), value=(text, False))
def set_tag(desk: Desk, asked: Json) -> Json:
    """A tag."""
    check_length("key", asked["key"], 250)
    check_length("value", asked.get("value", ""), 20_000)
    return _noted(desk, asked["experiment_id"], "tag", asked["key"], asked.get("value", ""))


@call("POST", "experiments/delete-experiment-tag", experiment_id=(text, True), key=(text, True))
def delete_tag(desk: Desk, asked: Json) -> Json:
    """A tag away."""
    return _noted(desk, asked["experiment_id"], "tag", asked["key"], "", removed=True)


def _noted(desk: Desk, id: str, kind: str, name: str, value: str, removed: bool = False) -> Json:
    with desk.reading() as shelf:
        shelf.experiment(id)
    note = {"kind": kind, "name": name, "value": value, "removed": removed}
    return desk.change("tracking.note", {"subject": id, "notes": [note]})
