"""How well rows hide in groups of equal quasi-identifiers: k-anonymity (Samarati and Sweeney 1998)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from core.kernel.records import Record

LEAST_GROUP = 5  # a group smaller than this is reported as risky; the usual floor for release of microdata


class Anonymity(Record):
    """Groups of rows with equal ``columns``: the smallest has ``k`` rows.

    ``below`` counts rows in groups of fewer than ``threshold``, ``unique`` those that are alone.
    """

    columns: list[str]
    rows: int
    groups: int
    k: int
    unique: int
    below: int
    threshold: int

    @property
    def below_share(self) -> float:
        """Share of rows in groups that are too small."""
        return self.below / self.rows if self.rows else 0.0


def k_anonymity(frame: pl.LazyFrame, columns: Sequence[str], threshold: int = LEAST_GROUP) -> Anonymity:
    """Measure ``frame`` [rows, columns] over ``columns``; nulls count as a value. One pass, memory by groups.

    Without columns everybody is in one group.
    """
    if not columns:
        rows = int(frame.select(pl.len()).collect().item())
        below = rows if rows < threshold else 0
        return Anonymity(columns=[], rows=rows, groups=min(1, rows), k=rows, unique=0, below=below, threshold=threshold)
    size = pl.col("__rows")
    sizes = frame.group_by(list(columns)).agg(pl.len().cast(pl.Int64).alias("__rows"))
    figures = sizes.select(
        rows=size.sum(),
        groups=pl.len(),
        k=size.min().fill_null(0),
        unique=(size == 1).sum(),
        below=size.filter(size < threshold).sum(),
    )
    found = figures.collect(engine="streaming").row(0, named=True)
    counts = {name: int(value or 0) for name, value in found.items()}
    return Anonymity.read({"columns": list(columns), "threshold": threshold, **counts})
