"""Metric points: logged in batches from frames, read back as frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
from sqlmodel import Session

from core.kernel.digests import digest_bytes
from core.kernel.ids import new_id
from core.store.database import Database, append_frame, raw
from core.store.tables import MetricBatch

COLUMNS = {"name": pl.String, "step": pl.Int64, "value": pl.Float64}


def batch_digest(points: pl.DataFrame) -> str:
    """Digest over the points of a batch, in order: names, steps and the bits of the values."""
    names = points["name"].str.join("\x00").item().encode()
    steps = points["step"].to_numpy().astype("<i8").tobytes()
    values = points["value"].to_numpy().astype("<f8").tobytes()
    return digest_bytes(b"%d|" % points.height + names + b"|" + steps + values)


def append_points(session: Session, batch: MetricBatch, points: pl.DataFrame) -> None:
    """Insert the points of ``batch`` (columns name, step, value) in the session's transaction."""
    rows = points.select("name", "step", "value").with_row_index("position")
    append_frame(raw(session), "metric_point", rows, {"batch": batch.id, "run": batch.run})


def new_batch(run: str, points: pl.DataFrame) -> dict[str, Any]:
    """The columns of the batch row that covers ``points``, without those every fact has."""
    return {"id": new_id("mb"), "run": run, "points": points.height, "digest": batch_digest(points)}


def read_points(
    database: Database, run: str, *, most: int = 1_000_000_000, value: pl.Expr | None = None
) -> pl.DataFrame:
    """Points of a run: columns name, step, value, sorted by name and step.

    Each curve keeps about ``most`` points, evenly spaced, its last one included. ``value`` reckons other values from
    the sorted curves first, such as smoothed ones. Thousands of curves cost what their points cost.
    """
    query = "SELECT name, step, value FROM metric_point WHERE run = $run"
    points = database.cursor().execute(query, {"run": run}).pl().sort("name", "step", maintain_order=True)
    if value is not None:
        points = points.with_columns(value.alias("value"))
    if points.height <= most:
        return points
    place, height = pl.int_range(pl.len()).over("name"), pl.len().over("name")
    every = pl.max_horizontal(height // most, pl.lit(1))
    return points.filter((place % every == 0) | (place == height - 1))


def points_of(database: Database, batches: Sequence[MetricBatch]) -> Iterator[tuple[MetricBatch, pl.DataFrame]]:
    """Each batch with its points (position, run, name, step, value) in order, in few scans of the table."""
    query = "SELECT batch, position, run, name, step, value FROM metric_point WHERE batch IN $some ORDER BY position"
    empty = pl.DataFrame(schema={"position": pl.Int32, "run": pl.String, **COLUMNS})
    for some in _shares(batches):
        found = database.cursor().execute(query, {"some": [batch.id for batch in some]}).pl()
        groups = found.partition_by("batch", maintain_order=True, as_dict=True, include_key=False)
        for batch in some:
            yield batch, groups.get((batch.id,), empty)


def _shares(batches: Sequence[MetricBatch]) -> Iterator[list[MetricBatch]]:
    """The batches in lists of about a million points."""
    share: list[MetricBatch] = []
    held = 0
    for batch in batches:
        share.append(batch)
        held += batch.points
        if held >= 1_000_000:
            yield share
            share, held = [], 0
    if share:
        yield share
