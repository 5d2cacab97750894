"""Texts to typed columns: what a column holds, judged over the whole file, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from core.contract.rules import type_class

_ISO = "%Y-%m-%dT%H:%M:%S%.f"
_HEAD = 1000
EXAMPLES = 5
INFERRED = ("int", "float", "bool", "time", "date")


@dataclass(frozen=True)
class Misfit:
    """Values of a column that are not of its stated type: how many, and the first few (row, text)."""

    column: str
    type: str
    count: int
    examples: list[tuple[int, str]]


def _int(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Int64, strict=False)


def _float(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _bool(text: pl.Expr) -> pl.Expr:
    low = text.str.to_lowercase()
    return pl.when(low == "true").then(True).when(low == "false").then(False)


def _zoned(text: pl.Expr) -> pl.Expr:
    return text.str.to_datetime(_ISO + "%#z", strict=False, time_unit="us", time_zone="UTC")


def _time(text: pl.Expr) -> pl.Expr:
    """With an offset or without (then UTC), ``T`` or a blank between, seconds or not, or a date alone."""
    joined = text.str.replace(" ", "T", literal=True)
    forms = [
        joined.str.to_datetime(form, strict=False, time_unit="us").dt.replace_time_zone("UTC")
        for form in (_ISO, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M")
    ]
    days = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.coalesce(_zoned(joined), *forms, days)


def _date(text: pl.Expr) -> pl.Expr:
    return text.str.to_date("%Y-%m-%d", strict=False)


# Inference is narrower than a stated type: it must not lose the zeros of "007" nor guess a zone.
_INFER: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
    "int": lambda text: pl.when(~text.str.contains(r"^[+-]?0\d|^\+")).then(_int(text)),
    "float": lambda text: pl.when(~text.str.contains(r"^[+-]?0\d|^\+")).then(_float(text)),
    "bool": _bool,
    "time": _zoned,
    "date": _date,
}
_STATED: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "time": _time,
    "date": _date,
    "text": lambda text: text,
}


def _failures(text: pl.Expr, typed: pl.Expr) -> pl.Expr:
    return text.is_not_null() & typed.is_null()


def infer_types(frame: pl.LazyFrame, columns: Sequence[str], candidates: Sequence[str] = INFERRED) -> dict[str, str]:
    """The narrowest type that holds every value of each text column, over all rows.

    A pass over the data judges one candidate for each column; the head decides which candidates
    are worth a pass. A column without any value is text.
    """
    open_ = {column: [*candidates, "text"] for column in columns}
    head = frame.select(columns).head(_HEAD).collect().lazy()
    open_ = {column: _surviving(head, column, kinds) for column, kinds in open_.items()}
    decided: dict[str, str] = {}
    while open_:
        decided |= {column: "text" for column, kinds in open_.items() if kinds[0] == "text"}
        open_ = {column: kinds for column, kinds in open_.items() if kinds[0] != "text"}
        if not open_:
            break
        asked = [_verdict(column, kinds[0]).alias(column) for column, kinds in open_.items()]
        known = [pl.col(column).count().alias(f"{column}\x1fknown") for column in open_]
        row = frame.select(*asked, *known).collect().row(0, named=True)
        for column, kinds in list(open_.items()):
            if row[f"{column}\x1fknown"] == 0:
                open_[column] = ["text"]
            elif row[column]:
                open_[column] = kinds[1:]
            else:
                decided[column] = kinds[0]
                del open_[column]
    return {column: decided[column] for column in columns}


def _verdict(column: str, kind: str) -> pl.Expr:
    text = pl.col(column)
    return _failures(text, _INFER[kind](text)).any()


def _surviving(head: pl.LazyFrame, column: str, kinds: list[str]) -> list[str]:
    asked = [kind for kind in kinds if kind != "text"]
    row = head.select(_verdict(column, kind).alias(kind) for kind in asked).collect().row(0, named=True)
    return [kind for kind in kinds if kind == "text" or not row[kind]]


def typed(column: str, source: pl.DataType, kind: str) -> pl.Expr:
    """The column in its type; what does not fit is null (and is reported by :func:`misfits`)."""
    value = pl.col(column)
    if type_class(source) == "text":
        return _STATED[kind](value.cast(pl.String)).alias(column)
    targets: dict[str, pl.DataType] = {
        "int": pl.Int64(),
        "float": pl.Float64(),
        "text": pl.String(),
        "bool": pl.Boolean(),
        "date": pl.Date(),
    }
    if kind != "time":
        return value.cast(targets[kind], strict=False).alias(column)
    zone = getattr(source, "time_zone", None)
    aware = value.cast(pl.Datetime("us", zone), strict=False)
    return (aware.dt.convert_time_zone("UTC") if zone else aware.dt.replace_time_zone("UTC")).alias(column)


def misfits(frame: pl.LazyFrame, schema: pl.Schema, types: Mapping[str, str]) -> list[Misfit]:
    """Every column with values that are not of the stated type, all at once."""
    bad = {column: _failures(pl.col(column), typed(column, schema[column], kind)) for column, kind in types.items()}
    if not bad:
        return []
    counts = frame.select(expr.sum().alias(column) for column, expr in bad.items()).collect().row(0, named=True)
    wrong = [column for column, count in counts.items() if count]
    indexed = frame.with_row_index("\x1frow")
    plans = [
        indexed.filter(bad[column]).select("\x1frow", pl.col(column).cast(pl.String)).head(EXAMPLES) for column in wrong
    ]
    return [
        Misfit(column=column, type=types[column], count=int(counts[column]), examples=found.rows())
        for column, found in zip(wrong, pl.collect_all(plans) if plans else [], strict=True)
    ]
