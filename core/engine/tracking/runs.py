"""Calls about runs: make them, log to them, end, delete, restore and search them."""

from __future__ import annotations

import json
import random
from concurrent.futures import Future
from typing import Any

from core.engine.tracking import forms
from core.engine.tracking.desk import Desk, Json, call
from core.engine.tracking.forms import check_count, check_key, check_length, many, pairs, tag_map, text, whole
from core.engine.tracking.match import read_order
from core.engine.tracking.run_forms import RUN_NAME, USER, runs_json
from core.engine.tracking.shelf import Shelf
from core.kernel.errors import InputError, NotFound
from core.store.run_query import parse
from core.store.run_search import Search, search

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
LIFECYCLES = {"ACTIVE_ONLY": "active", "DELETED_ONLY": "deleted", "ALL": "all"}
ADJECTIVES = ("amber", "brisk", "calm", "deep", "early", "fair", "keen", "lucid", "mild", "quiet", "steady", "swift")
NOUNS = (
    "anchor",
    "beacon",
    "current",
    "draught",
    "harbour",
    "keel",
    "lantern",
    "mast",
    "quay",
    "rudder",
    "sail",
    "tide",
)


def run_id(asked: Json) -> str:
    """The run that a request names, by either of its names.

    Raises:
        InputError: when it names none.
    """
    found = asked.get("run_id") or asked.get("run_uuid")
    if not found:
        raise InputError(f"Missing value for required parameter 'run_id'. {forms.HINT}")
    return str(found)


@call("POST", "runs/create", experiment_id=(text, False), user_id=(text, False), run_name=(text, False),
      start_time=(whole, False), tags=(pairs, False))  # fmt: skip
def create(desk: Desk, asked: Json) -> Json:
    """A new run; without a name it gets one that can be said aloud."""
    tags = tag_map(asked.get("tags"))
    name = asked.get("run_name") or tags.get(RUN_NAME)
    if asked.get("run_name") and tags.get(RUN_NAME, name) != name:
        raise InputError(
            f"Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{name}', mlflow.runName='{tags[RUN_NAME]}')."
        )
    if not name:
        name = f"{random.choice(ADJECTIVES)}-{random.choice(NOUNS)}-{random.randrange(1000)}"
    for key, value in tags.items():
        _check_tag(key, value)
    request = {
        "experiment": asked.get("experiment_id") or "0",
        "name": name,
        "user": asked.get("user_id") or tags.get(USER, ""),
        "ms": asked.get("start_time"),
        "tags": {**tags, RUN_NAME: name},
    }
    made = desk.change("tracking.create_run", request)["run"]
    with desk.reading() as shelf:
        return {"run": runs_json(shelf, [made])[0]}


@call("GET", "runs/get", run_id=(text, False), run_uuid=(text, False))
def get(desk: Desk, asked: Json) -> Json:
    """One run, whole."""
    with desk.reading() as shelf:
        return {"run": runs_json(shelf, [run_id(asked)])[0]}


@call("POST", "runs/update", run_id=(text, False), run_uuid=(text, False), status=(text, False),
      end_time=(whole, False), run_name=(text, False))  # fmt: skip
def update(desk: Desk, asked: Json) -> Json:
    """Another status, end or name."""
    id, notes = run_id(asked), []
    status = asked.get("status")
    if status is not None and status not in STATUSES:
        raise forms.wrong("status", status, f"It must be one of {', '.join(STATUSES)}.")
    if status is not None:
        notes.append({"kind": "state", "name": "status", "value": status})
    if "end_time" in asked:
        notes.append({"kind": "state", "name": "end_time", "value": str(asked["end_time"])})
    if asked.get("run_name"):
        notes.append({"kind": "state", "name": "name", "value": asked["run_name"]})
        notes.append({"kind": "tag", "name": RUN_NAME, "value": asked["run_name"]})
    if notes:
        desk.change("tracking.note", {"subject": id, "notes": notes})
    with desk.reading() as shelf:
        return {"run_info": runs_json(shelf, [id])[0]["info"]}


@call("POST", "runs/delete", run_id=(text, True))
def delete(desk: Desk, asked: Json) -> Json:
    """Out of sight; its records stay."""
    return _move(desk, asked["run_id"], "deleted")


@call("POST", "runs/restore", run_id=(text, True))
def restore(desk: Desk, asked: Json) -> Json:
    """Back again."""
    return _move(desk, asked["run_id"], "active")


def _move(desk: Desk, id: str, lifecycle: str) -> Json:
    note = {"kind": "state", "name": "lifecycle", "value": lifecycle}
    return desk.change("tracking.note", {"subject": id, "notes": [note]})


ONE = {"run_id": (text, False), "run_uuid": (text, False)}


@call("POST", "runs/log-metric", **ONE, key=(text, True), value=(forms.number, True), timestamp=(whole, True),
      step=(whole, False), model_id=(text, False), dataset_name=(text, False), dataset_digest=(text, False),
)  # fmt: skip
def log_metric(desk: Desk, asked: Json) -> Future[None]:
    """One point."""
    return desk.log({"run": run_id(asked), **_points([asked])})


@call("POST", "runs/log-parameter", **ONE, key=(text, True), value=(text, False))
def log_parameter(desk: Desk, asked: Json) -> Future[None]:
    """One parameter."""
    return desk.log({"run": run_id(asked), "params": [_param(asked["key"], asked.get("value", ""))]})


@call("POST", "runs/set-tag", **ONE, key=(text, True), value=(text, False))
def set_tag(desk: Desk, asked: Json) -> Any:
    """One tag; that of a run's name names it too."""
    key, value = _check_tag(asked["key"], asked.get("value", ""))
    if key == RUN_NAME:
        return _named(desk, run_id(asked), value)
    return desk.log({"run": run_id(asked), "tags": [(key, value)]})


def _named(desk: Desk, id: str, value: str) -> Json:
    notes = [{"kind": "state", "name": "name", "value": value}, {"kind": "tag", "name": RUN_NAME, "value": value}]
    return desk.change("tracking.note", {"subject": id, "notes": notes})


@call("POST", "runs/delete-tag", run_id=(text, True), key=(text, True))
def delete_tag(desk: Desk, asked: Json) -> Json:
    """A tag away."""
    id, key = asked["run_id"], asked["key"]
    with desk.reading() as shelf:
        run = shelf.runs([id]).get(id)
        tags = {note["name"] for note in shelf.notes([id], ["tag"]).to_dicts()}
    if run is None:
        raise NotFound(f"Run with id={id} not found")
    if run["lifecycle"] == "active" and key not in tags:
        raise NotFound(f"No tag with name: {key} in run with id {id}")
    return desk.change("tracking.note", {"subject": id, "notes": [{"kind": "tag", "name": key, "removed": True}]})


@call("POST", "runs/log-batch", run_id=(text, True), metrics=(forms.metrics, False), params=(pairs, False),
      tags=(pairs, False))  # fmt: skip
def log_batch(desk: Desk, asked: Json) -> Future[None]:
    """Points, parameters and tags together: all of them or none."""
    points, params, tags = asked.get("metrics", []), asked.get("params", []), asked.get("tags", [])
    for number, one in enumerate(points):
        if one.get("timestamp") is None:
            raise InputError(f"Missing value for required parameter 'metrics[{number}].timestamp'. {forms.HINT}")
    for what, part, most in (
        ("metrics", points, forms.METRICS),
        ("params", params, forms.PARAMS),
        ("tags", tags, forms.TAGS),
    ):
        check_count(what, len(part), most)
    check_count("metrics, params, and tags", len(points) + len(params) + len(tags), forms.ENTITIES)
    names = [one["key"] for one in params]
    if len(set(names)) < len(names) and len({(one["key"], one.get("value", "")) for one in params}) > len(set(names)):
        raise InputError(f"Duplicate parameter keys have been submitted: {sorted(set(names))}"[:500])
    return desk.log(
        {
            "run": asked["run_id"],
            **_points(points),
            "params": [_param(one["key"], one.get("value", "")) for one in params],
            "tags": [_check_tag(one["key"], one.get("value", "")) for one in tags],
        }
    )


def _points(points: list[Json]) -> Json:
    """Points column by column, with the model and the data that they tell of."""
    for key in {one["key"] for one in points}:
        check_key("metric", key)
    datasets = [
        json.dumps([one["dataset_name"], one.get("dataset_digest", "")]) if one.get("dataset_name") else ""
        for one in points
    ]
    models = [one.get("model_id") or "" for one in points]
    return {
        "names": [one["key"] for one in points],
        "values": [float(one["value"]) for one in points],
        "steps": [int(one.get("step") or 0) for one in points],
        "times": [int(one["timestamp"]) for one in points],
        "models": models if any(models) else [],
        "datasets": datasets if any(datasets) else [],
    }


def _param(key: str, value: str) -> tuple[str, str]:
    check_key("parameter", key)
    check_length("Param value", value, forms.PARAM_VALUE)
    return key, value


def _check_tag(key: str, value: str) -> tuple[str, str]:
    check_key("tag", key)
    check_length("Tag value", value, forms.TAG_VALUE)
    return key, value


@call("POST", "runs/log-inputs", run_id=(text, True), datasets=(many, False), models=(many, False))
def log_inputs(desk: Desk, asked: Json) -> Json:
    """Data sets and models that a run used."""
    notes = []
    for one in asked.get("datasets", []):
        data, tags = one.get("dataset", {}), one.get("tags", [])
        if not data.get("name") or not data.get("digest"):
            raise forms.wrong("datasets", asked["datasets"], "Each dataset needs a name and a digest.")
        check_length("Dataset name", data["name"], 500)
        check_length("Dataset digest", data["digest"], 36)
        context = next((tag.get("value") for tag in tags if tag.get("key") == "mlflow.data.context"), None)
        kept = {"input": {"tags": tags, "dataset": data}, "dataset": data, "context": context}
        notes.append({"kind": "input", "name": f"{data['name']} {data['digest']}", "value": json.dumps(kept)})
    for one in asked.get("models", []):
        notes.append({"kind": "model_input", "name": str(one["model_id"])})
    desk.change("tracking.note", {"subject": asked["run_id"], "notes": notes})
    return {}


@call("POST", "runs/outputs", run_id=(text, True), models=(many, False))
def log_outputs(desk: Desk, asked: Json) -> Json:
    """Models that a run made."""
    notes = [
        {"kind": "model_output", "name": str(one["model_id"]), "value": str(int(one.get("step") or 0))}
        for one in asked.get("models", [])
    ]
    return desk.change("tracking.note", {"subject": asked["run_id"], "notes": notes})


@call("POST", "runs/log-model", run_id=(text, True), model_json=(text, True))
def log_model(desk: Desk, asked: Json) -> Json:
    """The description of a model, among those that the run's tag lists."""
    name = "mlflow.log-model.history"
    try:
        described = json.loads(asked["model_json"])
    except json.JSONDecodeError as error:
        raise InputError(f"Malformed model info. \n {asked['model_json'][:200]} \n is not valid JSON.") from error
    missing = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(described)
    if missing:
        raise InputError(f"Model json is missing mandatory fields: {missing}")
    with desk.reading() as shelf:
        held = {note["name"]: note["value"] for note in shelf.notes([asked["run_id"]], ["tag"]).to_dicts()}
    models = [*json.loads(held.get(name, "[]")), described]
    note = {"kind": "tag", "name": name, "value": json.dumps(models)}
    return desk.change("tracking.note", {"subject": asked["run_id"], "notes": [note]})


@call("POST", "runs/search", experiment_ids=(many, False), filter=(text, False), run_view_type=(text, False),
      max_results=(whole, False), order_by=(many, False), page_token=(text, False))  # fmt: skip
def search_runs(desk: Desk, asked: Json) -> Json:
    """Those that fit a filter, in the order that was asked for."""
    count, start = forms.page_of(asked, 1000, 50_000)
    wanted = Search(
        query=parse(asked.get("filter", "")),
        experiments=[str(one) for one in asked.get("experiment_ids", [])],
        lifecycle=LIFECYCLES.get(asked.get("run_view_type", "ACTIVE_ONLY"), "active"),
        order=[read_order(one) for one in asked.get("order_by", [])],
        limit=count + 1,
        offset=start,
    )
    with desk.reading() as shelf:
        found = search(shelf.connection, wanted)["run"].to_list()
        return {"runs": runs_json(shelf, found[:count]), **forms.next_token(len(found), count, start)}


@call("POST", "experiments/search-datasets", experiment_ids=(many, False))
def search_datasets(desk: Desk, asked: Json) -> Json:
    """Data sets that runs of some experiments used."""
    ids = asked.get("experiment_ids") or []
    if not ids:
        raise InputError("SearchDatasets request must specify at least one experiment_id.")
    if len(ids) > 20:
        raise InputError(f"SearchDatasets request cannot specify more than 20 experiment_ids. Received {len(ids)}.")
    with desk.reading() as shelf:
        return {"dataset_summaries": _datasets(shelf, [str(one) for one in ids])}


def _datasets(shelf: Shelf, experiments: list[str]) -> list[Json]:
    found = search(shelf.connection, Search(experiments=experiments))
    homes = dict(zip(found["run"].to_list(), found["experiment_id"].to_list(), strict=True))
    out = []
    for note in shelf.notes(homes, ["input"]).to_dicts():
        kept = json.loads(note["value"])
        one = {"experiment_id": homes[note["subject"]], "name": kept["dataset"]["name"]}
        one["digest"] = kept["dataset"]["digest"]
        if kept["context"] is not None:
            one["context"] = kept["context"]
        if one not in out:
            out.append(one)
    return out
