"""Finding a person in stored files and writing those files again without them. Reads files, opens no store.

The named table's rows give the person's own identifier, the rows of all sources the keys of what they did,
and everything derived is searched by both. Only parts that hold the person are written again, as Parquet
that is compressed like the others; their new digests name them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from core.data.erasing_places import SEPARATOR, joined, key_texts, places
from core.data.erasing_records import EraseRequest, EraseTable, Replaced
from core.data.minimise import earlier, hashed_value
from core.kernel.clock import parse_utc
from core.kernel.digests import PREFIX, digest_file
from core.kernel.progress import Progress


class Identifiers:
    """What is known of the person: values that name them, and keys of rows that are about them, by source."""

    def __init__(self, request: EraseRequest, hash_keys: Sequence[bytes]) -> None:
        self.request = request
        self._hash_keys = hash_keys
        self.who: set[str] = set()
        self.named: set[str] = set()
        self.keys: dict[str, set[str]] = {}
        self.key_texts: set[str] = set()
        self.named = self.forms(request.named)
        if not request.before:
            self.who |= self.named

    def forms(self, values: Iterable[str]) -> set[str]:
        """Each value, and what a hashed column holds for it."""
        plain = set(values)
        return plain | {hashed_value(value, key) for value in plain for key in self._hash_keys}

    def where(self, table: EraseTable, schema: pl.Schema) -> pl.Expr | None:
        """True for rows of ``table`` that are about the person; none when it cannot hold any."""
        tests = []
        if table.name == self.request.table and self.request.column in schema:
            tests.append(self._named(schema))
        for group in places(schema):
            tests += [_is_in(group[name], self.who) for name in table.who if name in group]
            for source in table.keyed:
                columns = self.request.keys.get(source, [])
                if columns and self.keys.get(source) and set(columns) <= set(group):
                    tests.append(_is_in(joined(columns, group), self.keys[source]))
            if "key" in group and not table.source and self.key_texts:
                tests.append(_is_in(group["key"], self.key_texts))
        return pl.any_horizontal(tests).fill_null(False) if tests else None

    def texts(self) -> set[str]:
        """Strings that must stand nowhere: identifiers and single keys that are long enough to be told apart."""
        keys = {key for found in self.keys.values() for key in found if SEPARATOR not in key}
        return {text for text in (self.who | keys) if len(text) >= 4 and (not text.isdigit() or len(text) >= 6)}

    def _named(self, schema: pl.Schema) -> pl.Expr:
        if self.request.before:
            return earlier(self.request.column, parse_utc(self.request.before), schema)
        return _is_in(pl.col(self.request.column).cast(pl.String), self.named)


def learn(request: EraseRequest, known: Identifiers, progress: Progress) -> None:
    """Fill ``known`` from the named table, and then from every source."""
    for round_ in ([t for t in request.tables if t.name == request.table], [t for t in request.tables if t.source]):
        for part, table in _parts(round_):
            progress.check()
            frame = pl.scan_parquet(blob_file(request, part))
            schema = frame.collect_schema()
            where = known.where(table, schema)
            if where is None:
                continue
            wanted = {*table.key, *([table.subject] if table.subject else [])} & set(schema)
            rows = frame.filter(where).select(sorted(wanted)).collect() if wanted else pl.DataFrame()
            _take(known, table, rows, by_person=not request.before)


def _take(known: Identifiers, table: EraseTable, rows: pl.DataFrame, *, by_person: bool) -> None:
    if by_person and table.subject in rows.columns:
        known.who |= known.forms(rows[table.subject].cast(pl.String).drop_nulls())
    if table.key and set(table.key) <= set(rows.columns):
        found = rows.select(joined(table.key).alias("key"))["key"].drop_nulls()
        known.keys.setdefault(table.name, set()).update(found)
        if set(known.request.event_key) == set(table.key):
            known.key_texts |= key_texts(rows, known.request.event_key)


def rewrite_tables(
    request: EraseRequest, known: Identifiers, out: Path, progress: Progress
) -> tuple[dict[str, int], list[Replaced]]:
    """Rows that go by snapshot, and the parts that take the place of those that held them."""
    done: dict[str, Replaced] = {}
    rows: dict[str, int] = {}
    for number, table in enumerate(request.tables):
        progress.step(number, len(request.tables), f"searching {table.name}")
        for part in table.parts:
            progress.check()
            if part not in done:
                done[part] = rewrite_part(request, known, table, part, out)
            rows[table.snapshot] = rows.get(table.snapshot, 0) + done[part].rows
    return rows, [item for item in done.values() if item.rows]


def rewrite_part(
    request: EraseRequest,
    known: Identifiers,
    table: EraseTable,
    part: str,
    out: Path,
    *,
    file: Path | None = None,
) -> Replaced:
    """One Parquet file without the person; it is only written where they are in it. ``file`` is where it lies now."""
    frame = pl.scan_parquet(file or blob_file(request, part))
    where = known.where(table, frame.collect_schema())
    if where is None:
        return Replaced(old=part, new=None, what="rows", rows=0)
    found = int(frame.select(where.sum()).collect().item())
    if not found or not request.prepare:
        return Replaced(old=part, new=None, what="rows", rows=found)
    kept = frame.filter(~where).collect()
    temporary = out / "new"
    kept.write_parquet(
        temporary, compression="zstd", compression_level=3, row_group_size=max(1, min(131_072, kept.height))
    )
    return Replaced(old=part, new=settle(temporary, out), what="rows", rows=found)


def settle(temporary: Path, out: Path) -> str:
    """Sync a file and name it by its digest; returns the digest."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    digest = digest_file(temporary)
    temporary.replace(out / digest.removeprefix(PREFIX))
    return digest


def blob_file(request: EraseRequest, digest: str) -> Path:
    plain = digest.removeprefix(PREFIX)
    return Path(request.folder) / plain[:2] / plain[2:]


def _parts(tables: Sequence[EraseTable]) -> list[tuple[str, EraseTable]]:
    """Every part once, although many snapshots share it."""
    return list({(part, table.name): (part, table) for table in tables for part in table.parts}.values())


def _is_in(text: pl.Expr, values: set[str]) -> pl.Expr:
    return text.is_in(pl.Series("values", sorted(values), dtype=pl.String).implode())
