"""What of a feature view's past is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import col, select

from core.engine.operations.backfill import KIND
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.store.tables import Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

BACKFILLS = {
    "view": pl.String,
    "since": pl.String,
    "until": pl.String,
    "partitions": pl.Int64,
    "values": pl.Int64,
    "new": pl.Int64,
    "equal": pl.Int64,
    "different": pl.Int64,
    "snapshot": pl.String,
    "computed_at": pl.String,
}


@question("backfills")
def backfills(engine: Engine, view: str = "") -> pl.DataFrame:
    """All backfills (of one view), the newest first."""
    query = select(Snapshot).where(Snapshot.kind == KIND)
    query = query.where(Snapshot.name == view) if view else query
    with engine.workspace.database.reading() as session:
        rows = [_row(row) for row in session.exec(query.order_by(col(Snapshot.created_at).desc()))]
    return pl.DataFrame(rows, schema=BACKFILLS, orient="row")


def _row(row: Snapshot) -> dict[str, Any]:
    detail, compared = row.detail, row.detail["compared"]
    return {
        "view": row.name,
        "since": detail["since"],
        "until": detail["until"],
        "partitions": len(detail["partitions"]),
        "values": row.rows,
        "new": compared["new"],
        "equal": compared["equal"],
        "different": len(compared["different"]),
        "snapshot": row.id,
        "computed_at": utc_text(row.created_at),
    }
