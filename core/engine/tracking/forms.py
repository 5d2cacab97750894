"""What a request must look like: fields with their types, said in the words that clients know."""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from core.kernel.errors import InputError

Json = dict[str, Any]
KEY, PARAM_VALUE, TAG_VALUE = 250, 6000, 8000  # characters
METRICS, PARAMS, TAGS, ENTITIES, BODY = 1000, 100, 100, 1000, 1_000_000
NAME = re.compile(r"[/\w.\- :]*")
HINT = "See the API docs for more information about request parameters."


def text(value: Any) -> bool:
    """A text."""
    return isinstance(value, str)


def whole(value: Any) -> bool:
    """A whole number, or a text of one."""
    return isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value) is not None)


def number(value: Any) -> bool:
    """A number, or a text of one, such as NaN."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool) or value in ("true", "false")


def many(value: Any) -> bool:
    """A list."""
    return isinstance(value, list)


def pairs(value: Any) -> bool:
    """A list of keys with values."""
    return isinstance(value, list) and all(
        isinstance(one, dict) and text(one.get("key")) and one["key"] and text(one.get("value", "")) for one in value
    )


def metrics(value: Any) -> bool:
    """A list of metric points."""
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and text(one.get("key"))
        and number(one.get("value"))
        and (one.get("timestamp") is None or whole(one["timestamp"]))
        and whole(one.get("step", 0))
        for one in value
    )


Check = Callable[[Any], bool]


def read(asked: Mapping[str, Any], fields: Mapping[str, tuple[Check, bool]]) -> Json:
    """The fields of a request; each is (type, whether it is required). Others are ignored.

    Raises:
        InputError: for the first field that is missing or of another type, in the words of MLflow's server.
    """
    out: Json = {}
    for name, (check, required) in fields.items():
        value = asked.get(name)
        if value is None or (required and value == ""):
            if required:
                raise InputError(f"Missing value for required parameter '{name}'. {HINT}")
            continue
        if not check(value):
            raise wrong(name, value)
        out[name] = int(value) if check is whole else value
    return out


def wrong(name: str, value: Any, why: str = "") -> InputError:
    """A field of a wrong type or size."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    why = why or f"Hint: Value was of type '{type(value).__name__}'."
    return InputError(f"Invalid value {shown[:1000]} for parameter '{name}' supplied: {why} {HINT}")


def check_key(kind: str, key: str) -> None:
    """Refuse names that clients must not use: too long, with strange characters, or like a path upwards.

    Raises:
        InputError: saying which.
    """
    if not NAME.fullmatch(key):
        raise InputError(
            f"Invalid {kind} name: '{key}'. Names may only contain alphanumerics, underscores (_), dashes (-), "
            "periods (.), spaces ( ), colon(:) and slashes (/)."
        )
    if key.startswith("/") or posixpath.normpath(key) != key or key == "." or ".." in key.split("/"):
        raise InputError(f"Invalid {kind} name: '{key}'. Names may be treated as files, so they must name no other.")
    check_length(f"{kind} name", key, KEY)


def check_length(what: str, value: str, most: int) -> None:
    """Refuse what is too long."""
    if len(value) > most:
        raise InputError(f"{what} '{value[:250]}' had length {len(value)}, which exceeded length limit of {most}")


def check_count(what: str, count: int, most: int) -> None:
    """Refuse too much in one batch."""
    if count > most:
        raise InputError(
            f"A batch logging request can contain at most {most} {what}. Got {count} {what}. "
            "Please split up metrics, params, and tags across multiple requests and try again."
        )


def check_path(path: str) -> str:
    """A relative path that stays inside its folder.

    Raises:
        InputError: for any other.
    """
    plain = path
    while (decoded := unquote(plain)) != plain:
        plain = decoded
    parts = plain.split("/")
    if not plain.strip("/"):
        return ""
    if plain.startswith("/") or "\\" in plain or "\0" in plain or ".." in parts or re.match(r"[a-zA-Z]+:", plain):
        raise InputError("Invalid path")
    return posixpath.normpath(path.strip("/")) if path not in (".", "./") else ""


def tag_list(tags: Mapping[str, str]) -> list[Json]:
    """Tags as clients read them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def tag_map(tags: Any) -> dict[str, str]:
    """Tags as clients send them."""
    return {str(one["key"]): str(one.get("value", "")) for one in tags or []}


def json_number(value: float | None) -> float | str | None:
    """A number as JSON that protocol buffers read: not-a-number and infinities are texts."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def page_of(asked: Mapping[str, Any], default: int, most: int, name: str = "max_results") -> tuple[int, int]:
    """How many results from where on. The token of a page is the place of its first result.

    Raises:
        InputError: for a number out of bounds, or a token that we did not give out.
    """
    count = int(asked.get(name) or default)
    if not 1 <= count <= most:
        raise wrong(name, count, f"It must be at least 1 and at most {most}.")
    token = str(asked.get("page_token") or "")
    if token and not re.fullmatch(r"at-\d+", token):
        raise wrong("page_token", token, "This token was not given out here.")
    return count, int(token[3:]) if token else 0


def next_token(shown: int, count: int, start: int) -> Json:
    """The token of the page after one of ``count`` results of which ``shown`` were found; nothing at the end."""
    return {"next_page_token": f"at-{start + count}"} if shown > count else {}
