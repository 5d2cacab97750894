"""Metric points: logged in batches from frames, read back as frames."""

from __future__ import annotations

import polars as pl
from sqlmodel import Session

from core.kernel.digests import digest_bytes
from core.kernel.ids import new_id
from core.store.database import Database, raw
from core.store.tables import MetricBatch

COLUMNS = {"name": pl.String, "step": pl.Int64, "value": pl.Float64}


def batch_digest(points: pl.DataFrame) -> str:
    """Digest over the points of a batch, in order: names, steps and the bits of the values."""
    names = "\x00".join(points["name"]).encode()
    steps = points["step"].to_numpy().astype("<i8").tobytes()
    values = points["value"].to_numpy().astype("<f8").tobytes()
    return digest_bytes(b"%d|" % points.height + names + b"|" + steps + values)


def append_points(session: Session, batch: MetricBatch, points: pl.DataFrame) -> None:
    """Insert the points of ``batch`` (columns name, step, value) in the session's transaction."""
    frame = points.select(
        pl.lit(batch.id).alias("batch"),
        pl.int_range(pl.len(), dtype=pl.Int32).alias("position"),
        pl.lit(batch.run).alias("run"),
        "name",
        "step",
        "value",
    )
    connection = raw(session)
    connection.register("incoming_points", frame.to_arrow())
    try:
        connection.execute("INSERT INTO metric_point BY NAME SELECT * FROM incoming_points")
    finally:
        connection.unregister("incoming_points")


def new_batch(run: str, points: pl.DataFrame) -> dict[str, object]:
    """The columns of the batch row that covers ``points``, without those every fact has."""
    return {"id": new_id("mb"), "run": run, "points": points.height, "digest": batch_digest(points)}


def read_points(database: Database, run: str, *, most: int = 1_000_000_000) -> pl.DataFrame:
    """Points of a run: columns name, step, value, sorted by name and step.

    Each curve keeps about ``most`` points, evenly spaced, its last one included.
    """
    query = """
        WITH ranked AS (
            SELECT name, step, value, row_number() OVER (PARTITION BY name ORDER BY step) AS rank,
                   count(*) OVER (PARTITION BY name) AS n
            FROM metric_point WHERE run = $run)
        SELECT name, step, value FROM ranked
        WHERE (rank - 1) % greatest(n // $most, 1) = 0 OR rank = n
        ORDER BY name, step"""
    return database.cursor().execute(query, {"run": run, "most": most}).pl()
