"""Pydantic's complaints about a project, said the way a person needs them: what, expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core.kernel.errors import Problem
from core.project.schema import Project
from core.project.yaml_text import Path_

Place = Callable[[Sequence[str | int]], str]
NAME_WORDS = "lower-case letters, digits and _, a letter first, at most 63"
_PLAIN_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "date_type": "a date such as 2013-01-31",
    "date_parsing": "a date such as 2013-01-31",
    "date_from_datetime_parsing": "a date such as 2013-01-31",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "list_type": "a list",
    "tuple_type": "a list",
}


def dotted(path: Sequence[str | int]) -> str:
    """``events.key[0]`` from the parts of a path."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "the file"


def nearest(word: str, known: Sequence[str]) -> str:
    """``Did you mean 'x'?`` or, with nothing near, the known words."""
    found = get_close_matches(word, known, n=1, cutoff=0.6)
    if found:
        return f"Did you mean {found[0]!r}?"
    return "Known here: " + ", ".join(sorted(known)) if known else ""


def explain(error: ValidationError, place: Place) -> list[Problem]:
    """One problem for each complaint; those about one value in several forms are said once."""
    seen: dict[tuple[str, str], Problem] = {}
    for item in error.errors(include_url=False):
        problem = _one(item, place)
        seen.setdefault((problem.where, problem.what), problem)
    return list(seen.values())


def _one(item: Any, place: Place) -> Problem:
    kind, value, context = item["type"], item.get("input"), item.get("ctx", {})
    path: Path_ = _without_branches(item["loc"])
    where, name = place(path), dotted(path)
    if kind == "missing":
        words = description_at(path)
        return Problem(f"{name} is missing", place(path[:-1]), words, f"Add {path[-1]!r} here")
    if kind == "extra_forbidden":
        return Problem(f"{name} is not known here", where, remedy=nearest(str(path[-1]), fields_at(path[:-1])))
    if path and path[-1] == "[key]":
        key = str(path[-2])
        return Problem(f"{key!r} is not a valid name", place(path[:-1]), NAME_WORDS, _better_name(key))
    if kind == "literal_error":
        choices = [text.strip("'") for text in re.split(r", | or ", str(context["expected"]))]
        expected = f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
        hint = nearest(str(value), choices)
        return Problem(f"{name} is {value!r}", where, expected, hint if hint.startswith("Did") else "")
    if kind == "string_pattern_mismatch":
        is_name = "[a-z]" in str(context.get("pattern"))
        words = NAME_WORDS if is_name else "a whole number and s, m, h or d, such as 36h"
        return Problem(f"{name} is {value!r}", where, words, _better_name(str(value)) if is_name else "")
    expected = _PLAIN_TYPES.get(kind) or _bound(context) or item["msg"].removeprefix("Input should be ")
    return Problem(f"{name} is {_short(value)}", where, expected, "Put it in quotes" if kind == "string_type" else "")


def _without_branches(loc: tuple[str | int, ...]) -> Path_:
    """The path without the names that pydantic adds for branches of a union."""
    return tuple(part for part in loc if part not in ("str", "float", "bool", "int"))


def _bound(context: dict[str, Any]) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return " and ".join(f"{words[key]} {context[key]}" for key in words if key in context)


def _better_name(text: str) -> str:
    better = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]+", "_", text.lower())).strip("_")
    return f"Use {better!r}" if re.fullmatch(r"[a-z][a-z0-9_]{0,62}", better) else "Choose another name"


def _short(value: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", type(None): "empty"}
    text = kinds.get(type(value)) or repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def fields_at(path: Sequence[str | int]) -> list[str]:
    """Names of the fields that the schema knows at ``path``; empty where it takes any name."""
    model = _type_at(path)
    return list(_fields(model)) if _is_model(model) else []


def description_at(path: Path_) -> str:
    """The description of the field at ``path``, if it has one."""
    model = _type_at(path[:-1])
    if not _is_model(model) or path[-1] not in _fields(model):
        return ""
    return _fields(model)[str(path[-1])].description or ""


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by the name that they have in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _type_at(path: Sequence[str | int]) -> Any:
    kind: Any = Project
    for part in path:
        kind = _unwrapped(kind)
        if _is_model(kind):
            field = _fields(kind).get(str(part))
            kind = field.annotation if field else None
        else:
            arguments = get_args(kind)
            kind = arguments[-1] if arguments and get_origin(kind) is not Literal else None
    return _unwrapped(kind)


def _unwrapped(kind: Any) -> Any:
    """The type behind Annotated and ``| None``."""
    if get_origin(kind) is Annotated:
        return _unwrapped(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return _unwrapped(next(item for item in get_args(kind) if item is not type(None)))
    return kind
