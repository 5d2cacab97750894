"""The type of every column of a raw table, and the values that are not of the type that was stated."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from core.contract.rules import type_class
from core.data.personal import suspected_by_name
from core.data.records import Former
from core.data.sources.raw import Raw
from core.data.typing_text import Misfit, infer_types, misfits
from core.data.writing import require_columns
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress
from core.project.schema import Source

_PLAIN = ("int", "float", "text", "bool", "time", "date", "no values")
_WIDENS = {("int", "float"), ("date", "time")}  # from what it was to what came, without losing a value


def column_types(raw: Raw, source: Source, name: str, progress: Progress) -> dict[str, str]:
    """The type of every column: stated, inferred for text, or its own."""
    schema = raw.frame.collect_schema()
    nested = [column for column, dtype in schema.items() if type_class(dtype) not in _PLAIN]
    if nested:
        problems = [Problem(what=f"holds {schema[column]}", where=f"{raw.where} column {column}") for column in nested]
        raise InputError("Some columns are not tabular", problems=problems, remedy="Flatten them before ingestion.")
    progress.step(2, 5, f"inferring types of {name}")
    progress.check()
    texts = [c for c, dtype in schema.items() if c not in source.types and type_class(dtype) == "text"]
    inferred = infer_types(raw.frame, texts, raw.infer) if texts and raw.infer else {}
    own = {column: type_class(dtype) for column, dtype in schema.items()}
    own = {column: "text" if kind == "no values" else kind for column, kind in own.items()}
    stated = {column: kind for column, kind in source.types.items() if column in schema}
    return own | inferred | stated


def require_stated(source: Source, schema: pl.Schema, name: str) -> None:
    """Every column that the source's own settings name is there.

    Raises:
        InputError: naming all that are not.
    """
    marked = [source.watermark] if source.watermark else []
    require_columns([*source.types, *source.key, *source.personal, *marked], schema, what=f"The source {name}")


def refuse_misfits(raw: Raw, source: Source) -> None:
    """Every value is of its stated type.

    Raises:
        InputError: with lines and columns; personal values are not shown.
    """
    schema = raw.frame.collect_schema()
    found = misfits(raw.frame, schema, {column: kind for column, kind in source.types.items() if column in schema})
    if found:
        raise InputError(
            "Some values are not of the stated type",
            where=raw.where,
            problems=misfit_problems(found, raw, source),
            remedy="Correct the values, list them under `nulls`, or state another type.",
        )


def misfit_problems(found: list[Misfit], raw: Raw, source: Source) -> list[Problem]:
    """One problem for each example of each column."""
    lines = raw.lines([row for misfit in found for row, _ in misfit.examples])
    return [problem for misfit in found for problem in _of_one(misfit, lines, raw.where, source)]


def _of_one(misfit: Misfit, lines: Mapping[int, int], where: str, source: Source) -> list[Problem]:
    count = f" (one of {misfit.count:,} in this column)" if misfit.count > 1 else ""
    hidden = misfit.column in (*source.personal, *source.privacy) or suspected_by_name(misfit.column)
    return [
        Problem(
            what=("a personal value" if hidden else repr(value)) + f" is not {misfit.type}{count}",
            where=f"{where}:{lines.get(row, row + 1)} column {misfit.column}",
            expected=misfit.type,
        )
        for row, value in misfit.examples
    ]


def grown_types(raw: Raw, came: Mapping[str, str], former: Former, source: Source, name: str) -> dict[str, str]:
    """The types of a growing table: those it has, wider where the new rows ask for it.

    Raises:
        InputError: when a column now holds what its type cannot: the drift, with examples of the values.
    """
    out = dict(former.columns) | {column: kind for column, kind in came.items() if column not in former.columns}
    wrong: dict[str, str] = {}
    unlike = {c: kind for c, kind in came.items() if former.columns.get(c, kind) != kind}
    empty = _without_values(raw.frame, list(unlike))
    for column, kind in unlike.items():
        was = former.columns[column]
        if column in empty or was == "text" or (kind, was) in _WIDENS:
            continue
        if (was, kind) in _WIDENS:
            out[column] = kind
        else:
            wrong[column] = kind
    if wrong:
        raise _retyped(raw, wrong, former, source, name)
    return out


def _without_values(frame: pl.LazyFrame, columns: list[str]) -> set[str]:
    if not columns:
        return set()
    counts = frame.select(pl.col(column).count() for column in columns).collect().row(0, named=True)
    return {column for column, count in counts.items() if not count}


def _retyped(raw: Raw, wrong: Mapping[str, str], former: Former, source: Source, name: str) -> InputError:
    found = misfits(raw.frame, raw.frame.collect_schema(), {column: former.columns[column] for column in wrong})
    told = {misfit.column for misfit in found}
    problems = misfit_problems(found, raw, source)
    problems += [
        Problem(f"was {former.columns[column]} and is now {kind}", where=f"{raw.where} column {column}")
        for column, kind in wrong.items()
        if column not in told
    ]
    return InputError(
        f"The source {name} has drifted: {len(wrong)} column{'s' if len(wrong) > 1 else ''} changed type",
        where=raw.where,
        detail="; ".join(
            f"{column} was {former.columns[column]}, new rows hold {kind}" for column, kind in wrong.items()
        ),
        problems=problems,
        remedy="Correct the new rows, or state the type that holds both under `types`: then all rows are read anew.",
    )
