"""The online store: the newest values of feature views by entity, in one embedded SQLite file.

A lookup answers what was known at the time of the prediction: the newest version that was valid then,
and nothing when that is older than the view allows.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from core.kernel.errors import InputError, SystemFault

Value = float | int | str | bool | None
Row = tuple[float, tuple[Value, ...], Mapping[str, Value]]  # valid from (s since 1970), entity key, values
CACHED_KEYS = 200_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS feature (
    view TEXT NOT NULL, entity BLOB NOT NULL, valid_from REAL NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (view, entity, valid_from)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS freshness (
    view TEXT PRIMARY KEY, newest REAL NOT NULL, rows INTEGER NOT NULL, loaded_at REAL NOT NULL
);
"""


class OnlineStore:
    """Embedded key-value store of feature values with a cache of the keys that were asked for."""

    def __init__(self, path: Path, *, versions: int = 64) -> None:
        """``versions``: how many versions of one entity are kept."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._versions = versions
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, bytes], tuple[list[float], list[dict[str, Value]]]] = {}
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise SystemFault("Cannot open the online store", detail=str(error), where=str(path)) from error

    def upsert(self, view: str, rows: Iterable[Row]) -> int:
        """Write many versions in one transaction; the same entity and time replaces. Returns their number.

        Raises:
            SystemFault: when the store cannot be written; then nothing was.
        """
        packed = [(view, entity_bytes(key), at, orjson.dumps(dict(values))) for at, key, values in rows]
        if not packed:
            return 0
        entities = {(view, item[1]) for item in packed}
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR REPLACE INTO feature VALUES (?, ?, ?, ?)", packed)
                self._db.executemany(TRIM, [(*item, *item, self._versions) for item in entities])
                self._db.execute(FRESHEN, (view, max(item[2] for item in packed), len(packed), time.time()))
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._db.execute("ROLLBACK")
                raise SystemFault("Cannot write the online store", detail=str(error)) from error
            for item in entities:
                self._cache.pop(item, None)
        return len(packed)

    def lookup(
        self, view: str, key: Sequence[Value], at: float, max_age_s: float | None = None
    ) -> dict[str, Value] | None:
        """The values that were valid at ``at`` (s since 1970); None when absent or older than ``max_age_s``."""
        times, values = self._history(view, entity_bytes(key))
        place = bisect_right(times, at) - 1
        if place < 0 or (max_age_s is not None and at - times[place] > max_age_s):
            return None
        return values[place]

    def freshness(self) -> dict[str, dict[str, Any]]:
        """For each view: the newest valid time, rows ever loaded, and when it was loaded last."""
        with self._lock:
            rows = self._db.execute("SELECT view, newest, rows, loaded_at FROM freshness ORDER BY view").fetchall()
        return {view: {"newest": newest, "rows": count, "loaded_at": loaded} for view, newest, count, loaded in rows}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _history(self, view: str, entity: bytes) -> tuple[list[float], list[dict[str, Value]]]:
        found = self._cache.get((view, entity))
        if found is not None:
            return found
        with self._lock:
            query = "SELECT valid_from, data FROM feature WHERE view = ? AND entity = ? ORDER BY valid_from"
            rows = self._db.execute(query, (view, entity)).fetchall()
            history = [at for at, _ in rows], [orjson.loads(data) for _, data in rows]
            if len(self._cache) >= CACHED_KEYS:
                self._cache.pop(next(iter(self._cache)))
            self._cache[view, entity] = history
        return history


TRIM = """
DELETE FROM feature WHERE view = ? AND entity = ? AND valid_from < (
    SELECT min(valid_from) FROM (
        SELECT valid_from FROM feature WHERE view = ? AND entity = ? ORDER BY valid_from DESC LIMIT ?))
"""
FRESHEN = """
INSERT INTO freshness VALUES (?, ?, ?, ?) ON CONFLICT (view) DO UPDATE SET
    newest = max(newest, excluded.newest), rows = rows + excluded.rows, loaded_at = excluded.loaded_at
"""


def entity_bytes(key: Sequence[Value]) -> bytes:
    """One stable spelling of an entity's key."""
    return orjson.dumps(list(key))


def epoch_s(value: object, where: str = "") -> float:
    """Seconds since 1970 from a number of seconds, ISO 8601 text or a datetime; without an offset it is UTC.

    Raises:
        InputError: for anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InputError(f"{value!r} is not a time", where=where) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
