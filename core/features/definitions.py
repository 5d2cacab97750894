"""What decides the values of a feature view: its definition, a digest of it, and what differs between two.

Owner, description and freshness target are left out: they change no value. What lies under the view
counts: the query of a derived table, and how its sources read text, types and nulls.
"""

from __future__ import annotations

from typing import Any

from core.features.expressions import columns_read
from core.features.views import features_of
from core.kernel.digests import digest_json
from core.kernel.records import Record
from core.project.schema import FeatureView, Project
from core.project.uses import names_in

WORDS_ONLY = {"owner", "description", "freshness"}
READING = ("kind", "nulls", "types")  # of a source: what decides how its text becomes values


class DefinitionChange(Record):
    """One part of a definition that two sides do not share; ``features`` are those that it can change."""

    what: str
    before: str
    after: str
    features: list[str]

    def line(self) -> str:
        """In words."""
        return f"{self.what}: {self.before} → {self.after}"


def definition_of(project: Project, name: str) -> dict[str, Any]:
    """The view's definition with those of the tables under it, as JSON values. Defaults are left out."""
    view = project.features.views[name]
    own = view.model_dump(mode="json", exclude=WORDS_ONLY, exclude_defaults=True)
    return {"view": own, "tables": {table: _table(project, table) for table in tables_under(project, view.table)}}


def definition_digest(definition: dict[str, Any]) -> str:
    """The version of a definition: any change of a value's meaning changes it."""
    return digest_json(definition)


def version_of(project: Project, name: str) -> str:
    """The digest of a view's definition as the project states it."""
    return definition_digest(definition_of(project, name))


def view_of(definition: dict[str, Any]) -> FeatureView:
    """The view that a stored definition describes."""
    return FeatureView.read(definition["view"])


def tables_under(project: Project, table: str) -> list[str]:
    """The table and every table or source that its queries name, nearest first."""
    names = [*project.sources, *project.tables]
    out, todo = list[str](), [table]
    while todo:
        one = todo.pop(0)
        if one in out or one not in names:
            continue
        out.append(one)
        if one in project.tables:
            made = project.tables[one]
            words = set(made.python.inputs) if made.python else names_in(made.sql)
            todo += [name for name in names if name in words and name != one]
    return out


def reads_of(view: FeatureView) -> dict[str, list[str]]:
    """For each feature the columns of the view's table that its value depends on, key and times included."""
    times = [column for column in (view.event_time, view.available) if column]
    out = {}
    for name in features_of(view):
        text = view.columns.get(name) or (view.windows[name].column if name in view.windows else None)
        own = columns_read(text, name) if text else []
        out[name] = list(dict.fromkeys([*own, *view.entity, *view.key, *times]))
    return out


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[DefinitionChange]:
    """What differs between two definitions, each part by its name and the features that it can change."""
    first, second = before.get("view", {}), after.get("view", {})
    every = list(dict.fromkeys(name for side in (first, second) for name in _features(side)))
    out = [
        _change(key, first.get(key), second.get(key), every)
        for key in dict.fromkeys([*first, *second])
        if key not in ("columns", "windows") and first.get(key) != second.get(key)
    ]
    for part in ("columns", "windows"):
        olds, news = first.get(part, {}), second.get(part, {})
        for name in dict.fromkeys([*olds, *news]):
            out += _feature_changes(f"{part}.{name}", olds.get(name), news.get(name), name)
    olds, news = before.get("tables", {}), after.get("tables", {})
    for table in dict.fromkeys([*olds, *news]):
        out += _parts(f"table {table}", olds.get(table) or {}, news.get(table) or {}, every)
    return out


def _table(project: Project, name: str) -> dict[str, Any]:
    if name in project.tables:
        made = project.tables[name]
        return {"python": made.python.plain()} if made.python else {"sql": made.sql}
    source = project.sources[name].model_dump(mode="json")
    return {part: source[part] for part in READING if part in source}


def _features(view: dict[str, Any]) -> list[str]:
    return [*view.get("columns", {}), *view.get("windows", {})]


def _feature_changes(what: str, old: Any, new: Any, name: str) -> list[DefinitionChange]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        return _parts(what, old, new, [name])
    return [_change(what, old, new, [name])]


def _parts(what: str, old: dict[str, Any], new: dict[str, Any], features: list[str]) -> list[DefinitionChange]:
    return [
        _change(f"{what}.{key}", old.get(key), new.get(key), features)
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    ]


def _change(what: str, old: Any, new: Any, features: list[str]) -> DefinitionChange:
    return DefinitionChange(what=what, before=_words(old), after=_words(new), features=features)


def _words(value: Any) -> str:
    if value is None:
        return "not stated"
    return " ".join(str(value).split())
