"""Times in logs and labels: ISO 8601 with an offset, whatever else stands in the column."""

from __future__ import annotations

import polars as pl

TIME = pl.Datetime("us", "UTC")
STAMP = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d"


def utc_times(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Column ``name`` as UTC times; texts without an offset, and texts that are no times, become null.

    The format is explicit: guessing it from the first row would make a rejected request decide.
    """
    dtype = frame.schema[name]
    column = pl.col(name)
    if dtype == pl.String:
        text = column.str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T").str.replace(r"(T\d\d:\d\d)(Z|[+-])", "${1}:00${2}")
        return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").cast(TIME)
    if isinstance(dtype, pl.Datetime):
        return column.dt.replace_time_zone("UTC").cast(TIME)
    return pl.lit(None, dtype=TIME)
