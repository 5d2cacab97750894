"""Calls about registered models and their versions."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any
from urllib.parse import unquote_plus, urlparse

from core.engine.operations.tracked_registry import PROMOTIONS, check_stage
from core.engine.tracking import forms
from core.engine.tracking.desk import Desk, Json, call
from core.engine.tracking.forms import check_length, flag, many, pairs, tag_map, text, whole
from core.engine.tracking.logged_models import models_json
from core.engine.tracking.match import matches, ordered
from core.engine.tracking.registered import Registry, version_json
from core.engine.tracking.run_forms import runs_json
from core.engine.tracking.shelf import LOGGED_MODEL, Thing
from core.kernel.errors import InputError, NotFound

NAME = {"name": (text, True)}
VERSION = {**NAME, "version": (whole, True)}
ALIAS = re.compile(r"[\w\-]*")


def model_json(registry: Registry, model: Thing) -> Json:
    """A registered model as clients read it, with the newest version of each stage."""
    newest = {version["stage"]: version for version in registry.versions(model["name"])}
    return {
        "name": model["name"],
        "creation_timestamp": model["ms"],
        "last_updated_timestamp": model["updated"],
        "user_id": model["author"],
        "description": model["description"],
        "latest_versions": [version_json(one) for one in newest.values()],
        "tags": forms.tag_list(model["tags"]),
        "aliases": [{"alias": name, "version": str(number)} for name, number in model["aliases"].items()],
    }


def _model(desk: Desk, name: str) -> Json:
    with desk.reading() as shelf:
        registry = Registry(shelf)
        return {"registered_model": model_json(registry, registry.model(name))}


@call("POST", "registered-models/create", **NAME, tags=(pairs, False), description=(text, False))
def create(desk: Desk, asked: Json) -> Json:
    """A name for versions."""
    if not asked["name"].strip() or "/" in asked["name"] or ":" in asked["name"]:
        raise InputError("Registered model name cannot be empty, nor contain '/' or ':'")
    check_length("Model name", asked["name"], 256)
    request = {"name": asked["name"], "description": asked.get("description", ""), "tags": tag_map(asked.get("tags"))}
    desk.change("registry.create_model", request)
    return _model(desk, asked["name"])


@call("GET", "registered-models/get", **NAME)
def get(desk: Desk, asked: Json) -> Json:
    """One by its name."""
    return _model(desk, asked["name"])


@call("POST", "registered-models/rename", **NAME, new_name=(text, True))
def rename(desk: Desk, asked: Json) -> Json:
    """Another name."""
    with desk.reading() as shelf:
        if Registry(shelf).find(asked["new_name"]) is not None:
            raise InputError(f"Registered Model (name={asked['new_name']}) already exists.")
    _noted(desk, asked["name"], None, [_state("name", asked["new_name"])])
    return _model(desk, asked["new_name"])


@call("PATCH", "registered-models/update", **NAME, description=(text, False))
def update(desk: Desk, asked: Json) -> Json:
    """Another description."""
    _noted(desk, asked["name"], None, [_state("description", asked.get("description", ""))])
    return _model(desk, asked["name"])


@call("DELETE", "registered-models/delete", **NAME)
def delete(desk: Desk, asked: Json) -> Json:
    """Out of sight; its records stay."""
    return _noted(desk, asked["name"], None, [_state("lifecycle", "deleted")])


@call("GET", "registered-models/search", filter=(text, False), max_results=(whole, False), order_by=(many, False),
      page_token=(text, False))  # fmt: skip
def search(desk: Desk, asked: Json) -> Json:
    """Those that fit a filter, by name."""
    count, start = forms.page_of(asked, 100, 1000)
    with desk.reading() as shelf:
        registry = Registry(shelf)
        kept = [one for one in registry.all().values() if matches(asked.get("filter", ""), _model_value(one))]
        kept = ordered(kept, [*asked.get("order_by", []), "name"], _model_value)
        page = [model_json(registry, one) for one in kept[start : start + count]]
    return {"registered_models": page, **forms.next_token(len(kept) - start, count, start)}


def _model_value(model: Thing) -> Any:
    plain = {
        "name": model["name"],
        "creation_timestamp": model["ms"],
        "last_updated_timestamp": model["updated"],
        "timestamp": model["updated"],
    }
    return lambda kind, name: model["tags"].get(name) if kind == "tag" else plain.get(name)


@call("GET", "registered-models/get-latest-versions", **NAME, stages=(many, False))
@call("POST", "registered-models/get-latest-versions", **NAME, stages=(many, False))
def latest_versions(desk: Desk, asked: Json) -> Json:
    """The newest version of each stage."""
    wanted = {check_stage(stage) for stage in asked.get("stages", [])}
    with desk.reading() as shelf:
        newest = {one["stage"]: one for one in Registry(shelf).versions(asked["name"])}
    return {"model_versions": [version_json(one) for stage, one in newest.items() if not wanted or stage in wanted]}


@call("POST", "registered-models/set-tag", **NAME, key=(text, True), value=(text, False))
def set_model_tag(desk: Desk, asked: Json) -> Json:
    """A tag of a model."""
    return _noted(desk, asked["name"], None, [_tag(asked)])


@call("DELETE", "registered-models/delete-tag", **NAME, key=(text, True))
def delete_model_tag(desk: Desk, asked: Json) -> Json:
    """A tag of a model away."""
    return _noted(desk, asked["name"], None, [{"kind": "tag", "name": asked["key"], "removed": True}])


@call("POST", "registered-models/alias", **VERSION, alias=(text, True))
def set_alias(desk: Desk, asked: Json) -> Json:
    """Another name of a version; ``champion`` only where a release was approved."""
    alias = asked["alias"]
    if not ALIAS.fullmatch(alias) or re.fullmatch(r"[vV]\d+", alias) or alias.lower() == "latest":
        raise InputError(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-); "
            "version numbers and 'latest' are taken."
        )
    return desk.change("registry.alias", {"name": asked["name"], "alias": alias, "version": asked["version"]})


@call("DELETE", "registered-models/alias", **NAME, alias=(text, True))
def delete_alias(desk: Desk, asked: Json) -> Json:
    """An alias away."""
    return desk.change("registry.alias", {"name": asked["name"], "alias": asked["alias"]})


@call("GET", "registered-models/alias", **NAME, alias=(text, True))
def get_by_alias(desk: Desk, asked: Json) -> Json:
    """The version that an alias means."""
    with desk.reading() as shelf:
        registry = Registry(shelf)
        model, alias = registry.model(asked["name"]), asked["alias"]
        promoted = model["trained"] and alias.lower() in PROMOTIONS  # however it is spelt: the one in production
        number = model["aliases"].get("champion" if promoted else alias)
        if number is None:
            raise InputError(f"Registered model alias {asked['alias']} not found.")
        return {"model_version": version_json(registry.version(asked["name"], number))}


@call("POST", "model-versions/create", **NAME, source=(text, True), run_id=(text, False), tags=(pairs, False),
      run_link=(text, False), description=(text, False), model_id=(text, False))  # fmt: skip
def create_version(desk: Desk, asked: Json) -> Json:
    """The next version of a model."""
    _check_source(desk, asked["source"], asked.get("run_id", ""))
    request = {
        "name": asked["name"],
        "source": asked["source"],
        "run": asked.get("run_id", ""),
        "run_link": asked.get("run_link", ""),
        "model": asked.get("model_id", ""),
        "description": asked.get("description", ""),
        "tags": tag_map(asked.get("tags")),
    }
    number = desk.change("registry.create_version", request)["version"]
    if asked.get("model_id"):
        _tell_model(desk, asked["model_id"], asked["name"], number)
    return _version(desk, asked["name"], number)


def _check_source(desk: Desk, source: str, run: str) -> None:
    """Refuse sources that reach outside what they name, and files of this machine."""
    plain = source
    while (decoded := unquote_plus(plain)) != plain:
        plain = decoded
    path = re.sub(r"/+", "/", urlparse(plain).path.rstrip("/"))
    if "\0" in plain or ".." in plain.split("/") or posixpath.normpath(path or "/") != (path or "/"):
        raise InputError(
            f"Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, "
            "ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path "
            "references present. Please provide an absolute path."
        )
    if urlparse(source).scheme not in ("", "file"):
        return
    with desk.reading() as shelf:
        known = run and runs_json(shelf, [run])[0]["info"]["artifact_uri"]
    if not known or not (source == known or source.startswith(f"{known}/")):
        raise InputError(
            f"Invalid model version source: '{source}'. To use a local path as a model version source, the run_id "
            "request parameter has to be specified and the local path has to be contained within the artifact "
            "directory of the run specified by the run_id."
        )


def _tell_model(desk: Desk, model: str, name: str, number: int) -> None:
    """Note on a logged model under which name it was registered."""
    key = "mlflow.modelVersions"
    with desk.reading() as shelf:
        held = shelf.find(LOGGED_MODEL, model)
    if held is None:
        return
    versions = [*json.loads(held["tags"].get(key, "[]")), {"name": name, "version": number}]
    note = {"kind": "tag", "name": key, "value": json.dumps(versions)}
    desk.change("tracking.note", {"subject": model, "notes": [note]})


def _version(desk: Desk, name: str, number: int) -> Json:
    with desk.reading() as shelf:
        told = version_json(Registry(shelf).version(name, number))
        model = shelf.find(LOGGED_MODEL, told["model_id"]) if told.get("model_id") else None
        if model is not None:
            data = models_json(shelf, [model])[0]["data"]
            told["model_metrics"] = data["metrics"]
            told["model_params"] = [{"name": one["key"], "value": one["value"]} for one in data["params"]]
    return {"model_version": told}


@call("GET", "model-versions/get", **VERSION)
def get_version(desk: Desk, asked: Json) -> Json:
    """One version."""
    return _version(desk, asked["name"], asked["version"])


@call("PATCH", "model-versions/update", **VERSION, description=(text, False))
def update_version(desk: Desk, asked: Json) -> Json:
    """Another description."""
    _noted(desk, asked["name"], asked["version"], [_state("description", asked.get("description", ""))])
    return _version(desk, asked["name"], asked["version"])


@call("POST", "model-versions/transition-stage", **VERSION, stage=(text, True), archive_existing_versions=(flag, False))
def transition(desk: Desk, asked: Json) -> Json:
    """Another stage; Production only where a release was approved."""
    request = {
        "name": asked["name"],
        "version": asked["version"],
        "stage": check_stage(asked["stage"]),
        "archive_others": asked.get("archive_existing_versions") in (True, "true"),
    }
    desk.change("registry.move", request)
    return _version(desk, asked["name"], asked["version"])


@call("DELETE", "model-versions/delete", **VERSION)
def delete_version(desk: Desk, asked: Json) -> Json:
    """Out of sight; its records stay."""
    return _noted(desk, asked["name"], asked["version"], [_state("lifecycle", "deleted")])


@call("GET", "model-versions/search", filter=(text, False), max_results=(whole, False), order_by=(many, False),
      page_token=(text, False))  # fmt: skip
def search_versions(desk: Desk, asked: Json) -> Json:
    """Versions that fit a filter, newest first."""
    count, start = forms.page_of(asked, 200_000, 200_000)
    with desk.reading() as shelf:
        found = Registry(shelf).search_versions()
    kept = [one for one in found if matches(asked.get("filter", ""), _version_value(one))]
    order = asked.get("order_by") or ["last_updated_timestamp DESC", "name", "version_number DESC"]
    page = ordered(kept, order, _version_value)[start : start + count]
    return {"model_versions": [version_json(one) for one in page], **forms.next_token(len(kept) - start, count, start)}


def _version_value(version: Thing) -> Any:
    plain = {
        "name": version["model"],
        "version_number": version["number"],
        "version": version["number"],
        "run_id": version["detail"].get("run", ""),
        "source_path": version["detail"].get("source", ""),
        "source": version["detail"].get("source", ""),
        "creation_timestamp": version["ms"],
        "last_updated_timestamp": version["updated"],
        "current_stage": version["stage"],
        "model_id": version["detail"].get("model", ""),
    }
    return lambda kind, name: version["tags"].get(name) if kind == "tag" else plain.get(name)


@call("GET", "model-versions/get-download-uri", **VERSION)
def download_uri(desk: Desk, asked: Json) -> Json:
    """Where its files are."""
    with desk.reading() as shelf:
        found = Registry(shelf).version(asked["name"], asked["version"])
    if not found["detail"].get("source"):
        raise NotFound("This version names no files")
    return {"artifact_uri": found["detail"]["source"]}


@call("POST", "model-versions/set-tag", **VERSION, key=(text, True), value=(text, False))
def set_version_tag(desk: Desk, asked: Json) -> Json:
    """A tag of a version."""
    return _noted(desk, asked["name"], asked["version"], [_tag(asked)])


@call("DELETE", "model-versions/delete-tag", **VERSION, key=(text, True))
def delete_version_tag(desk: Desk, asked: Json) -> Json:
    """A tag of a version away."""
    note = {"kind": "tag", "name": asked["key"], "removed": True}
    return _noted(desk, asked["name"], asked["version"], [note])


def _noted(desk: Desk, name: str, version: int | None, notes: list[Json]) -> Json:
    return desk.change("registry.note", {"name": name, "version": version, "notes": notes})


def _state(name: str, value: str) -> Json:
    return {"kind": "state", "name": name, "value": value}


def _tag(asked: Json) -> Json:
    check_length("key", asked["key"], 250)
    check_length("value", asked.get("value", ""), 100_000)
    return {"kind": "tag", "name": asked["key"], "value": asked.get("value", "")}
