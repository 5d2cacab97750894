"""PostgreSQL through a server-side cursor in one read-only transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from psycopg import sql

from core.data.sources.growing import Task
from core.data.sources.sql import BATCH
from core.data.sources.sql_values import Row
from core.kernel.errors import InputError, PlimsollError, Refused, SystemFault
from core.project.source_rules import LOOPBACK

_ALLOWED = ("host", "sslmode")


class Postgres:
    """An open connection; one transaction, so that all queries see one instant."""

    mark = "%s"

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def columns(self, query: str) -> list[str]:
        """Names of the query's columns."""
        with self._connection.cursor() as cursor:
            cursor.execute(_text(f"SELECT * FROM ({query}) AS q LIMIT 0"))
            return [column.name for column in cursor.description or ()]

    def batches(self, query: str, values: list[Any]) -> Iterator[list[Row]]:
        """The query's rows, fetched from the server ``BATCH`` at a time."""
        with self._connection.cursor(name="plimsoll") as cursor:
            if values:
                escaped, mark, rest = query.rpartition(self.mark)
                query = escaped.replace("%", "%%") + mark + rest.replace("%", "%%")
            cursor.execute(_text(query), values or None)
            while rows := cursor.fetchmany(BATCH):
                yield rows


def _text(query: str) -> sql.SQL:
    return sql.SQL(cast(Any, query))


@contextmanager
def connected(task: Task) -> Iterator[Postgres]:
    """A read-only connection for the length of the block.

    Raises:
        InputError: for an address or a query that is wrong. Refused: when the server does not let us in.
        SystemFault: when it does not answer.
    """
    where = f"sources.{task.name}"
    try:
        with psycopg.connect(**_settings(task), connect_timeout=20, autocommit=False) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SET TIME ZONE 'UTC'")
            yield Postgres(connection)
            connection.rollback()
    except psycopg.Error as error:
        raise _said(error, where) from error


def _said(error: psycopg.Error, where: str) -> PlimsollError:
    detail = (error.diag.message_primary or str(error)).strip().splitlines()[0][:500]
    if isinstance(error, psycopg.OperationalError) and ("password" in detail or "authentication" in detail):
        return Refused("The database does not let us in", detail=detail, where=where, remedy="Check user and secret.")
    if isinstance(error, psycopg.OperationalError):
        return SystemFault("The database does not answer", detail=detail, where=where, remedy="Check host and network.")
    return InputError("The database does not answer this query", detail=detail, where=where, remedy="Correct it.")


def _settings(task: Task) -> dict[str, Any]:
    parts = urlsplit(task.source.url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := sorted(set(options) - set(_ALLOWED)):
        raise InputError(
            f"The address states {', '.join(unknown)}, which is not known here",
            where=f"sources.{task.name}.url",
            remedy="Known are " + ", ".join(_ALLOWED),
        )
    host = parts.hostname or options.get("host", "")
    near = host in LOOPBACK or host.startswith("/")
    settings: dict[str, Any] = {
        "host": host,
        "dbname": unquote(parts.path.strip("/")),
        "sslmode": options.get("sslmode", "prefer" if near or task.source.insecure else "require"),
        "application_name": "plimsoll",
    }
    if parts.port:
        settings["port"] = parts.port
    if parts.username:
        settings["user"] = unquote(parts.username)
    if task.secret:
        settings["password"] = task.secret
    if task.source.ca:
        settings |= {"sslrootcert": str(task.project_dir / task.source.ca), "sslmode": "verify-full"}
    return settings
