"""What a snapshot holds and how two of them differ."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from core.data.records import ChangedColumn, ColumnType, SnapshotDiff
from core.data.writing import columns_of, require_columns
from core.kernel.errors import InputError

LEFT, RIGHT = "\x1fa", "\x1fb"


def schema_of(path: Path) -> list[ColumnType]:
    """The columns of a Parquet snapshot, read from its footer alone.

    Raises:
        InputError: when it is not Parquet or not there.
    """
    try:
        return columns_of(pl.scan_parquet(path).collect_schema())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError("This is not a readable snapshot", where=path.name) from error


def diff(a: Path, b: Path, key: list[str]) -> SnapshotDiff:
    """Differences from snapshot ``a`` to snapshot ``b``; rows are matched by ``key``.

    A row changed if any column that both have with one type differs; null equals null and NaN
    equals NaN. A null in a key matches a null.

    Raises:
        InputError: when the key is empty, missing, of another type, or does not identify rows.
    """
    before, after = schema_of(a), schema_of(b)
    old, new = {c.name: c.type for c in before}, {c.name: c.type for c in after}
    left, right = pl.scan_parquet(a), pl.scan_parquet(b)
    require_key(left, right, key, (a, b))
    common = [name for name in old if name in new and old[name] == new[name] and name not in key]
    counts = _compare(left, right, key, common)
    return SnapshotDiff(
        key=key,
        columns_added=[name for name in new if name not in old],
        columns_removed=[name for name in old if name not in new],
        retyped={name: (old[name], new[name]) for name in old if name in new and old[name] != new[name]},
        rows_before=counts["before"],
        rows_after=counts["after"],
        rows_added=counts["after"] - counts["both"],
        rows_removed=counts["before"] - counts["both"],
        rows_changed=counts["changed"],
        cells=[ChangedColumn(name=name, cells=counts[f"cells:{name}"]) for name in common if counts[f"cells:{name}"]],
    )


def differing(common: list[str]) -> dict[str, pl.Expr]:
    """For each column that two joined snapshots have in common, whether its cells differ; null equals null."""
    return {name: pl.col(name + LEFT).ne_missing(pl.col(name + RIGHT)) for name in common}


def require_key(left: pl.LazyFrame, right: pl.LazyFrame, key: list[str], paths: tuple[Path, Path]) -> None:
    """Refuse a key that does not identify the rows of both snapshots.

    Raises:
        InputError: when it is empty, missing, of another type, or shared by several rows.
    """
    if not key:
        raise InputError("Two snapshots can only be compared by a key", remedy="State `key` for the source.")
    schemas = left.collect_schema(), right.collect_schema()
    for schema, path in zip(schemas, paths, strict=True):
        require_columns(key, schema, what=f"The key of {path.name}")
    other = [name for name in key if schemas[0][name] != schemas[1][name]]
    if other:
        raise InputError(f"The key {', '.join(other)} has another type in the two snapshots")
    repeated = pl.struct(key).is_duplicated().sum()
    counts = [int(frame.item()) for frame in pl.collect_all([left.select(repeated), right.select(repeated)])]
    for count, path in zip(counts, paths, strict=True):
        if count:
            raise InputError(
                f"The key {', '.join(key)} does not identify a row: {count:,} rows share theirs", where=path.name
            )


def _compare(left: pl.LazyFrame, right: pl.LazyFrame, key: list[str], common: list[str]) -> dict[str, int]:
    ours = left.select(*key, *(pl.col(name).alias(name + LEFT) for name in common))
    theirs = right.select(*key, *(pl.col(name).alias(name + RIGHT) for name in common))
    joined = ours.join(theirs, on=key, how="inner", nulls_equal=True)
    differs = differing(common)
    changed = pl.any_horizontal(differs.values()).sum() if differs else pl.lit(0)
    plans = [
        left.select(before=pl.len()),
        right.select(after=pl.len()),
        joined.select(both=pl.len(), changed=changed, **{f"cells:{name}": e.sum() for name, e in differs.items()}),
    ]
    out: dict[str, int] = {}
    for frame in pl.collect_all(plans):
        out |= {name: int(value or 0) for name, value in frame.row(0, named=True).items()}
    return out
