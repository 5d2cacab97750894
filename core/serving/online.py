"""The online store: the newest values of feature views by entity, in one embedded SQLite file.

A lookup answers what was known at the time of the prediction: the newest version that was valid then,
and nothing when that is older than the view allows. Another process may write the file meanwhile.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from core.kernel.digests import strict_json
from core.kernel.errors import SystemFault
from core.serving.forgetting import Subject
from core.serving.online_records import (
    VERSIONS,
    Held,
    Row,
    Step,
    Value,
    entity_bytes,
    epoch_s,
    out_of_order,
)

__all__ = ["OnlineStore", "Row", "Value", "entity_bytes", "epoch_s"]

CACHED_KEYS = 200_000
Packed = tuple[str, bytes, float, bytes]

SCHEMA = """
CREATE TABLE IF NOT EXISTS feature (
    view TEXT NOT NULL, entity BLOB NOT NULL, valid_from REAL NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (view, entity, valid_from)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS freshness (
    view TEXT PRIMARY KEY, newest REAL NOT NULL, rows INTEGER NOT NULL, loaded_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS held (view TEXT PRIMARY KEY, data TEXT NOT NULL);
"""


class OnlineStore:
    """Embedded key-value store of feature values with a cache of the keys that were asked for."""

    def __init__(self, path: Path, *, versions: int = VERSIONS) -> None:
        """``versions``: how many versions of one entity are kept."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._versions = versions
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, bytes], tuple[list[float], list[dict[str, Value]]]] = {}
        self._spaces: dict[str, str] = {}
        self._seen = -1
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30.0)
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
        given = list(rows)
        if not given:
            return 0
        with self._writing():
            space = space_of(view, self._held(view).generation)
            packed = _packed(space, given)
            self._insert(packed)
            self._trim({(space, item[1]) for item in packed})
            self._freshen(view, packed)
            for item in packed:
                self._cache.pop((view, item[1]), None)
        return len(packed)

    def load(self, view: str, step: Step, rows: Sequence[Row]) -> int:
        """Write one batch of a materialisation and how far it has come, in one transaction.

        Raises:
            InputError: when the batch leaves a gap. SystemFault: when the store cannot be written.
        """
        with self._writing():
            before = self._held(view)
            if before.plan == step.plan and step.first < before.done:
                return 0
            held = before.begun(step)
            if step.first != held.done:
                raise out_of_order(view, held, step)
            self._fill(view, held, step, rows)
            after = held.after(step, len(rows))
            if after.generation != before.generation:
                self._db.execute("DELETE FROM feature WHERE view = ?", (space_of(view, before.generation),))
            self._db.execute("INSERT OR REPLACE INTO held VALUES (?, ?)", (view, after.model_dump_json()))
            self._cache.clear()
            self._spaces.clear()
        return len(rows)

    def _fill(self, view: str, held: Held, step: Step, rows: Sequence[Row]) -> None:
        space = space_of(view, held.filling)
        if step.replace and step.first == 0:  # what a plan that was given up had written
            self._db.execute("DELETE FROM feature WHERE view = ?", (space,))
        packed = _packed(space, rows)
        self._insert(packed)
        if not step.replace:
            self._trim({(space, item[1]) for item in packed})
        if packed:
            self._freshen(view, packed)

    def forget(self, subject: Subject) -> int:
        """Remove a person's entities, and versions that name the person, from the file's very bytes.

        Raises:
            SystemFault: when the file cannot be written, or another process holds the old bytes open.
        """
        self._db.execute("PRAGMA secure_delete=ON")
        with self._writing():
            rows = self._db.execute("SELECT view, entity, valid_from, data FROM feature")
            doomed = [row[:3] for row in rows if _is_about(subject, *row)]
            self._db.executemany("DELETE FROM feature WHERE view = ? AND entity = ? AND valid_from = ?", doomed)
            self._cache.clear()
        with self._lock:
            try:
                self._db.execute("VACUUM")
                ((busy, _, _),) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise SystemFault("Cannot clean the online store", detail=str(error), where=str(self._path)) from error
        if busy:
            raise SystemFault("Another process reads the online store", where=str(self._path), remedy="Try again.")
        return len(doomed)

    def held(self) -> dict[str, Held]:
        """How far each view was materialised."""
        with self._lock:
            rows = self._db.execute("SELECT view, data FROM held ORDER BY view").fetchall()
        return {view: Held.read(strict_json(data)) for view, data in rows}

    def lookup(
        self, view: str, key: Sequence[Value], at: float, max_age_s: float | None = None
    ) -> dict[str, Value] | None:
        """The values that were valid at ``at`` (s since 1970); None when absent or older than ``max_age_s``."""
        times, values = self._history(view, entity_bytes(key))
        place = bisect_right(times, at) - 1
        if place < 0 or (max_age_s is not None and at - times[place] > max_age_s):
            return None
        return values[place]

    def look_up(
        self, view: str, asked: Sequence[tuple[float, tuple[Value, ...]]], max_age_s: float | None
    ) -> list[dict[str, Value] | None]:
        """:meth:`lookup` for many (instant, entity key)."""
        return [self.lookup(view, key, at, max_age_s) for at, key in asked]

    def freshness(self) -> dict[str, dict[str, Any]]:
        """For each view: the newest valid time, rows ever loaded, and when it was loaded last."""
        with self._lock:
            rows = self._db.execute("SELECT view, newest, rows, loaded_at FROM freshness ORDER BY view").fetchall()
        return {view: {"newest": newest, "rows": count, "loaded_at": loaded} for view, newest, count, loaded in rows}

    def count(self, view: str) -> tuple[int, int]:
        """Versions and entities of a view that are held."""
        with self._lock:
            space = space_of(view, self._held(view).generation)
            query = "SELECT count(*), count(DISTINCT entity) FROM feature WHERE view = ?"
            rows, entities = self._db.execute(query, (space,)).fetchone()
        return int(rows), int(entities)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                where = str(self._path)
                raise SystemFault("Cannot write the online store", detail=str(error), where=where) from error
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def _held(self, view: str) -> Held:
        row = self._db.execute("SELECT data FROM held WHERE view = ?", (view,)).fetchone()
        return Held.read(strict_json(row[0])) if row else Held()

    def _insert(self, packed: list[Packed]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO feature VALUES (?, ?, ?, ?)", packed)

    def _trim(self, entities: set[tuple[str, bytes]]) -> None:
        self._db.executemany(TRIM, [(*item, *item, self._versions) for item in entities])

    def _freshen(self, view: str, packed: list[Packed]) -> None:
        self._db.execute(FRESHEN, (view, max(item[2] for item in packed), len(packed), time.time()))

    def _history(self, view: str, entity: bytes) -> tuple[list[float], list[dict[str, Value]]]:
        with self._lock:
            self._notice_others()
            found = self._cache.get((view, entity))
            if found is not None:
                return found
            space = self._spaces.get(view)
            if space is None:
                space = self._spaces[view] = space_of(view, self._held(view).generation)
            query = "SELECT valid_from, data FROM feature WHERE view = ? AND entity = ? ORDER BY valid_from"
            rows = self._db.execute(query, (space, entity)).fetchall()
            history = [at for at, _ in rows], [orjson.loads(data) for _, data in rows]
            if len(self._cache) >= CACHED_KEYS:
                self._cache.pop(next(iter(self._cache)))
            self._cache[view, entity] = history
        return history

    def _notice_others(self) -> None:
        """Forget what is cached when another process has written the file."""
        ((version,),) = self._db.execute("PRAGMA data_version")
        if version != self._seen:
            self._seen = version
            self._cache.clear()
            self._spaces.clear()


TRIM = """
DELETE FROM feature WHERE view = ? AND entity = ? AND valid_from < (
    SELECT min(valid_from) FROM (
        SELECT valid_from FROM feature WHERE view = ? AND entity = ? ORDER BY valid_from DESC LIMIT ?))
"""
FRESHEN = """
INSERT INTO freshness VALUES (?, ?, ?, ?) ON CONFLICT (view) DO UPDATE SET
    newest = max(newest, excluded.newest), rows = rows + excluded.rows, loaded_at = excluded.loaded_at
"""


def space_of(view: str, generation: int) -> str:
    """Under which name a generation of a view is kept."""
    return f"{view}#{generation}" if generation else view


def _is_about(subject: Subject, space: str, entity: bytes, _: float, data: bytes) -> bool:
    view = space.partition("#")[0]
    return subject.entity(view, orjson.loads(entity)) or subject.holds(orjson.loads(data))


def _packed(space: str, rows: Iterable[Row]) -> list[Packed]:
    return [(space, entity_bytes(key), at, orjson.dumps(dict(values))) for at, key, values in rows]
