"""The rows that differ between two snapshots, page by page, each with its cells before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from core.contract.checks import MASK
from core.data.records import CellChange, RowChange
from core.data.snapshots import LEFT, RIGHT, differing, require_key, schema_of


def changed_rows(
    a: Path, b: Path, key: list[str], offset: int, limit: int, *, personal: frozenset[str] = frozenset()
) -> list[RowChange]:
    """Rows ``offset`` to ``offset + limit`` of all that were changed, added or removed, in the order of the key.

    A changed row shows the cells that differ; an added or a removed one all of its cells but the key. Values of
    ``personal`` columns are masked, in the key too. Columns that only one snapshot has, or that changed their type,
    are no change of a row.

    Raises:
        InputError: when the key is empty, missing, of another type, or does not identify rows.
    """
    left, right = pl.scan_parquet(a), pl.scan_parquet(b)
    require_key(left, right, key, (a, b))
    old, new = ({column.name: column.type for column in schema_of(path)} for path in (a, b))
    common = [name for name in old if name in new and old[name] == new[name] and name not in key]
    frame = _differing(left, right, key, common).sort(key, nulls_last=True).slice(offset, limit).collect()
    return [_told(row, key, common, personal) for row in frame.iter_rows(named=True)]


def _differing(left: pl.LazyFrame, right: pl.LazyFrame, key: list[str], common: list[str]) -> pl.LazyFrame:
    ours = left.select(*key, *(pl.col(name).alias(name + LEFT) for name in common))
    theirs = right.select(*key, *(pl.col(name).alias(name + RIGHT) for name in common))
    differs = differing(common)
    changed = ours.join(theirs, on=key, how="inner", nulls_equal=True)
    changed = changed.filter(pl.any_horizontal(differs.values())) if differs else changed.head(0)
    parts = [
        changed.with_columns(pl.lit("changed").alias(LEFT)),
        theirs.join(ours, on=key, how="anti", nulls_equal=True).with_columns(pl.lit("added").alias(LEFT)),
        ours.join(theirs, on=key, how="anti", nulls_equal=True).with_columns(pl.lit("removed").alias(LEFT)),
    ]
    return pl.concat(parts, how="diagonal")


def _told(row: dict[str, Any], key: list[str], common: list[str], personal: frozenset[str]) -> RowChange:
    return RowChange(
        change=row[LEFT],
        key={name: _shown(row[name], name, personal) for name in key},
        cells=list(_cells(row, common, personal)),
    )


def _cells(row: dict[str, Any], common: list[str], personal: frozenset[str]) -> Iterator[CellChange]:
    for name in common:
        before, after = row.get(name + LEFT), row.get(name + RIGHT)
        if row[LEFT] != "changed" or not _same(before, after):
            yield CellChange(column=name, before=_shown(before, name, personal), after=_shown(after, name, personal))


def _same(before: Any, after: Any) -> bool:
    return bool(before == after) or (before != before and after != after)  # NaN equals NaN here


def _shown(value: Any, column: str, personal: frozenset[str]) -> str | None:
    if value is None:
        return None
    return MASK if column in personal else str(value)[:500]
