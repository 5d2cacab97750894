"""Columns that look broken rather than drifted: a fault of logging must not retrain a model."""

from __future__ import annotations

import polars as pl

from core.measures.records import CategoryReference, DriftReference, NumberReference
from core.monitoring.records import DataFault

FEWEST_ROWS = 30
MANY_NUMBERS = 32  # more than the days of a month: calendar columns stand still within a window rightly
MANY_LEVELS = 10
ALL_NULL = 0.95
PLACEHOLDERS = frozenset({0.0, -1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0})
PLACEHOLDER_TEXTS = frozenset({"", "-", "?", "0", "-1", "na", "n/a", "nan", "none", "null", "undefined", "unknown"})


def data_faults(reference: DriftReference, features: pl.DataFrame) -> list[DataFault]:
    """Columns that vanished, went (nearly) all null, or stand still where the reference varied.

    Windows of fewer than ``FEWEST_ROWS`` rows are not judged.
    """
    if features.height < FEWEST_ROWS:
        return []
    known: list[NumberReference | CategoryReference] = [*reference.numbers, *reference.categories]
    found = [_fault(item, features) for item in known]
    return [fault for fault in found if fault is not None]


def _fault(item: NumberReference | CategoryReference, features: pl.DataFrame) -> DataFault | None:
    if item.name not in features.columns:
        return DataFault(column=item.name, fault="missing", detail="the column is not there at all")
    column = features[item.name]
    nulls = column.null_count() / len(column)
    before = item.nulls / item.rows if item.rows else 0.0
    if nulls >= ALL_NULL and before <= 0.5:
        return DataFault(column=item.name, fault="all_null", detail=f"{nulls:.1%} are null, {before:.1%} in training")
    values = column.drop_nulls()
    if len(values) < FEWEST_ROWS or values.n_unique() > 1:
        return None
    if _varied(item) or _unseen(item, values[0]):
        return DataFault(column=item.name, fault="constant", detail=f"every value is {values[0]}")
    return None


def _varied(item: NumberReference | CategoryReference) -> bool:
    """Had the reference so many values that one alone is no accident?"""
    taken = sum(1 for count in item.counts if count)
    return taken >= (MANY_NUMBERS if isinstance(item, NumberReference) else MANY_LEVELS)


def _unseen(item: NumberReference | CategoryReference, value: object) -> bool:
    """Is it what systems write for 'no value', and did the reference never hold it?

    Any other new value standing still may be right: a month that training had not reached.
    """
    if isinstance(item, CategoryReference):
        return str(value).strip().lower() in PLACEHOLDER_TEXTS and str(value) not in item.levels
    return isinstance(value, int | float) and float(value) in PLACEHOLDERS and float(value) not in item.edges
