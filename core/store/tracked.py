"""What clients track, in bulk: things, notes about them and metric points, written in one batch under one digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from sqlmodel import Session

from core.kernel.digests import digest_parts
from core.store.database import Database, append_frame, raw
from core.store.tables import LogBatch

Schema = Mapping[str, Any]
THINGS: Schema = {
    "seq": pl.Int64,
    "id": pl.String,
    "kind": pl.String,
    "parent": pl.String,
    "name": pl.String,
    "ms": pl.Int64,
    "author": pl.String,
    "detail": pl.String,
}
NOTES: Schema = {
    "seq": pl.Int64,
    "subject": pl.String,
    "kind": pl.String,
    "name": pl.String,
    "value": pl.String,
    "removed": pl.Boolean,
    "ms": pl.Int64,
}
POINTS: Schema = {
    "position": pl.Int32,
    "run": pl.String,
    "name": pl.String,
    "step": pl.Int64,
    "value": pl.Float64,
    "ms": pl.Int64,
    "model": pl.String,
    "dataset": pl.String,
}
TABLES: dict[str, tuple[str, Schema, str]] = {
    "things": ("tracked", THINGS, "seq"),
    "notes": ("tracked_note", NOTES, "seq"),
    "points": ("metric_point", POINTS, "position"),
}
NO_ROWS = {name: pl.DataFrame(schema=schema) for name, (_, schema, _) in TABLES.items()}
ROOM = 1_000_000_000  # numbers for the rows of one ledger entry
NOTHING = -(2**62)


@dataclass
class Rows:
    """The rows of one batch, as frames of :data:`THINGS`, :data:`NOTES` and :data:`POINTS`."""

    things: pl.DataFrame = field(default_factory=NO_ROWS["things"].clone)
    notes: pl.DataFrame = field(default_factory=NO_ROWS["notes"].clone)
    points: pl.DataFrame = field(default_factory=NO_ROWS["points"].clone)

    def digest(self) -> str:
        """Digest over every row of the batch, in order."""
        parts = (frame_bytes(frame) for frame in (self.things, self.notes, self.points) if frame.height)
        return digest_parts(part for parts_of_frame in parts for part in parts_of_frame)

    def counts(self) -> dict[str, int]:
        """Rows of each kind."""
        return {"things": self.things.height, "notes": self.notes.height, "points": self.points.height}


def frame_bytes(frame: pl.DataFrame) -> Iterator[bytes | memoryview]:
    """One text for each content of a frame, in parts: numbers as little-endian bits, texts after their lengths."""
    yield f"{frame.height}|{','.join(frame.columns)}|".encode()
    for column in frame:
        if column.dtype == pl.String:
            yield from _text_bytes(column)
        elif column.dtype == pl.Float64:
            yield _bits(column.to_numpy(), "<f8")
        else:
            whole = column if column.dtype == pl.Int64 else column.cast(pl.Int64)
            yield _bits((whole.fill_null(NOTHING) if whole.null_count() else whole).to_numpy(), "<i8")


def _text_bytes(column: pl.Series) -> Iterator[bytes | memoryview]:
    """Lengths in bytes, -1 for a null, then all texts in one: what Arrow holds already, save for the lengths."""
    nulls = column.null_count()
    if nulls == len(column):
        yield _bits(np.full(nulls, -1), "<i8")
        return
    texts = (column.fill_null("") if nulls else column).to_arrow(compat_level=pl.CompatLevel.oldest())
    _, ends, data = texts.buffers()
    offsets = np.frombuffer(ends, "<i8")[texts.offset : texts.offset + len(texts) + 1]
    lengths = np.diff(offsets)
    if nulls:
        lengths[column.is_null().to_numpy()] = -1
    yield _bits(lengths, "<i8")
    yield memoryview(data or b"")[offsets[0] : offsets[-1]]


def _bits(values: np.ndarray[Any, Any], form: str) -> memoryview:
    return np.ascontiguousarray(values, form).data.cast("B")


def append_rows(session: Session, batch: str, rows: Rows) -> None:
    """Insert the rows of a batch in the session's transaction."""
    connection = raw(session)
    for name, (table, _, _) in TABLES.items():
        frame: pl.DataFrame = getattr(rows, name)
        if not frame.height:
            continue
        append_frame(connection, table, frame, {"batch": batch})


def rows_of(database: Database, batches: Sequence[LogBatch]) -> Iterator[tuple[LogBatch, Rows]]:
    """Each batch with its rows in order, in few scans of the tables."""
    for some in _shares(batches):
        found = {name: _by_batch(database, name, some) for name in TABLES}
        for batch in some:
            yield batch, Rows(**{name: frames[batch.id] for name, frames in found.items() if batch.id in frames})


def _by_batch(database: Database, name: str, batches: Sequence[LogBatch]) -> dict[str, pl.DataFrame]:
    table, schema, order = TABLES[name]
    wanted = [batch.id for batch in batches]
    query = f"""SELECT batch, {", ".join(schema)} FROM {table}
        JOIN (SELECT unnest($some) AS batch) USING (batch) ORDER BY {order}"""
    found = database.cursor().execute(query, {"some": wanted}).pl()
    groups = found.partition_by("batch", maintain_order=True, as_dict=True, include_key=False)
    return {str(key[0]): frame for key, frame in groups.items()}


def _shares(batches: Sequence[LogBatch]) -> Iterator[list[LogBatch]]:
    """The batches in lists of about a million rows."""
    share: list[LogBatch] = []
    held = 0
    for batch in batches:
        share.append(batch)
        held += batch.things + batch.notes + batch.points
        if held >= 1_000_000:
            yield share
            share, held = [], 0
    if share:
        yield share
