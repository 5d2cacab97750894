"""Rows of a database: whole, or from the greatest watermark on that the table before had."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from core.data.records import Ingested
from core.data.sources.folder import keep_page, together
from core.data.sources.growing import Task, grow, replace, without_known
from core.data.sources.raw import TIMES, Raw
from core.data.sources.sql_values import Row, mark_of, table_of, value_of
from core.data.writing import whole_file
from core.kernel.digests import strict_json
from core.kernel.errors import InputError, Problem
from core.project.schema import Source

BATCH = 50_000  # rows that a driver hands over at a time
PAGE = 25_000


class Database(Protocol):
    """An open connection that can read and nothing else."""

    mark: str  # how a parameter is written

    def columns(self, query: str) -> list[str]:
        """Names of the query's columns; nothing is read yet."""
        ...

    def batches(self, query: str, values: list[Any]) -> Iterator[list[Row]]:
        """The query's rows, some thousands at a time."""
        ...


def quoted(name: str) -> str:
    """An identifier in any SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def inner_query(source: Source) -> str:
    """The table or the query that the source names."""
    if source.query:
        return source.query.strip().rstrip(";")
    return "SELECT * FROM " + ".".join(quoted(part) for part in source.table.split("."))


def ingest_sql(task: Task, opened: AbstractContextManager[Database]) -> Ingested:
    """Fetch page by page into Parquet files beside the job, then write the table.

    Without a watermark the whole table is read. With one, rows are asked for in its order, from the
    greatest value on that is known: rows that share it may have come since, and those that are known
    are left out. A page never ends between rows of one value, so that a killed fetch goes on after
    its last page.

    Raises:
        InputError: when the watermark has no value in some row, or the query cannot be read.
    """
    source, base = task.source, task.base
    with opened as database:
        names = database.columns(inner_query(source))
        _require_columns(names, source, task.name)
        if source.watermark:
            _refuse_unmarked(database, source, task.name)
            pages, mark = _fetch_growing(task, database, names, base.watermark if base is not None else {})
        else:
            pages, mark = _fetch_whole(task, database, names), {}
    raw = together({page.name: page for page in pages}, task.name, TIMES)
    return grow(task, raw, mark, edge=source.watermark) if source.watermark else replace(task, raw)


def _require_columns(names: list[str], source: Source, name: str) -> None:
    twice = sorted({column for column in names if names.count(column) > 1})
    problems = [Problem(f"two columns are called {column!r}", where=name) for column in twice]
    if source.watermark and source.watermark not in names:
        there = ", ".join(names)
        problems.append(Problem(f"there is no column {source.watermark!r} to be the watermark", name, there))
    if problems:
        raise InputError(f"The columns of {name} are not usable", where=name, problems=problems)


def _refuse_unmarked(database: Database, source: Source, name: str) -> None:
    column = quoted(source.watermark)
    query = f"SELECT count(*) FROM ({inner_query(source)}) AS q WHERE {column} IS NULL"
    count = next(iter(database.batches(query, [])))[0][0]
    if count:
        raise InputError(
            f"{count:,} rows of {name} have no {source.watermark}: they would never be read",
            where=name,
            remedy="Choose a watermark that every row has, or leave those rows out with a query.",
        )


def _fetch_whole(task: Task, database: Database, names: list[str]) -> list[Path]:
    """All rows; pages of a killed fetch are of another instant, so that they are fetched again."""
    for page in task.pages.glob("*.parquet"):
        page.unlink()
    query = inner_query(task.source)
    if task.source.key:  # the same rows shall give the same bytes
        query = f"SELECT * FROM ({query}) AS q ORDER BY " + ", ".join(quoted(name) for name in task.source.key)
    pages: list[Path] = []
    for rows in database.batches(query, []):
        _keep(task, pages, table_of(names, rows, task.name).lazy())
    return pages or _empty(task, names)


def _fetch_growing(
    task: Task, database: Database, names: list[str], before: Mapping[str, Any]
) -> tuple[list[Path], dict[str, Any]]:
    """Pages in the watermark's order, and the watermark after the last of them."""
    place, column = names.index(task.source.watermark), quoted(task.source.watermark)
    pages = sorted(task.pages.glob("*.parquet"))
    mark = strict_json((task.pages / "mark.json").read_bytes()) if pages else dict(before)
    query, values = f"SELECT * FROM ({inner_query(task.source)}) AS q", []
    if mark:
        query, values = f"{query} WHERE {column} >= {database.mark}", [value_of(mark)]
    waiting: list[Row] = []
    known = pages[-1] if pages else None  # what a try before fetched: the first page of this one overlaps its last
    for rows in database.batches(f"{query} ORDER BY {column}", values):
        waiting += rows
        whole = [row for row in waiting if row[place] != waiting[-1][place]]
        if len(whole) >= PAGE:
            mark = _keep_marked(task, pages, names, whole, known)
            waiting, known = waiting[len(whole) :], None
    if waiting:
        mark = _keep_marked(task, pages, names, waiting, known)
    return pages or _empty(task, names), mark


def _keep_marked(
    task: Task, pages: list[Path], names: list[str], rows: list[Row], known: Path | None
) -> dict[str, Any]:
    """Keep a page and how far it goes. Killed between the two, the next try leaves out what the page holds."""
    frame = table_of(names, rows, task.name).lazy()
    if known is not None:
        frame = without_known(frame, pl.scan_parquet(known), task.source.watermark)
    mark = {"column": task.source.watermark, **mark_of(rows[-1][names.index(task.source.watermark)])}
    if not pages:
        _note(task, mark_of(rows[0][names.index(task.source.watermark)]))
    _keep(task, pages, frame)
    _note(task, mark)
    return mark


def _note(task: Task, mark: Mapping[str, Any]) -> None:
    with whole_file(task.pages / "mark.json") as part:
        part.write_text(json.dumps(mark))


def _keep(task: Task, pages: list[Path], frame: pl.LazyFrame) -> None:
    page = task.pages / f"{len(pages):06d}.parquet"
    keep_page(Raw(frame, task.name), page, task.name, task.progress)
    pages.append(page)
    task.progress.step(len(pages), 0, f"page {len(pages)} of {task.name}")
    task.progress.check()


def _empty(task: Task, names: list[str]) -> list[Path]:
    """No row came: a page with the columns alone."""
    pages: list[Path] = []
    _keep(task, pages, table_of(names, [], task.name).lazy())
    return pages
