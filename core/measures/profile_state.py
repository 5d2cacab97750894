"""A table's mergeable state as bytes: days, parts and machines are put together without the data."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.kernel.errors import InputError, Problem
from core.measures.column_state import ColumnState, TextTally, merge_columns
from core.measures.levels import Levels, Seen, Sketch, Values
from core.measures.rank_summary import RankSummary
from core.measures.records import Moments

MAGIC = b"PLIMSOLL PROFILE 1\n"
LARGEST = 1 << 28  # bytes unpacked: more than any table of 10,000 columns needs


@dataclass(frozen=True)
class TableState:
    """All columns of a table."""

    table: str
    rows: int
    columns: list[ColumnState]


def merge_tables(parts: list[TableState]) -> TableState:
    """The state of all parts together; the order of the columns is the first part's.

    Raises:
        InputError: when the parts do not have the same columns, or a column is not of one kind.
    """
    names = [column.name for column in parts[0].columns]
    problems = [problem for number, part in enumerate(parts) for problem in _unlike(names, part, number)]
    if problems:
        raise InputError("These profiles are not of the same columns", problems=problems)
    by_name = [{column.name: column for column in part.columns} for part in parts]
    columns = [merge_columns([part[name] for part in by_name]) for name in names]
    return TableState(parts[0].table, sum(part.rows for part in parts), columns)


def _unlike(names: list[str], part: TableState, number: int) -> list[Problem]:
    found = [column.name for column in part.columns]
    where = f"profile {number + 1} of {part.table}"
    lacking = [Problem(f"column {name!r} is missing", where=where) for name in names if name not in found]
    return lacking + [
        Problem(f"column {name!r} is not in the first", where=where) for name in found if name not in names
    ]


def pack_state(state: TableState) -> bytes:
    """The state as bytes: a header in JSON, then all arrays, compressed. The same state gives the same bytes."""
    arrays: list[bytes] = []
    body = {"table": state.table, "rows": state.rows, "columns": [_plain(column, arrays) for column in state.columns]}
    header = json.dumps({**body, "sizes": [len(array) for array in arrays]}, sort_keys=True).encode()
    return MAGIC + zlib.compress(len(header).to_bytes(8, "little") + header + b"".join(arrays), 6)


def unpack_state(data: bytes) -> TableState:
    """The state from its bytes.

    Raises:
        InputError: when they are not a whole profile state.
    """
    if not data.startswith(MAGIC):
        raise InputError("This is not a profile that can be merged", remedy="Export one with `plimsoll data profile`.")
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(data[len(MAGIC) :], LARGEST)
        if not unpacker.eof:
            raise ValueError("it is cut short or too large")
        return _table(plain)
    except (zlib.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError("This profile is damaged", detail=str(error)) from error


def _table(plain: bytes) -> TableState:
    start = 8 + int.from_bytes(plain[:8], "little")
    body = json.loads(plain[8:start])
    arrays = []
    for size in body["sizes"]:
        arrays.append(plain[start : start + size])
        start += size
    if start != len(plain):
        raise ValueError("its parts do not add up")
    return TableState(str(body["table"]), int(body["rows"]), [_column(column, arrays) for column in body["columns"]])


def _plain(value: Any, arrays: list[bytes]) -> Any:
    """A value of a state as JSON; arrays and sketches are put aside and named by their place."""
    if isinstance(value, bytes):
        arrays.append(value)
        return {"bytes": len(arrays) - 1}
    if isinstance(value, np.ndarray):
        return _plain_array(value, arrays)
    if isinstance(value, list):
        return [_plain(item, arrays) for item in value]
    if isinstance(value, Moments):
        return value.plain()
    if hasattr(value, "__dataclass_fields__"):
        kept = {field.name: _plain(getattr(value, field.name), arrays) for field in fields(value)}
        return {name: item for name, item in kept.items() if item is not None}
    return value


def _plain_array(values: NDArray[Any], arrays: list[bytes]) -> Any:
    if values.dtype == object:
        return values.tolist()
    whole = values.dtype.kind == "i"
    kept = np.diff(values.astype("<i8"), prepend=0) if whole else values.astype("<f8")  # steps compress far better
    arrays.append(kept.tobytes())
    return {"whole" if whole else "float": len(arrays) - 1}


def _array(value: Any, arrays: list[bytes]) -> NDArray[Any]:
    if isinstance(value, list):
        return np.array([str(item) for item in value], dtype=object)
    if "whole" in value:
        return np.cumsum(np.frombuffer(arrays[value["whole"]], "<i8")).astype(np.int64)
    return np.frombuffer(arrays[value["float"]], "<f8").astype(np.float64)


def _column(body: dict[str, Any], arrays: list[bytes]) -> ColumnState:
    read: dict[str, Any] = {
        "moments": lambda item: Moments.read(item),
        "values": lambda item: _values(item, arrays),
        "text": lambda item: TextTally(**item),
        "elements": lambda item: _column(item, arrays),
    }
    return ColumnState(**{name: read[name](item) if name in read else item for name, item in body.items()})


def _values(body: dict[str, Any], arrays: list[bytes]) -> Values:
    if "counts" in body:
        return _levels(body, arrays)
    ranks, seen = body.get("ranks"), body.get("seen")
    return Sketch(
        ranks=_ranks(ranks, arrays) if ranks else None,
        distinct=arrays[body["distinct"]["bytes"]],
        frequent=_levels(body["frequent"], arrays),
        slack=int(body["slack"]),
        seen=Seen(seen["distinct"], seen["quantiles"], seen["bins"], _top(seen.get("top"), arrays)) if seen else None,
    )


def _top(body: dict[str, Any] | None, arrays: list[bytes]) -> Levels | None:
    return _levels(body, arrays) if body else None


def _levels(body: dict[str, Any], arrays: list[bytes]) -> Levels:
    values, counts = _array(body["values"], arrays), _array(body["counts"], arrays)
    if len(values) != len(counts):
        raise ValueError("values and counts differ in number")
    return Levels(values, counts)


def _ranks(body: dict[str, Any], arrays: list[bytes]) -> RankSummary:
    parts = {
        name: _array(body[name], arrays) for name in ("values", "below_low", "below_high", "upto_low", "upto_high")
    }
    if len({len(part) for part in parts.values()}) != 1:
        raise ValueError("ranks and values differ in number")
    return RankSummary(count=int(body["count"]), **parts)
