"""A profile as plain numbers by column: what baselines, histories and checks over snapshots are built on."""

from __future__ import annotations

from datetime import datetime

from core.measures.records import ColumnProfile, TableProfile

FIGURES = (
    "rows",
    "nulls",
    "null_share",
    "nan",
    "distinct",
    "min",
    "max",
    "total",
    "mean",
    "std",
    "p01",
    "p05",
    "p25",
    "p50",
    "p75",
    "p95",
    "p99",
    "mean_length",
    "min_length",
    "max_length",
    "empty_share",
)


def profile_facts(profile: TableProfile) -> dict[str, dict[str, float]]:
    """The numbers of every column, by column and figure (see ``FIGURES``).

    A figure that a column does not have (the mean of a text) is left out. Times are seconds since 1970,
    a truth value counts as 0 or 1, shares are of the rows.
    """
    return {column.name: column_facts(column) for column in profile.columns}


def column_facts(column: ColumnProfile) -> dict[str, float]:
    """The numbers of one column, by figure."""
    text, rows = column.text, column.rows
    found: dict[str, float | None] = {
        "rows": rows,
        "nulls": column.nulls,
        "null_share": column.null_share,
        "nan": column.nan,
        "distinct": column.distinct,
        "min": _number(column, column.min),
        "max": _number(column, column.max),
        "total": column.total,
        "mean": column.mean,
        "std": column.std,
        **column.quantiles,
        "mean_length": text.mean_length if text else None,
        "min_length": text.min_length if text else None,
        "max_length": text.max_length if text else None,
        "empty_share": text.empty / rows if text and rows else None,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _number(column: ColumnProfile, value: float | str | None) -> float | None:
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp() if column.kind == "time" else None
    return value
