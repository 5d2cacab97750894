"""Connections to a user's databases that can read and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from core.data.paths import resolve_path
from core.data.sources.growing import Task
from core.data.sources.sql import BATCH, Database
from core.data.sources.sql_values import Row
from core.kernel.errors import InputError
from core.project.source_rules import file_of


@contextmanager
def opened(task: Task) -> Iterator[Database]:
    """The database of the source's address, for the length of the block.

    Raises:
        InputError: when it is not there, cannot be opened, or does not answer the query.
        SystemFault: when the server does not answer.
    """
    url, name = task.source.url, task.name
    if url.startswith("postgresql:"):
        from core.data.sources.postgres import connected  # psycopg is an extra

        with connected(task) as database:
            yield database
        return
    path = resolve_path(file_of(url), task.project_dir)
    try:
        with _sqlite(path) if url.startswith("sqlite:") else _duckdb(path) as file:
            yield file
    except (sqlite3.Error, duckdb.Error) as error:
        raise InputError(
            f"The source {name} cannot be read",
            where=path.name,
            detail=str(error).strip().split("\n\n")[0][:500],
            remedy="Check the table or query; a DuckDB file that another program writes to cannot be read.",
        ) from error


class SqliteFile:
    """A SQLite file, opened for reading only."""

    mark = "?"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def columns(self, query: str) -> list[str]:
        """Names of the query's columns."""
        cursor = self._connection.execute(query)  # a subquery would rename what is there twice
        return [str(item[0]) for item in cursor.description or ()]

    def batches(self, query: str, values: list[Any]) -> Iterator[list[Row]]:
        """The query's rows."""
        cursor = self._connection.execute(query, values)
        while rows := cursor.fetchmany(BATCH):
            yield rows


@contextmanager
def _sqlite(path: Path) -> Iterator[SqliteFile]:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")  # no function with side effects in a view of the file
        connection.execute("BEGIN")  # one instant for all queries
        yield SqliteFile(connection)
    finally:
        connection.close()


class DuckFile:
    """A DuckDB file on a connection that sees no other file and whose settings are fixed."""

    mark = "?"

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def columns(self, query: str) -> list[str]:
        """Names of the query's columns."""
        statements = self._connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InputError("The query is not one SELECT", detail=query[:200], remedy="Write one SELECT.")
        return [str(row[0]) for row in self._connection.execute(f"DESCRIBE (\n{query}\n)").fetchall()]

    def batches(self, query: str, values: list[Any]) -> Iterator[list[Row]]:
        """The query's rows."""
        for batch in self._connection.execute(query, values).to_arrow_reader(BATCH):
            frame = pl.from_arrow(batch)  # the driver's own rows need a package for zones of time
            assert isinstance(frame, pl.DataFrame)
            if frame.height:
                yield frame.rows()


@contextmanager
def _duckdb(path: Path) -> Iterator[DuckFile]:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 2,
        "memory_limit": "2GB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
    }
    with duckdb.connect(str(path), read_only=True, config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield DuckFile(connection)
