"""Great Expectations suites, as 1.x and as 0.18 write them, read as checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.data.suite_imported import ImportedSuite, NoEquivalent

Made = list[dict[str, Any]]
Settings = dict[str, Any]
_SEVERITY = {"critical": "fail", "warning": "warn", "info": "warn"}
_TYPES = {
    "int": "int",
    "float": "float",
    "str": "text",
    "object": "text",
    "string": "text",
    "varchar": "text",
    "text": "text",
    "bool": "bool",
    "datetime": "time",
    "timestamp": "time",
    "date": "date",
}


def from_gx(document: dict[str, Any]) -> ImportedSuite:
    """The checks of a suite; each expectation that has none is listed."""
    name = document.get("name") or document.get("expectation_suite_name") or ""
    found = ImportedSuite("Great Expectations 1.x" if "name" in document else "Great Expectations 0.18", str(name))
    for item in document["expectations"]:
        kind = str(item.get("type") or item.get("expectation_type") or "") if isinstance(item, dict) else ""
        settings = item.get("kwargs") if isinstance(item, dict) else None
        if not kind or not isinstance(settings, dict):
            found.add("an entry", lambda: _refuse("it is no expectation"))
            continue
        severity = _SEVERITY.get(str(item.get("severity", "critical")), "fail")
        found.add(_label(kind, settings), lambda k=kind, s=settings, v=severity: _one(k, s, v))  # type: ignore[misc]
    return found


def _label(kind: str, settings: Settings) -> str:
    columns = [str(settings[name]) for name in ("column", "column_A", "column_B", "column_list") if settings.get(name)]
    return f"{kind}({', '.join(columns)})"


def _refuse(why: str) -> Made:
    raise NoEquivalent(why)


def _one(kind: str, settings: Settings, severity: str) -> Made:
    maker = _MAKERS.get(kind)
    if maker is None:
        return _refuse("no kind of check says this; an expression may")
    settings = {name: value for name, value in settings.items() if value is not None}
    if any(isinstance(value, dict) and "$PARAMETER" in value for value in settings.values()):
        return _refuse("it has a parameter that is filled in at run time")
    made = maker(settings)
    where = _where(settings)
    mostly = float(settings.get("mostly", 1.0))
    for check in made:
        if severity == "warn":
            check["severity"] = severity
        if where:
            check["where"] = where
        if mostly < 1.0 and check["kind"] not in ("row_count", "columns", "statistic"):
            if mostly <= 0:
                return _refuse("its mostly of 0 checks nothing")
            check["mostly"] = mostly
    return made


def _where(settings: Settings) -> str:
    condition = settings.get("row_condition")
    if condition is None:
        return ""
    if isinstance(condition, dict):
        condition = condition.get("pass_through_filter")
    text = str(condition or "")
    if not text or any(mark in text for mark in ("col(", "`", "@", ".str.", " in [")):
        raise NoEquivalent("its row condition is not plain SQL")
    return text.replace("==", "=").replace("&", " AND ").replace("|", " OR ")


def _number(settings: Settings, name: str) -> float | None:
    value = settings.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoEquivalent(f"its {name} is not a number; write an expression such as: at >= TIMESTAMP '2024-01-01'")
    return float(value)


def _ends(settings: Settings, *, strict: bool = False) -> dict[str, float]:
    """The bounds; open ones where ``strict_min`` or ``strict_max`` is set."""
    out = {}
    for end, open_end in (("min", "above"), ("max", "below")):
        value = _number(settings, f"{end}_value")
        if value is not None and settings.get(f"strict_{end}"):
            if not strict:
                raise NoEquivalent("open bounds are for values only")
            out[open_end] = value
        elif value is not None:
            out[end] = value
    if not out:
        raise NoEquivalent("it has no bound, so it checks nothing")
    return out


def _column(kind: str, **more: Any) -> Callable[[Settings], Made]:
    return lambda s: [{"kind": kind, "columns": [s["column"]], **more}]


def _statistic(statistic: str) -> Callable[[Settings], Made]:
    return lambda s: [{"kind": "statistic", "statistic": statistic, "columns": [s["column"]], **_ends(s)}]


def _sets(kind: str) -> Callable[[Settings], Made]:
    return lambda s: [{"kind": kind, "columns": [s["column"]], "values": _values(s["value_set"])}]


def _values(values: list[Any]) -> list[Any]:
    if not values:
        raise NoEquivalent("its set is empty")
    return values


def _regex(s: Settings) -> Made:
    """Theirs looks at the beginning of a text, ours at the whole."""
    return [{"kind": "matches", "columns": [s["column"]], "pattern": prefix_pattern(str(s["regex"]))}]


def prefix_pattern(pattern: str) -> str:
    """A pattern that Python matches from the beginning, for one that must match the whole text."""
    return f"(?:{pattern})(?s:.*)"


def _regexes(s: Settings) -> Made:
    if s.get("match_on", "any") == "all":
        return [made for one in s["regex_list"] for made in _regex({**s, "regex": one})]
    return _regex({**s, "regex": "|".join(f"(?:{one})" for one in s["regex_list"])})


def _pair_greater(s: Settings) -> Made:
    operator = ">=" if s.get("or_equal") else ">"
    return [{"kind": "compare", "columns": [s["column_A"], s["column_B"]], "operator": operator}]


def _columns_set(s: Settings) -> Made:
    return [{"kind": "columns", "columns": list(s["column_set"]), "strict": bool(s.get("exact_match", True))}]


def _quantiles(s: Settings) -> Made:
    ranges = s["quantile_ranges"]
    return [
        {"kind": "statistic", "statistic": "quantile", "quantile": q, "columns": [s["column"]]}
        | {name: end for name, end in zip(("min", "max"), ends, strict=True) if end is not None}
        for q, ends in zip(ranges["quantiles"], ranges["value_ranges"], strict=True)
    ]


def _type(s: Settings) -> Made:
    text = str(s["type_"]).lower().removeprefix("numpy.").rstrip("0123456789_[]ns")
    word = next((ours for theirs, ours in _TYPES.items() if text.startswith(theirs)), None)
    if word is None:
        raise NoEquivalent(f"there is no type {s['type_']!r} here")
    return [{"kind": "type", "columns": [s["column"]], "type": word}]


def _compound(s: Settings) -> Made:
    if s.get("ignore_row_if", "all_values_are_missing") == "never":
        raise NoEquivalent("rows with missing values are always left out here")
    return [{"kind": "unique", "columns": list(s["column_list"])}]


def _equal_length(s: Settings) -> Made:
    return [{"kind": "length", "columns": [s["column"]], "min": s["value"], "max": s["value"]}]


def _unique(s: Settings) -> Made:
    if float(s.get("mostly", 1.0)) < 1.0:
        raise NoEquivalent("it counts every row of a repeated value, a check here only the repeats: mostly differs")
    return [{"kind": "unique", "columns": [s["column"]]}]


_MAKERS: dict[str, Callable[[Settings], Made]] = {
    "expect_column_to_exist": _column("columns"),
    "expect_table_columns_to_match_set": _columns_set,
    "expect_table_columns_to_match_ordered_list": lambda s: [
        {"kind": "columns", "columns": list(s["column_list"]), "strict": True, "ordered": True}
    ],
    "expect_table_row_count_to_be_between": lambda s: [{"kind": "row_count", **_ends(s)}],
    "expect_table_row_count_to_equal": lambda s: [{"kind": "row_count", "min": s["value"], "max": s["value"]}],
    "expect_column_values_to_not_be_null": _column("not_null"),
    "expect_column_values_to_be_null": _column("null"),
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _compound,
    "expect_column_values_to_be_between": lambda s: [
        {"kind": "between", "columns": [s["column"]], **_ends(s, strict=True)}
    ],
    "expect_column_values_to_be_in_set": _sets("in_set"),
    "expect_column_values_to_not_be_in_set": _sets("not_in_set"),
    "expect_column_distinct_values_to_be_in_set": _sets("in_set"),
    "expect_column_most_common_value_to_be_in_set": _sets("most_common"),
    "expect_column_values_to_match_regex": _regex,
    "expect_column_values_to_match_regex_list": _regexes,
    "expect_column_values_to_not_match_regex": lambda s: [
        {"kind": "not_matches", "columns": [s["column"]], "pattern": rf"\A(?:{s['regex']})"}
    ],
    "expect_column_value_lengths_to_be_between": lambda s: [{"kind": "length", "columns": [s["column"]], **_ends(s)}],
    "expect_column_value_lengths_to_equal": _equal_length,
    "expect_column_values_to_match_strftime_format": lambda s: [
        {"kind": "date_format", "columns": [s["column"]], "format": s["strftime_format"]}
    ],
    "expect_column_values_to_be_of_type": _type,
    "expect_column_values_to_be_increasing": lambda s: [
        {"kind": "monotonic", "columns": [s["column"]], "strict": bool(s.get("strictly"))}
    ],
    "expect_column_values_to_be_decreasing": lambda s: [
        {"kind": "monotonic", "columns": [s["column"]], "direction": "decreasing", "strict": bool(s.get("strictly"))}
    ],
    "expect_column_pair_values_to_be_equal": lambda s: [
        {"kind": "compare", "columns": [s["column_A"], s["column_B"]], "operator": "=="}
    ],
    "expect_column_pair_values_a_to_be_greater_than_b": _pair_greater,
    "expect_column_mean_to_be_between": _statistic("mean"),
    "expect_column_median_to_be_between": _statistic("median"),
    "expect_column_stdev_to_be_between": _statistic("std"),
    "expect_column_sum_to_be_between": _statistic("sum"),
    "expect_column_min_to_be_between": _statistic("min"),
    "expect_column_max_to_be_between": _statistic("max"),
    "expect_column_unique_value_count_to_be_between": _statistic("distinct"),
    "expect_column_proportion_of_unique_values_to_be_between": _statistic("distinct_share"),
    "expect_column_quantile_values_to_be_between": _quantiles,
}
