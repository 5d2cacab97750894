"""Work on past periods of feature views."""

from __future__ import annotations

from typing import Any

import polars as pl

from core.engine.workfolder import JobFolder
from core.kernel.clock import parse_utc
from core.kernel.progress import Progress
from core.project.schema import FeatureView


def backfill_view(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Compute a view's values over a period, partition by partition, and join them into one table."""
    from core.features.backfill import backfill, partition_file

    params = folder.params
    view = FeatureView.read(params["view"])
    period = parse_utc(params["since"]), parse_utc(params["until"])
    place = folder.out("partitions")
    made = backfill(params["name"], view, folder.input("table"), *period, params["by"] or None, place, progress)
    table, part = folder.out("table.parquet"), folder.out("table.part")
    whole = pl.scan_parquet([partition_file(place, item.start) for item in made])
    whole.sink_parquet(part, compression="zstd", compression_level=3, maintain_order=True)
    part.replace(table)
    schema = {name: str(kind) for name, kind in whole.collect_schema().items()}
    return {
        "rows": sum(item.rows for item in made),
        "columns": schema,
        "partitions": [item.plain() for item in made],
    }
