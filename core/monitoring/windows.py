"""Prediction logs as frames: read once, whatever was delivered twice, and cut into windows by event time.

A log frame has the columns of ``LOG_COLUMNS``, the request's fields as ``field:<name>``, the looked-up
features as ``view:<name>``, the key as ``key`` (text, see :func:`core.monitoring.labels.key_text`), and
``event_time``: the contract's time field where it can be read, else when the prediction was served.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from core.contract.matrix import assemble
from core.contract.schema import Contract
from core.kernel.clock import utc_text
from core.kernel.errors import InputError, SystemFault
from core.monitoring.labels import key_text
from core.monitoring.records import Window
from core.monitoring.times import TIME, utc_times

FIELD, VIEW, KEY = "field:", "view:", "key:"
LOG_COLUMNS: dict[str, pl.DataType] = {
    "prediction_id": pl.String(),
    "request_id": pl.String(),
    "at": TIME,
    "model": pl.String(),
    "version": pl.String(),
    "release": pl.String(),
    "probability": pl.Float64(),
    "decision": pl.Boolean(),
    "class": pl.String(),
    "probabilities": pl.List(pl.Float64()),
    "prediction": pl.Float64(),
    "latency_ms": pl.Float64(),
    "status": pl.String(),
    "reason": pl.String(),
}
_NESTED = (("fields", FIELD), ("view", VIEW), ("key", KEY))
_TYPES: dict[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "text": pl.String(),
    "bool": pl.Boolean(),
    "time": TIME,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogRead(NamedTuple):
    """A log frame and what was passed over: lines delivered twice, and lines that a crash tore."""

    frame: pl.DataFrame
    repeated: int
    torn: int


def read_log_segments(paths: Sequence[Path], contract: Contract | None = None) -> pl.DataFrame:
    """The predictions of all segments, each once. See :func:`read_log`."""
    return read_log(paths, contract).frame


def read_log(paths: Sequence[Path], contract: Contract | None = None) -> LogRead:
    """Read JSONL segments in any order, with any repetition: same lines, same frame.

    Raises:
        SystemFault: when a file cannot be read. InputError: when lines are not of a prediction log.
    """
    parts, torn = [], 0
    for path in sorted(paths):
        part, bad = _segment(path)
        torn += bad
        parts.append(part)
    rows = sum(part.height for part in parts)
    frame = combine_logs(parts, contract)
    return LogRead(frame, rows - frame.height, torn)


def combine_logs(parts: Iterable[pl.DataFrame], contract: Contract | None = None) -> pl.DataFrame:
    """Log frames as one, every prediction id once, ordered by event time and id."""
    shaped = [part for part in parts if part.width]
    base = pl.DataFrame(schema={**LOG_COLUMNS, "key": pl.String(), "event_time": TIME})
    whole = pl.concat([base, *shaped], how="diagonal_relaxed") if shaped else base
    whole = with_event_time(whole, contract)
    whole = whole.sort("event_time", "at", "prediction_id", nulls_last=True)
    return whole.unique("prediction_id", keep="first", maintain_order=True)


def with_event_time(log: pl.DataFrame, contract: Contract | None) -> pl.DataFrame:
    """Set ``event_time`` from the contract's time field; lines that lack it keep the serving time."""
    served = pl.coalesce(pl.col("event_time"), pl.col("at"))
    name = FIELD + contract.time_field if contract else ""
    if name not in log.columns:
        return log.with_columns(served.alias("event_time"))
    return log.with_columns(pl.coalesce(utc_times(log, name), served).alias("event_time"))


def fields_of(log: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, dict[str, int]]:
    """The request's fields by name, in the contract's types, and how many values a type could not hold."""
    columns, lost = [], {}
    for field in contract.fields:
        name = FIELD + field.name
        if name not in log.columns:
            columns.append(pl.Series(field.name, [None] * log.height, dtype=_TYPES[field.type]))
            continue
        typed = log.select(
            (utc_times(log, name) if field.type == "time" else _as(log, name, field.type)).alias(field.name)
        )
        columns.append(typed[field.name])
        gone = int((log[name].is_not_null() & typed[field.name].is_null()).sum())
        if gone:
            lost[field.name] = gone
    return pl.DataFrame(columns), lost


def features_of(log: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The model's raw features [rows, features] as the server saw them, by the contract's one definition."""
    fields, _ = fields_of(log, contract)
    views = {name: VIEW + name for name in _view_names(contract) if VIEW + name in log.columns}
    seen = log.select(pl.col(column).alias(name) for name, column in views.items())
    return assemble(contract, pl.concat([fields, seen], how="horizontal") if views else fields)


def windows(log: pl.DataFrame, every: timedelta) -> list[Window]:
    """Consecutive windows [start, end) that hold all rows, counted from 1970 so that they never move."""
    times = log["event_time"].drop_nulls()
    if times.is_empty():
        return []
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return []
    start = EPOCH + ((first - EPOCH) // every) * every
    found = []
    while start <= last:
        inside = in_window(log, start, start + every)
        found.append(Window(start=utc_text(start), end=utc_text(start + every), rows=inside.height))
        start += every
    return found


def in_window(log: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    """The rows with start <= event_time < end."""
    time = pl.col("event_time")
    return log.filter((time >= pl.lit(start, dtype=TIME)) & (time < pl.lit(end, dtype=TIME)))


def _view_names(contract: Contract) -> list[str]:
    names = [name for view in contract.views for name in view.features]
    names += [feature.name for feature in contract.features if feature.origin == "view"]
    return list(dict.fromkeys(names))


def _segment(path: Path) -> tuple[pl.DataFrame, int]:
    """One segment as a flat frame, and the number of lines that are not whole JSON."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SystemFault(f"Cannot read {path.name}", detail=str(error), where=str(path)) from error
    whole, rest = data[: data.rfind(b"\n") + 1], data[data.rfind(b"\n") + 1 :]
    torn = int(bool(rest.strip()))
    try:
        frame = _parsed(whole)
    except pl.exceptions.PolarsError:
        good = [line for line in whole.splitlines() if _is_object(line)]
        torn += sum(1 for line in whole.splitlines() if line.strip()) - len(good)
        frame = _parsed(b"\n".join(good))
    if frame.is_empty():
        return pl.DataFrame(), torn
    return _flat(frame, path), torn


def _parsed(lines: bytes) -> pl.DataFrame:
    if not lines.strip():
        return pl.DataFrame()
    return pl.read_ndjson(io.BytesIO(lines), infer_schema_length=None)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _flat(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    if "prediction_id" not in frame.columns or "at" not in frame.columns:
        raise InputError(
            "This is not a prediction log", where=path.name, detail="Its lines have no prediction_id and at."
        )
    columns = [_standard(frame, name, dtype) for name, dtype in LOG_COLUMNS.items()]
    for outer, prefix in _NESTED:
        dtype = frame.schema.get(outer)
        if isinstance(dtype, pl.Struct):
            columns += [pl.col(outer).struct.field(part.name).alias(prefix + part.name) for part in dtype.fields]
    flat = frame.select(columns).filter(pl.col("prediction_id").is_not_null())
    names = sorted(name.removeprefix(KEY) for name in flat.columns if name.startswith(KEY))
    named = flat.rename({KEY + name: name for name in names}) if names else flat
    key = named.select(key_text(named, names).alias("key")) if names else flat.select(pl.lit("").alias("key"))
    return flat.select(pl.exclude("^key:.*$")).with_columns(key["key"], pl.lit(None, dtype=TIME).alias("event_time"))


def _standard(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, dtype=dtype).alias(name)
    return (utc_times(frame, name) if dtype == TIME else pl.col(name).cast(dtype, strict=False)).alias(name)


def _as(log: pl.DataFrame, name: str, kind: str) -> pl.Expr:
    """A column in a field's type; what it cannot hold becomes null."""
    column, dtype = pl.col(name), log.schema[name]
    if kind == "bool" and dtype == pl.String:
        return column.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    if kind == "int" and dtype.is_float():
        return pl.when(column == column.floor()).then(column.cast(pl.Int64, strict=False))
    return column.cast(_TYPES[kind], strict=False)
