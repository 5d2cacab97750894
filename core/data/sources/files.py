"""One file of a form that we know, opened as a raw table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from core.data.csv_shape import lines_of_rows, read_header, require_even_rows
from core.data.raw_text import plain_text
from core.data.sources.excel import read_excel
from core.data.sources.raw import ALL, TIMES, Raw, readable
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress
from core.project.schema import FORMS, Source

_WORDS = {"csv": "CSV", "jsonl": "JSON Lines", "parquet": "Parquet", "excel": "an Excel workbook"}


def form_of(source: Source, name: str) -> str:
    """The form of a file: stated, or by the ending of its name (a packed one by the ending before).

    Raises:
        InputError: when neither says it.
    """
    if source.kind in FORMS.values():
        return source.kind
    if source.format:
        return source.format
    plain = name.lower().removesuffix(".gz").removesuffix(".zip")
    found = FORMS.get(Path(plain).suffix)
    if found is None:
        raise InputError(
            "The form of the file is not known",
            where=name,
            detail="Endings that are known: " + ", ".join(FORMS),
            remedy="State `format`: csv, jsonl, parquet or excel.",
        )
    return found


@contextmanager
def open_file(path: Path, form: str, source: Source, scratch: Path, progress: Progress) -> Iterator[Raw]:
    """The file as a raw table for the length of the block; ``scratch`` is where it may be unpacked to.

    Raises:
        InputError: for anything that is wrong with its shape.
    """
    name = path.name
    with readable(name, _WORDS[form]):
        if form == "parquet":
            yield _parquet(path)
        elif form == "excel":
            yield read_excel(path, source)
        else:
            with plain_text(path, scratch, progress) as text:
                yield _csv(text, name, source, progress) if form == "csv" else _jsonl(text, name, source)


def _csv(text: Path, name: str, source: Source, progress: Progress) -> Raw:
    header = read_header(text, name)
    progress.step(1, 5, "checking rows")
    rows = require_even_rows(text, name, header, progress)
    frame = pl.scan_csv(
        text,
        infer_schema=False,
        new_columns=header,
        null_values=source.nulls or None,
        empty_string_is_null="" in source.nulls,
        low_memory=True,
    )
    return Raw(frame, name, ALL, rows, lambda wanted: lines_of_rows(text, wanted))


def _jsonl(text: Path, name: str, source: Source) -> Raw:
    _refuse_deep(text, name)
    try:
        frame = pl.scan_ndjson(text, infer_schema_length=None, low_memory=True)
        schema = frame.collect_schema()
        frame.select(pl.len()).collect()
    except pl.exceptions.PolarsError as error:
        raise _bad_json(text, name, error) from error
    if not schema:
        raise InputError("The file has no rows", where=name)
    return Raw(without_nulls(frame, source), name, TIMES)


def without_nulls(frame: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    """The texts that mean "no value" are none."""
    texts = [column for column, dtype in frame.collect_schema().items() if dtype == pl.String]
    nulls = pl.Series("nulls", source.nulls, dtype=pl.String).implode()
    cleaned = [pl.when(~pl.col(column).is_in(nulls)).then(pl.col(column)).alias(column) for column in texts]
    return frame.with_columns(cleaned)


def _refuse_deep(text: Path, name: str) -> None:
    """A row is flat. Thousands of nested brackets would overflow the stack of a native parser."""
    with text.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.count(b"[") + line.count(b"{") > 1000 and _depth(line) > 64:
                raise InputError("The line is nested too deeply for a table", where=f"{name}:{number}")


def _depth(line: bytes) -> int:
    depth = deepest = 0
    for byte in line:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _bad_json(text: Path, name: str, error: Exception) -> InputError:
    problems = []
    with text.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    problems.append(Problem(what="is not an object", where=f"{name}:{number}", expected='{"a": 1}'))
            except (json.JSONDecodeError, RecursionError) as wrong:
                what = getattr(wrong, "msg", "nested too deeply")
                place = f" at character {wrong.colno}" if isinstance(wrong, json.JSONDecodeError) else ""
                problems.append(Problem(what=what + place, where=f"{name}:{number}"))
            if len(problems) == 20:
                break
    detail = "" if problems else str(error).strip().splitlines()[0]
    return InputError("These lines are not JSON objects", where=name, detail=detail, problems=problems)


def _parquet(path: Path) -> Raw:
    frame = pl.scan_parquet(path)
    try:
        rows = int(frame.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise InputError(
            "This is not a Parquet file", where=path.name, detail=str(error).strip().splitlines()[0]
        ) from error
    if not rows:
        raise InputError("The file has no rows", where=path.name)
    return Raw(frame, path.name, (), rows)
