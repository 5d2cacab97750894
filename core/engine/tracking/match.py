"""Filters and orders over a few things in memory: experiments and models. Runs are searched by the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from core.kernel.errors import InputError
from core.store.run_query import Both, Comparison, Negation, Query, parse, split_name

Value = Callable[[str, str], Any]
T = TypeVar("T")
ORDER = re.compile(r"\s*(?P<name>.+?)(?:\s+(?P<direction>asc|desc))?\s*", re.IGNORECASE)


def matches(text: str, value: Value) -> bool:
    """Whether a thing fits a filter; ``value`` gives what it has under a kind and a name, or none."""
    query = parse(text)
    return query is None or _holds(query, value)


def _holds(query: Query, value: Value) -> bool:
    if isinstance(query, Both):
        return (all if query.word == "and" else any)(_holds(part, value) for part in query.parts)
    if isinstance(query, Negation):
        return not _holds(query.part, value)
    found = value("" if query.kind == "attribute" else query.kind, query.name)
    if query.operator in ("is null", "is not null"):
        return (found is None) == (query.operator == "is null")
    return found is not None and _compared(query, found)


def _compared(query: Comparison, found: Any) -> bool:
    wanted = [_like(found, one) for one in query.values]
    first, operator = wanted[0], query.operator
    if operator in ("in", "not in"):
        return (found in wanted) == (operator == "in")
    if operator in ("like", "ilike"):
        pattern = re.escape(str(first)).replace("%", ".*").replace("_", ".")
        return re.fullmatch(pattern, str(found), re.DOTALL | (re.IGNORECASE if operator == "ilike" else 0)) is not None
    if operator in ("=", "!="):
        return bool(found == first) == (operator == "=")
    return bool({"<": found < first, "<=": found <= first, ">": found > first, ">=": found >= first}[operator])


def _like(found: Any, wanted: str | float) -> Any:
    """The wanted value in the type of what was found."""
    if isinstance(found, str):
        return str(int(wanted)) if isinstance(wanted, float) and wanted.is_integer() else str(wanted)
    try:
        return float(wanted)
    except ValueError as error:
        raise InputError(f"Invalid filter: {wanted!r} is compared with a number") from error


def read_order(text: str) -> tuple[str, str, str]:
    """``metrics.auc DESC`` as kind, name and direction."""
    found = ORDER.fullmatch(text)
    if found is None:
        raise InputError(f"Invalid order_by clause '{text}'")
    kind, name = split_name(found["name"])
    return kind, name, (found["direction"] or "asc").lower()


def ordered(things: Sequence[T], order: Sequence[str], value: Callable[[T], Value]) -> list[T]:
    """Things in an order of several keys; what lacks a value comes last."""
    out = list(things)
    for text in reversed(order):
        kind, name, direction = read_order(text)
        kind = "" if kind == "attribute" else kind
        has = [one for one in out if value(one)(kind, name) is not None]
        rest = [one for one in out if value(one)(kind, name) is None]
        keyed: Callable[[T], Any] = lambda one, kind=kind, name=name: value(one)(kind, name)  # type: ignore[misc] # noqa: E731
        out = sorted(has, key=keyed, reverse=direction == "desc") + rest
    return out
