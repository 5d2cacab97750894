"""Collecting the rows of one operation, to be written as one batch under one digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from core.engine.context import Context
from core.store.tables import LogBatch
from core.store.tracked import NOTES, POINTS, ROOM, THINGS, Rows, append_rows


class Draft:
    """Rows in the making. ``first`` is where their numbers start within the ledger entry."""

    def __init__(self, context: Context, first: int = 0) -> None:
        self._context = context
        self._things: list[tuple[Any, ...]] = []
        self._notes: list[tuple[Any, ...]] = []
        self._frames: list[pl.DataFrame] = []
        self._seq = context.ledger_seq() * ROOM + first
        self.now_ms = int(context.now.timestamp() * 1000)

    def thing(
        self,
        kind: str,
        id: str,
        *,
        parent: str = "",
        name: str = "",
        ms: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Something new, as it was made."""
        when = self.now_ms if ms is None else ms
        text = json.dumps(detail or {}, sort_keys=True)
        self._things.append((self._next(), id, kind, parent, name, when, self._context.actor.user, text))

    def note(
        self, subject: str, kind: str, name: str, value: str, *, removed: bool = False, ms: int | None = None
    ) -> None:
        """A parameter, tag, state, input or file of something; the newest of a name holds."""
        when = self.now_ms if ms is None else ms
        self._notes.append((self._next(), subject, kind, name, value, removed, when))

    def points(self, frame: pl.DataFrame) -> None:
        """Metric points: columns run, name, value, and step, ms, model and dataset where they are known."""
        missing = {name: kind for name, kind in POINTS.items() if name not in frame.columns and name != "position"}
        given = frame.with_columns(
            pl.lit(0 if name == "step" else None, kind).alias(name) for name, kind in missing.items()
        )
        self._frames.append(
            given.select(pl.col(name).cast(kind) for name, kind in POINTS.items() if name != "position")
        )

    def keep(self) -> LogBatch | None:
        """Write the batch in the operation's transaction; nothing where there are no rows."""
        rows = Rows(
            things=pl.DataFrame(self._things, schema=THINGS, orient="row"),
            notes=pl.DataFrame(self._notes, schema=NOTES, orient="row"),
            points=self._points(),
        )
        counts = rows.counts()
        if not any(counts.values()):
            return None
        values: dict[str, Any] = {**counts, "digest": rows.digest()}
        batch = self._context.add(LogBatch, "lb", **values)
        append_rows(self._context.session, batch.id, rows)
        return batch

    def _points(self) -> pl.DataFrame:
        if not self._frames:
            return pl.DataFrame(schema=POINTS)
        number = pl.int_range(pl.len(), dtype=pl.Int32).alias("position")
        return pl.concat(self._frames).select(number, *(name for name in POINTS if name != "position"))

    def _next(self) -> int:
        self._seq += 1
        return self._seq
