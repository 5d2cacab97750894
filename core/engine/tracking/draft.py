"""Collecting the rows of one operation, to be written as one batch under one digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
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
        self._frames.append(frame)

    def keep(self) -> LogBatch | None:
        """Write the batch in the operation's transaction; nothing where there are no rows."""
        rows = Rows()
        if self._things:
            rows.things = pl.DataFrame(self._things, schema=THINGS, orient="row")
        if self._notes:
            rows.notes = pl.DataFrame(self._notes, schema=NOTES, orient="row")
        if self._frames:
            rows.points = self._points()
        counts = rows.counts()
        if not any(counts.values()):
            return None
        values: dict[str, Any] = {**counts, "digest": rows.digest()}
        batch = self._context.write(LogBatch, "lb", **values)
        append_rows(self._context.session, batch.id, rows)
        return batch

    def _points(self) -> pl.DataFrame:
        parts = [_whole(frame) for frame in self._frames]
        together = parts[0] if len(parts) == 1 else pl.concat(parts)
        return together.insert_column(0, pl.Series("position", np.arange(together.height, dtype=np.int32)))

    def _next(self) -> int:
        self._seq += 1
        return self._seq


def _whole(points: pl.DataFrame) -> pl.DataFrame:
    """Points with every column but their position, in its kind; the step is 0 and the rest nothing where not told."""
    height, told = points.height, points.schema
    return pl.DataFrame(
        [
            points.get_column(name).cast(kind)
            if name in told
            else pl.Series(name, [0 if name == "step" else None], kind).new_from_index(0, height)
            for name, kind in POINTS.items()
            if name != "position"
        ]
    )
