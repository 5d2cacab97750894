"""A first suite of checks, proposed from what a table holds today. A person prunes and signs it."""

from __future__ import annotations

import math

from core.contract.schema import Check
from core.measures.records import ColumnProfile, TableProfile

_FEW_LEVELS = 30
_ROWS_FOR_LEVELS = 200
_ROOM = 0.1  # numbers may leave today's range by a tenth of its width


def propose_suite(profile: TableProfile) -> list[Check]:
    """Checks that today's data pass: columns, types, nulls, ranges, levels, keys of one column.

    Ranges and levels only warn: tomorrow may rightly exceed them. Every column that is complete
    must stay complete; one with nulls may double its share of them.
    """
    checks = [Check(kind="columns", columns=[column.name for column in profile.columns])]
    if profile.rows:
        checks.append(Check(kind="row_count", min=1))
    for column in profile.columns:
        checks += _for_column(column)
    return checks


def _for_column(column: ColumnProfile) -> list[Check]:
    out = []
    if column.rows and column.nulls == 0:
        out.append(Check(kind="not_null", columns=[column.name]))
    elif column.null_share < 0.5:
        mostly = math.floor((1.0 - 2.0 * column.null_share) * 1000) / 1000
        if mostly > 0:
            out.append(Check(kind="not_null", columns=[column.name], mostly=mostly, severity="warn"))
    if column.kind in ("text", "time") and column.rows > 1 and column.nulls == 0 and column.distinct == column.rows:
        out.append(Check(kind="unique", columns=[column.name]))
    return out + _range(column) + _levels(column)


def _range(column: ColumnProfile) -> list[Check]:
    if column.kind != "number" or not isinstance(column.min, float) or not isinstance(column.max, float):
        return []
    room = (column.max - column.min) * _ROOM
    low = 0.0 if column.min >= 0 and column.min - room < 0 else column.min - room
    high = column.max + room
    if "Int" in column.type:
        low, high = float(math.floor(low)), float(math.ceil(high))
    return [Check(kind="between", columns=[column.name], min=low, max=high, severity="warn")]


def _levels(column: ColumnProfile) -> list[Check]:
    """Only when the profile lists every level and each is repeated often enough to be one."""
    known = column.rows - column.nulls
    complete = column.distinct is not None and column.distinct == len(column.top) <= _FEW_LEVELS
    if column.kind != "text" or not complete or known < _ROWS_FOR_LEVELS:
        return []
    values: list[str | float | bool] = sorted(item.value for item in column.top)
    return [Check(kind="in_set", columns=[column.name], values=values, severity="warn")]
