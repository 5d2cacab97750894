"""A first suite of checks, proposed from what a table holds today. A person prunes and signs it."""

from __future__ import annotations

import math
from typing import NamedTuple

from core.contract.schema import Check
from core.measures.records import ColumnProfile, TableProfile

_FEW_LEVELS = 30
_ROWS_FOR_LEVELS = 200
_ROOM = 0.1  # numbers may leave today's range by a tenth of its width
_TYPES = {"Boolean": "bool", "Date": "date"}


class Proposal(NamedTuple):
    """A check and why it was proposed, in one line."""

    check: Check
    why: str


def propose_suite(profile: TableProfile) -> list[Check]:
    """The checks of :func:`from_profile`."""
    return [proposal.check for proposal in from_profile(profile)]


def from_profile(profile: TableProfile) -> list[Proposal]:
    """Checks that today's data pass: columns, types, nulls, ranges, lengths, levels, keys of one column.

    Ranges, lengths and levels only warn: tomorrow may rightly exceed them. Every column that is
    complete must stay complete; one with nulls may double its share of them.
    """
    names = [column.name for column in profile.columns]
    found = [Proposal(Check(kind="columns", columns=names), "the columns that are there today")]
    found += _types(profile)
    if profile.rows:
        found.append(Proposal(Check(kind="row_count", min=1), f"there are {profile.rows:,} rows today"))
        usual = Check(kind="anomaly", statistic="row_count", severity="warn")
        found.append(Proposal(usual, "as many rows as earlier snapshots let expect, once there are eight"))
    for column in profile.columns:
        found += _for_column(column)
    return found


def _types(profile: TableProfile) -> list[Proposal]:
    by_type: dict[str, list[str]] = {}
    for column in profile.columns:
        if word := _type_word(column.type):
            by_type.setdefault(word, []).append(column.name)
    return [
        Proposal(Check.read({"kind": "type", "columns": names, "type": word}), "as read today")
        for word, names in by_type.items()
    ]


def _type_word(dtype: str) -> str | None:
    if dtype.startswith(("Int", "UInt")):
        return "int"
    if dtype.startswith(("Float", "Decimal")):
        return "float"
    if dtype.startswith("Datetime"):
        return "time"
    return "text" if dtype in ("String", "Categorical") else _TYPES.get(dtype)


def _for_column(column: ColumnProfile) -> list[Proposal]:
    out = []
    if column.rows and column.nulls == 0:
        out.append(Proposal(Check(kind="not_null", columns=[column.name]), "complete today"))
    elif column.null_share < 0.5:
        mostly = math.floor((1.0 - 2.0 * column.null_share) * 1000) / 1000
        if mostly > 0:
            check = Check(kind="not_null", columns=[column.name], mostly=mostly, severity="warn")
            out.append(Proposal(check, f"{column.null_share:.3%} are missing today; room for twice as many"))
    if column.kind in ("text", "time") and column.rows > 1 and column.nulls == 0 and _all_different(column):
        out.append(Proposal(Check(kind="unique", columns=[column.name]), "every row has its own today"))
    return out + _range(column) + _lengths(column) + _levels(column)


def _all_different(column: ColumnProfile) -> bool:
    """Counted, that is: an estimate that happens to equal the rows proves nothing."""
    return column.distinct_exact and column.distinct == column.rows


def _range(column: ColumnProfile) -> list[Proposal]:
    if column.kind != "number" or not isinstance(column.min, float) or not isinstance(column.max, float):
        return []
    room = (column.max - column.min) * _ROOM
    low = 0.0 if column.min >= 0 and column.min - room < 0 else column.min - room
    high = column.max + room
    if "Int" in column.type:
        low, high = float(math.floor(low)), float(math.ceil(high))
    check = Check(kind="between", columns=[column.name], min=low, max=high, severity="warn")
    return [Proposal(check, f"{column.min:.6g} to {column.max:.6g} today, and a tenth of that width beyond")]


def _lengths(column: ColumnProfile) -> list[Proposal]:
    text = column.text
    if text is None or text.max_length is None or text.min_length is None:
        return []
    same = text.min_length == text.max_length
    room = 0 if same else max(1, math.ceil((text.max_length - text.min_length) * _ROOM))
    low, high = max(0, text.min_length - room), text.max_length + room
    check = Check(kind="length", columns=[column.name], min=low, max=high, severity="warn")
    words = f"always {text.min_length}" if same else f"{text.min_length} to {text.max_length}"
    return [Proposal(check, f"{words} characters today")]


def _levels(column: ColumnProfile) -> list[Proposal]:
    """Only when the profile lists every level and each is repeated often enough to be one."""
    known = column.rows - column.nulls
    complete = column.distinct is not None and column.distinct == len(column.top) <= _FEW_LEVELS
    if column.kind != "text" or not complete or known < _ROWS_FOR_LEVELS:
        return []
    values: list[str | float | bool] = sorted(item.value for item in column.top)
    check = Check(kind="in_set", columns=[column.name], values=values, severity="warn")
    return [Proposal(check, f"the {len(values)} values of today")]
