"""Pandera schemas, as ``to_yaml`` and ``to_json`` write them, read as checks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from core.data.suite_gx import prefix_pattern
from core.data.suite_imported import ImportedSuite, NoEquivalent

Made = list[dict[str, Any]]
_OTHER = frozenset(
    [
        "dtype",
        "nullable",
        "unique",
        "title",
        "description",
        "coerce",
        "required",
        "regex",
        "checks",
        "metadata",
        "drop_invalid_rows",
        "report_duplicates",
        "default",
        "parsers",
    ]
)
_OPEN = {
    "greater_than": "above",
    "less_than": "below",
    "greater_than_or_equal_to": "min",
    "less_than_or_equal_to": "max",
}


def from_pandera(document: dict[str, Any]) -> ImportedSuite:
    """The checks of a schema; each rule that has none is listed."""
    found = ImportedSuite("Pandera", str(document.get("name") or ""))
    columns: dict[str, dict[str, Any]] = {str(name): body or {} for name, body in document["columns"].items()}
    _table(found, document, columns)
    for name, body in columns.items():
        _one(found, name, body)
    for name, value in (document.get("checks") or {}).items():
        found.add(f"check {name} of the table", lambda n=name: _refuse(f"it is code, or of the whole table: {n}"))  # type: ignore[misc]
        del value
    if document.get("index"):
        found.add("index", lambda: _refuse("a table here has no index; name its columns"))
    return found


def _refuse(why: str) -> Made:
    raise NoEquivalent(why)


def _table(found: ImportedSuite, document: dict[str, Any], columns: dict[str, dict[str, Any]]) -> None:
    needed = [name for name, body in columns.items() if body.get("required", True) and not body.get("regex")]
    strict, ordered = document.get("strict"), bool(document.get("ordered"))
    if strict == "filter":
        found.add("strict: filter", lambda: _refuse("a check removes no columns"))
    settings: dict[str, Any] = {"kind": "columns", "columns": needed}
    settings |= {"strict": True} if strict is True else {}
    settings |= {"ordered": True} if ordered else {}
    if needed:
        found.add("columns", lambda: [settings])
    if unique := document.get("unique"):
        names = [unique] if isinstance(unique, str) else list(unique)
        found.add("unique", lambda: [{"kind": "unique", "columns": names}])


def _one(found: ImportedSuite, name: str, body: dict[str, Any]) -> None:
    if body.get("regex"):
        found.add(f"columns like {name}", lambda: _refuse("a check names its columns; patterns of names are not read"))
        return
    if body.get("dtype"):
        found.add(f"{name}: dtype", lambda: _type(name, str(body["dtype"])))
    if not body.get("nullable", False):
        found.add(f"{name}: nullable", lambda: [{"kind": "not_null", "columns": [name]}])
    if body.get("unique"):
        found.add(f"{name}: unique", lambda: [{"kind": "unique", "columns": [name]}])
    if body.get("coerce"):
        found.add(f"{name}: coerce", lambda: _refuse("a check changes no values; say the type in the source"))
    for rule, setting in [*(body.get("checks") or {}).items(), *body.items()]:
        if rule not in _OTHER:
            found.add(f"{name}: {rule}", lambda r=rule, s=setting: _rule(name, r, s))  # type: ignore[misc]


def _type(name: str, dtype: str) -> Made:
    text = dtype.lower()
    words = (("datetime", "time"), ("timestamp", "time"), ("date", "date"), ("uint", "int"), ("int", "int"))
    more = (("float", "float"), ("decimal", "float"), ("str", "text"), ("object", "text"), ("utf8", "text"))
    for start, ours in (*words, *more, ("category", "text"), ("bool", "bool")):
        if text.startswith(start):
            return [{"kind": "type", "columns": [name], "type": ours}]
    raise NoEquivalent(f"there is no type {dtype!r} here")


def _rule(name: str, rule: str, setting: Any) -> Made:
    """One check of a column. Its settings may stand bare, or under ``value`` beside ``options``."""
    options: dict[str, Any] = {}
    if isinstance(setting, dict):
        options = setting.get("options") or {}
        setting = setting["value"] if "value" in setting and len(setting) <= 2 else setting
    if options.get("ignore_na") is False:
        raise NoEquivalent("it fails missing values; not_null says so here")
    maker = _RULES.get(rule)
    made = maker(setting) if maker else _bound(rule, setting)
    warn = {"severity": "warn"} if options.get("raise_warning") else {}
    return [{"columns": [name], **made, **warn}]


def _bound(rule: str, setting: Any) -> dict[str, Any]:
    if rule not in _OPEN:
        raise NoEquivalent("no kind of check says this; an expression may")
    if isinstance(setting, bool) or not isinstance(setting, int | float):
        raise NoEquivalent("its bound is not a number; write an expression such as: at >= TIMESTAMP '2024-01-01'")
    return {"kind": "between", _OPEN[rule]: setting}


def _in_range(setting: dict[str, Any]) -> dict[str, Any]:
    low = "min" if setting.get("include_min", True) else "above"
    high = "max" if setting.get("include_max", True) else "below"
    for end in ("min_value", "max_value"):
        _bound("greater_than", setting[end])
    return {"kind": "between", low: setting["min_value"], high: setting["max_value"]}


def _length(setting: dict[str, Any]) -> dict[str, Any]:
    exact = setting.get("exact_value")
    low, high = (exact, exact) if exact is not None else (setting.get("min_value"), setting.get("max_value"))
    return {"kind": "length", **{name: end for name, end in (("min", low), ("max", high)) if end is not None}}


_RULES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "in_range": _in_range,
    "str_length": _length,
    "isin": lambda values: {"kind": "in_set", "values": list(values)},
    "notin": lambda values: {"kind": "not_in_set", "values": list(values)},
    "equal_to": lambda value: {"kind": "in_set", "values": [value]},
    "not_equal_to": lambda value: {"kind": "not_in_set", "values": [value]},
    "str_matches": lambda pattern: {"kind": "matches", "pattern": prefix_pattern(str(pattern))},
    "str_contains": lambda pattern: {"kind": "matches", "pattern": rf"(?s:.*)(?:{pattern})(?s:.*)"},
    "str_startswith": lambda text: {"kind": "matches", "pattern": rf"{re.escape(str(text))}(?s:.*)"},
    "str_endswith": lambda text: {"kind": "matches", "pattern": rf"(?s:.*){re.escape(str(text))}"},
}
