"""Tables that the project's own Python makes, held to what they declare and to what was known.

A function gets the declared columns of its inputs as Polars frames and gives a frame. Its rows are
computed again from inputs cut off at three instants: a row that comes out different, or not at all,
depended on what was known only later, and nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from core.contract.rules import type_class
from core.features.expressions import UTC_TIME, as_utc
from core.kernel.errors import Cancelled, InputError, Problem
from core.kernel.progress import Progress
from core.project.python_code import code_failed, load_function
from core.project.schema import PythonTable

TYPES: dict[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "text": pl.String(),
    "bool": pl.Boolean(),
    "time": UTC_TIME,
    "date": pl.Date(),
}
CUTS = (0.25, 0.5, 0.75)


def python_table(
    name: str, spec: PythonTable, inputs: Mapping[str, Path], project: Path, progress: Progress
) -> pl.DataFrame:
    """The rows that the function gives, sorted by time and entity, once they have stood every test.

    Args:
        inputs: a Parquet table for each declared input.
        project: the project's folder.

    Raises:
        InputError: when the code fails or changed, rows do not fit the declaration, or depend on the future.
    """
    function = load_function(spec.function, spec.source, project, name, f"tables.{name}")
    frames = {table: _read(name, spec, table, path) for table, path in inputs.items()}
    progress.step(0, 1 + len(CUTS), f"{name}: {spec.function}")
    rows = _call(name, spec, function, frames, None)
    _no_future(name, spec, frames, rows)
    for done, instant in enumerate(_instants(frames)):
        progress.check()
        progress.step(1 + done, 1 + len(CUTS), f"{name} as of {instant:%d %B %Y}")
        _same_as_of(name, spec, rows, _call(name, spec, function, frames, instant), instant)
    progress.step(1, 1, f"{rows.height:,} rows")
    return rows


def _read(name: str, spec: PythonTable, table: str, path: Path) -> pl.DataFrame:
    """The declared columns, and ``_available`` in UTC (null: known always)."""
    declared = spec.inputs[table]
    lazy = pl.scan_parquet(path)
    have = lazy.collect_schema().names()
    wanted = [*declared.columns, *([declared.available] if declared.available != "always" else [])]
    problems = [
        Problem(f"Table {table!r} has no column {column!r}", where=f"tables.{name}.python.inputs.{table}")
        for column in wanted
        if column not in have
    ]
    if problems:
        raise InputError(f"The inputs of {name} do not fit", problems=problems)
    known = pl.lit(None, UTC_TIME) if declared.available == "always" else as_utc(declared.available)
    frame = lazy.select(*declared.columns, known.alias("_available")).collect()
    return frame if declared.available == "always" else frame.filter(pl.col("_available").is_not_null())


def _call(
    name: str, spec: PythonTable, function: Callable[..., Any], frames: Mapping[str, pl.DataFrame], until: Any
) -> pl.DataFrame:
    """What the function gives for inputs that were known by ``until`` (all, if none)."""
    given = dict(frames)
    if until is not None:
        known = pl.col("_available").is_null() | (pl.col("_available") <= until)
        given = {table: frame.filter(known) for table, frame in frames.items()}
    given = {table: frame.drop("_available") for table, frame in given.items()}
    try:
        made = function(**given)
        made = made.collect() if isinstance(made, pl.LazyFrame) else made
    except Cancelled:
        raise
    except Exception as error:
        raise code_failed(spec.function, f"tables.{name}", error) from error
    if not isinstance(made, pl.DataFrame):
        raise InputError(
            f"{spec.function} gave {type(made).__name__}", where=f"tables.{name}", remedy="Return a Polars frame"
        )
    return _fitted(name, spec, made)


def _fitted(name: str, spec: PythonTable, made: pl.DataFrame) -> pl.DataFrame:
    """The rows with the declared columns and types, sorted.

    Raises:
        InputError: with every column that is missing, undeclared or of another type, and every null in entity or time.
    """
    where = f"tables.{name}.python.outputs"
    problems = [Problem(f"It gave no column {column!r}", where=where) for column in spec.outputs if column not in made]
    problems += [
        Problem(f"It gave {column!r}, undeclared", where=where) for column in made.columns if column not in spec.outputs
    ]
    for column, kind in spec.outputs.items():
        seen = type_class(made[column].dtype) if column in made else kind
        if seen not in (kind, "no values") and (seen, kind) != ("int", "float"):
            problems.append(Problem(f"{column!r} is {seen}", where=where, expected=kind))
    for column in [*spec.entity, spec.available]:
        if column in made and made[column].null_count():
            problems.append(Problem(f"{column!r} is null in {made[column].null_count():,} rows", where=where))
    if problems:
        raise InputError(f"What {spec.function} gives is not what {name} declares", problems=problems)
    rows = made.select(pl.col(column).cast(TYPES[kind]) for column, kind in spec.outputs.items())
    return rows.sort(spec.available, *spec.entity, maintain_order=True)


def _no_future(name: str, spec: PythonTable, frames: Mapping[str, pl.DataFrame], rows: pl.DataFrame) -> None:
    known = pl.concat([frame["_available"].drop_nulls() for frame in frames.values()])
    if not known.len():
        return
    count = rows.filter(pl.col(spec.available) > known.max()).height
    if count:
        raise InputError(
            f"{count:,} rows of {name} are known after the newest of its inputs ({known.max()!s})",
            where=f"tables.{name}",
            remedy=f"Let {spec.available} say when the row's inputs were known; add a delay in the view",
        )


def _instants(frames: Mapping[str, pl.DataFrame]) -> list[Any]:
    """Instants that cut the inputs' rows by quarters."""
    times = pl.concat([frame["_available"].drop_nulls() for frame in frames.values()])
    return list(dict.fromkeys(times.quantile(cut, "nearest") for cut in CUTS)) if times.len() else []


def _same_as_of(name: str, spec: PythonTable, whole: pl.DataFrame, cut: pl.DataFrame, instant: Any) -> None:
    """Rows known by ``instant`` are the same whether the future was there or not."""
    by_then = pl.col(spec.available) <= instant
    order = list(spec.outputs)
    before, after = whole.filter(by_then).sort(order), cut.filter(by_then).sort(order)
    if before.equals(after):
        return
    changed = before.join(after, on=order, how="anti", nulls_equal=True).height if before.height else after.height
    raise InputError(
        f"{changed or abs(before.height - after.height):,} rows of {name} that were known by {instant} change with what"
        " was known only later",
        where=f"tables.{name}.python.function",
        remedy="Compute each row from earlier rows alone (and the same way each time)",
    )
