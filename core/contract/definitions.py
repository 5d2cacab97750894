"""What a check must say: its settings by kind, and its name. Needs no frame."""

from __future__ import annotations

from core.contract.schema import Check
from core.kernel.errors import Problem

_LEAST: dict[str, tuple[int, int | None, str]] = {
    "columns": (1, None, "at least one column"),
    "absent": (1, None, "at least one column"),
    "type": (1, None, "at least one column"),
    "not_null": (1, None, "at least one column"),
    "null": (1, None, "at least one column"),
    "unique": (1, None, "at least one column"),
    "between": (1, None, "at least one column"),
    "in_set": (1, None, "at least one column"),
    "not_in_set": (1, None, "at least one column"),
    "matches": (1, None, "at least one column"),
    "not_matches": (1, None, "at least one column"),
    "length": (1, None, "at least one column"),
    "date_format": (1, None, "at least one column"),
    "compare": (2, 2, "two columns"),
    "monotonic": (1, 1, "one column"),
    "lag": (2, 2, "two columns: the event's time and the arrival's"),
    "references": (1, None, "at least one column"),
    "fresh": (1, 1, "one time column"),
    "constant": (1, 1, "one column"),
    "most_common": (1, 1, "one column"),
    "distribution": (1, 1, "one column"),
}
WHOLE = frozenset(
    {
        "unique",
        "duplicates",
        "monotonic",
        "references",
        "row_count",
        "fresh",
        "statistic",
        "constant",
        "most_common",
        "distribution",
        "anomaly",
    }
)
"""Kinds that say something of a table, not of each row by itself."""
_UNGROUPED = frozenset(
    {
        "columns",
        "absent",
        "type",
        "unique",
        "duplicates",
        "references",
        "most_common",  # its frequencies are a group-by of their own
        "distribution",
        "anomaly",
    }
)


def check_name(check: Check) -> str:
    """The name under which a check is reported: its own, or kind and columns."""
    if check.name:
        return check.name
    inside = ", ".join(check.columns)
    if check.kind == "references":
        inside += f" -> {check.table}.{check.column or ', '.join(check.to)}"
    elif check.kind == "expression":
        inside = check.expression or ""
    elif check.kind == "type":
        inside += f": {check.type}"
    elif check.kind == "compare":
        inside = f" {check.operator} ".join(check.columns)
    elif check.kind in ("statistic", "anomaly"):
        inside = (f"{check.statistic} of {inside}" if inside else f"{check.statistic}") + (
            f" {check.quantile:g}" if check.quantile is not None else ""
        )
    by = f" by {', '.join(check.by)}" if check.by else ""
    return f"{check.kind}({inside}){by}" + (f" where {check.where}" if check.where else "")


def definition_problems(check: Check) -> list[Problem]:
    """What is wrong with a check itself, whatever the table."""
    wrong = [*_columns(check), *_ranges(check), *_settings(check)]
    if check.by and check.kind in _UNGROUPED:
        wrong.append("cannot be asked by groups" + ("; add them to columns" if check.kind == "unique" else ""))
    return [Problem(what=text, where=f"check {check_name(check)}") for text in wrong]


def _columns(check: Check) -> list[str]:
    least, most, words = _LEAST.get(check.kind, (0, None, ""))
    if check.kind in ("statistic", "anomaly"):
        least, most, words = (0, 0, "no column") if check.statistic == "row_count" else (1, 1, "one column")
    if len(check.columns) < least:
        return [f"needs {words}"]
    if most is not None and len(check.columns) > most:
        return [f"takes {words}"]
    return []


def _ranges(check: Check) -> list[str]:
    ends = (check.min, check.max, check.above, check.below)
    if check.kind in ("between", "row_count", "length", "statistic") and ends == (None,) * 4:
        return ["needs min or max"]
    if check.kind != "between" and (check.above is not None or check.below is not None):
        return ["takes min and max; above and below are for between"]
    return []


def _settings(check: Check) -> list[str]:
    required = {
        "in_set": ("values", bool(check.values)),
        "not_in_set": ("values", bool(check.values)),
        "most_common": ("values", bool(check.values)),
        "matches": ("pattern", check.pattern is not None),
        "not_matches": ("pattern", check.pattern is not None),
        "expression": ("expression", check.expression is not None),
        "type": ("type", check.type is not None),
        "date_format": ("format", check.format is not None),
        "compare": ("operator", check.operator is not None),
        "fresh": ("max_age", check.max_age is not None),
        "lag": ("max_age", check.max_age is not None),
        "statistic": ("statistic", check.statistic is not None),
        "anomaly": ("statistic", check.statistic is not None),
    }.get(check.kind)
    wrong = [f"needs {required[0]}"] if required and not required[1] else []
    if check.kind == "references":
        wrong += _references(check)
    if check.statistic == "quantile" and check.quantile is None:
        wrong.append("needs quantile, such as 0.95")
    return wrong


def _references(check: Check) -> list[str]:
    theirs = [check.column] if check.column else check.to
    if not check.table or not theirs:
        return ["needs table and column"]
    if check.column and check.to:
        return ["takes column or to, not both"]
    if check.columns and len(theirs) != len(check.columns):
        return [f"names {len(check.columns)} columns here and {len(theirs)} of {check.table}"]
    return []
