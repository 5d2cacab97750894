"""Ingestion: a raw file becomes one typed Parquet snapshot, or nothing and a list of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from core.contract.rules import type_class
from core.data.csv_shape import lines_of_rows, read_header, require_even_rows
from core.data.paths import resolve_path
from core.data.raw_text import plain_text
from core.data.records import IngestResult
from core.data.typing_text import Misfit, infer_types, misfits, typed
from core.data.writing import described, require_columns, sink, whole_file
from core.kernel.digests import digest_file
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress
from core.project.schema import Source

__all__ = ["ingest", "resolve_path"]

_STEPS = 5
_PLAIN = ("int", "float", "text", "bool", "time", "date", "no values")


def ingest(name: str, source: Source, project_dir: Path, out: Path, progress: Progress) -> IngestResult:
    """Write the source as one zstd Parquet file at ``out``, in bounded memory.

    Types are those the source states; the others are inferred over the whole file. Texts in
    ``source.nulls`` become null; times become UTC. The same file gives the same bytes.

    Raises:
        InputError: for anything wrong with the file, with lines and columns.
        SystemFault: when the disk is full or fails. Either way ``out`` stays as it was.
    """
    path = resolve_path(source.path, project_dir)
    progress.step(0, _STEPS, f"reading {path.name}")
    if source.kind == "parquet":
        return _ingest_parquet(name, source, path, out, progress)
    scratch = out.with_name(f".{out.name}.plain")
    with plain_text(path, scratch, progress) as text:
        if source.kind == "csv":
            frame, rows = _scan_csv(text, path.name, source, progress)
        else:
            frame, rows = _scan_jsonl(text, path.name, source), None
        types = _types(frame, source, path.name, progress)
        _refuse_misfits(frame, source, text, path.name)
        return _write(name, frame, types, path, out, progress, rows)


def _scan_csv(text: Path, name: str, source: Source, progress: Progress) -> tuple[pl.LazyFrame, int]:
    header = read_header(text, name)
    progress.step(1, _STEPS, "checking rows")
    rows = require_even_rows(text, name, header, progress)
    frame = pl.scan_csv(
        text,
        infer_schema=False,
        new_columns=header,
        null_values=source.nulls or None,
        empty_string_is_null="" in source.nulls,
        low_memory=True,
    )
    return frame, rows


def _scan_jsonl(text: Path, name: str, source: Source) -> pl.LazyFrame:
    try:
        frame = pl.scan_ndjson(text, infer_schema_length=None, low_memory=True)
        schema = frame.collect_schema()
        frame.select(pl.len()).collect()
    except pl.exceptions.PolarsError as error:
        raise _bad_json(text, name, error) from error
    if not schema:
        raise InputError("The file has no rows", where=name)
    texts = [column for column, dtype in schema.items() if dtype == pl.String]
    nulls = pl.Series("nulls", source.nulls, dtype=pl.String).implode()
    cleaned = [pl.when(~pl.col(column).is_in(nulls)).then(pl.col(column)).alias(column) for column in texts]
    return frame.with_columns(cleaned)


def _bad_json(text: Path, name: str, error: Exception) -> InputError:
    problems = []
    with text.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    problems.append(Problem(what="is not an object", where=f"{name}:{number}", expected='{"a": 1}'))
            except json.JSONDecodeError as wrong:
                problems.append(Problem(what=f"{wrong.msg} at character {wrong.colno}", where=f"{name}:{number}"))
            if len(problems) == 20:
                break
    detail = "" if problems else str(error).strip().splitlines()[0]
    return InputError("These lines are not JSON objects", where=name, detail=detail, problems=problems)


def _ingest_parquet(name: str, source: Source, path: Path, out: Path, progress: Progress) -> IngestResult:
    frame = pl.scan_parquet(path)
    try:
        rows = int(frame.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise InputError(
            "This is not a Parquet file", where=path.name, detail=str(error).strip().splitlines()[0]
        ) from error
    if not rows:
        raise InputError("The file has no rows", where=path.name)
    types = _types(frame, source, path.name, progress)
    _refuse_misfits(frame, source, None, path.name)
    return _write(name, frame, types, path, out, progress, rows)


def _types(frame: pl.LazyFrame, source: Source, name: str, progress: Progress) -> dict[str, str]:
    """The type of every column: stated, inferred for text, or its own."""
    schema = frame.collect_schema()
    require_columns([*source.types, *source.key, *source.personal], schema, what=f"The source {name}")
    nested = [column for column, dtype in schema.items() if type_class(dtype) not in _PLAIN]
    if nested:
        problems = [Problem(what=f"holds {schema[column]}", where=f"{name} column {column}") for column in nested]
        raise InputError("Some columns are not tabular", problems=problems, remedy="Flatten them before ingestion.")
    progress.step(2, _STEPS, "inferring types")
    progress.check()
    texts = [c for c, dtype in schema.items() if c not in source.types and type_class(dtype) == "text"]
    wanted = {"csv": ("int", "float", "bool", "time", "date"), "jsonl": ("time", "date"), "parquet": ()}[source.kind]
    inferred = infer_types(frame, texts, wanted) if texts else {}
    own = {column: type_class(dtype) for column, dtype in schema.items()}
    own = {column: "text" if kind == "no values" else kind for column, kind in own.items()}
    return own | inferred | dict(source.types)


def _refuse_misfits(frame: pl.LazyFrame, source: Source, text: Path | None, name: str) -> None:
    found = misfits(frame, frame.collect_schema(), source.types)
    if not found:
        return
    rows = [row for misfit in found for row, _ in misfit.examples]
    lines: Mapping[int, int] = {row: row + 1 for row in rows}
    if text is not None and source.kind == "csv":
        lines = lines_of_rows(text, rows)
    raise InputError(
        "Some values are not of the stated type",
        where=name,
        problems=[problem for misfit in found for problem in _misfit_problems(misfit, lines, name, source)],
        remedy="Correct the values, list them under `nulls`, or state another type.",
    )


def _misfit_problems(misfit: Misfit, lines: Mapping[int, int], name: str, source: Source) -> list[Problem]:
    count = f" (one of {misfit.count:,} in this column)" if misfit.count > 1 else ""
    hidden = misfit.column in source.personal
    return [
        Problem(
            what=("a personal value" if hidden else repr(value)) + f" is not {misfit.type}{count}",
            where=f"{name}:{lines.get(row, row + 1)} column {misfit.column}",
            expected=misfit.type,
        )
        for row, value in misfit.examples
    ]


def _write(
    name: str,
    frame: pl.LazyFrame,
    types: Mapping[str, str],
    path: Path,
    out: Path,
    progress: Progress,
    rows: int | None,
) -> IngestResult:
    progress.step(3, _STEPS, f"writing {name}")
    schema = frame.collect_schema()
    converted = frame.select(typed(column, schema[column], types[column]) for column in schema)
    with whole_file(out) as part:
        sink(converted, part, progress)
        written = int(pl.scan_parquet(part).select(pl.len()).collect().item())
        if rows is not None and written != rows:
            raise InputError(
                f"The file reads as {written:,} or as {rows:,} rows, depending on its blank lines",
                where=path.name,
                remedy="Remove blank lines, and quote values that hold line ends.",
            )
    progress.step(4, _STEPS, "digest")
    result = described(name, out, digest_file(path))
    progress.step(_STEPS, _STEPS, f"{result.rows:,} rows")
    return result
