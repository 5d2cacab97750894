"""Opening the one DuckDB file of a workspace, in clear or encrypted, behind a SQLAlchemy engine.

The file is attached to an in-memory instance under the name ``ws``. That is the only way to pass
an encryption key as a bound parameter, and one way for both cases is simpler than two.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from duckdb_sqlalchemy import ConnectionWrapper
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.pool import QueuePool
from sqlmodel import Session, SQLModel

from core.kernel.errors import PlimsollError, Refused, SystemFault

CATALOG = "ws"
WAITING = "rows that wait"
TOGETHER = 200  # rows of one statement
logger = logging.getLogger(__name__)


class Database:
    """The open store. Reads may run side by side; writes take :attr:`write_lock`."""

    def __init__(self, path: Path, key: bytes | None = None) -> None:
        self.path = path
        self.write_lock = threading.RLock()
        self._carried: dict[Any, Any] = {}
        self._changes: Counter[type[SQLModel]] = Counter()
        self._root = _attach(path, key)
        self.engine = _engine(self._root)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for questions; nothing it adds is kept."""
        with _faults(self.path), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose rows are committed together when the block ends well.

        What it knew at its end (``session.info``, such as the ledger's head) the next one need not read again: nobody
        else writes. After a block that failed, all is read anew.
        """
        with self.write_lock, _faults(self.path), Session(self.engine, expire_on_commit=False) as session:
            session.info.update(self._carried)
            self._carried = {}
            yield session
            _insert_waiting(session)
            session.commit()
            self._carried = dict(session.info)

    def changed(self, tables: Iterable[type[SQLModel]]) -> None:
        """Take note of tables that a commit added rows to."""
        self._changes.update(tables)

    def changes(self, *tables: type[SQLModel]) -> int:
        """How often any of the tables has changed since the store was opened: what was read before may be kept."""
        return sum(self._changes[table] for table in tables)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A raw DuckDB cursor on the store, for bulk reads into frames."""
        cursor = self._root.cursor()
        cursor.execute(f"USE {CATALOG}")
        return cursor

    def close(self) -> None:
        """Write everything to the file and let go of it."""
        self.engine.dispose()
        try:
            self._root.execute(f"CHECKPOINT {CATALOG}")
        except duckdb.Error as error:  # such as a full disk: what was committed is in the log beside the file
            logger.warning("The store was closed without a checkpoint: %s", error)
        finally:
            self._root.close()


def raw(session: Session) -> duckdb.DuckDBPyConnection:
    """The DuckDB connection under a session, inside its transaction: for bulk inserts from frames."""
    _insert_waiting(session)
    return _connection(session)


def _connection(session: Session) -> duckdb.DuckDBPyConnection:
    wrapper: Any = session.connection().connection.driver_connection
    return wrapper._ConnectionWrapper__c  # type: ignore[no-any-return]


def insert(session: Session, row: SQLModel) -> None:
    """Insert one row at once, in the session's transaction but past its unit of work, which costs as much again.

    For rows that the session is not asked for as objects later on.
    """
    _insert_all(raw(session), [row])


def insert_later(session: Session, row: SQLModel) -> None:
    """As :func:`insert`, together with other rows of its table: before the session's next statement or its end."""
    session.info.setdefault(WAITING, []).append(row)


def _insert_waiting(session: Session) -> None:
    waiting: dict[type[SQLModel], list[SQLModel]] = {}
    for row in session.info.pop(WAITING, ()):
        waiting.setdefault(type(row), []).append(row)
    for rows in waiting.values():
        for start in range(0, len(rows), TOGETHER):
            _insert_all(_connection(session), rows[start : start + TOGETHER])


@event.listens_for(Session, "do_orm_execute")
def _before_a_statement(state: ORMExecuteState) -> None:
    """What waits is there for whoever asks."""
    _insert_waiting(state.session)  # type: ignore[arg-type]


def _insert_all(connection: duckdb.DuckDBPyConnection, rows: list[SQLModel]) -> None:
    """Insert rows of one table by one statement."""
    statement, columns = _insert_of(type(rows[0]))
    values = [getattr(row, name) for row in rows for name in columns]
    places = ", ".join([f"({', '.join('?' * len(columns))})"] * len(rows))
    connection.execute(
        f"{statement} VALUES {places}", [json.dumps(one) if isinstance(one, dict) else one for one in values]
    )


def append_frame(
    connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, constants: Mapping[str, str]
) -> None:
    """Append the rows of a frame to a table by the names of its columns, with ``constants`` in each row.

    An insert that returns something goes straight into the table, on one thread. Without that, two threads collect the
    rows first and copy them then, for twice to three times the processor's time.
    """
    told = ", ".join(f"${name} AS {name}" for name in constants)
    incoming_rows = _Stream(frame)  # noqa: F841 - DuckDB finds it by its name: to register it would make a view
    statement = f"INSERT INTO {table} BY NAME SELECT {told}, * FROM incoming_rows RETURNING 0"
    connection.execute(statement, dict(constants)).fetchnumpy()


class _Stream:
    """A frame as a stream of Arrow: known as a frame, it would first become a dataset with a scanner."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


@cache
def _insert_of(table: type[SQLModel]) -> tuple[str, list[str]]:
    columns = [str(column.name) for column in table.__table__.columns]  # type: ignore[attr-defined]
    names = ", ".join(f'"{name}"' for name in columns)
    return f'INSERT INTO "{table.__tablename__}" ({names})', columns


def _attach(path: Path, key: bytes | None) -> duckdb.DuckDBPyConnection:
    root = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "2GB"})
    root.execute("SET TimeZone = 'UTC'")
    root.execute("SET temp_file_encryption = true")
    root.execute(f"SET temp_directory = {_literal(str(path.parent / 'tmp'))}")
    try:
        if key is None:
            root.execute(f"ATTACH {_literal(str(path))} AS {CATALOG}")
        else:
            _load_crypto(root)
            root.execute(f"ATTACH {_literal(str(path))} AS {CATALOG} (ENCRYPTION_KEY ?)", [key.hex()])
    except duckdb.Error as error:
        root.close()
        raise _open_error(path, error) from error
    root.execute(f"USE {CATALOG}")
    return root


def _engine(root: duckdb.DuckDBPyConnection) -> Engine:
    engine = create_engine(
        "duckdb:///:memory:",
        creator=lambda: ConnectionWrapper(root.cursor()),
        poolclass=QueuePool,
        pool_reset_on_return=None,  # a session has committed or rolled back when it gives its connection back
        pool_size=4,
        max_overflow=16,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def use_store(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"USE {CATALOG}")
        cursor.close()

    return engine


def _load_crypto(root: duckdb.DuckDBPyConnection) -> None:
    """Load DuckDB's OpenSSL module from its wheel: the built-in one may not write encrypted files."""
    import duckdb_extension_httpfs

    folder = Path(duckdb_extension_httpfs.__file__).parent
    found = sorted(folder.rglob("httpfs.duckdb_extension"))
    if not found:
        raise SystemFault(
            "Encryption at rest needs DuckDB's httpfs module",
            remedy="Install the package duckdb-extension-httpfs in the version of duckdb.",
        )
    root.execute(f"LOAD {_literal(str(found[0]))}")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _open_error(path: Path, error: duckdb.Error) -> PlimsollError:
    text = str(error)
    if "encrypt" in text.lower() and "key" in text.lower():
        return Refused(
            "The store is encrypted and this key does not open it",
            where=str(path),
            remedy="Give the passphrase that the workspace was created with.",
        )
    if "lock" in text.lower():
        return SystemFault("Another program holds the store open", detail=text, where=str(path))
    return SystemFault("The store cannot be opened", detail=text, where=str(path), remedy="Run: plimsoll doctor")


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """Turn the database's own faults into errors for people."""
    import sqlalchemy.exc

    try:
        yield
    except (sqlalchemy.exc.DBAPIError, duckdb.Error) as error:
        text = str(getattr(error, "orig", error))
        if "No space left" in text or "Could not write" in text:
            raise SystemFault(
                "The disk is full; nothing was changed",
                detail=text,
                where=str(path),
                remedy="Free space and try again.",
            ) from error
        raise SystemFault("The store failed; nothing was changed", detail=text, where=str(path)) from error
