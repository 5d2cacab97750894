"""What a column looked like when the model was trained: fixed cells and their counts.

A number is kept as counts between some 200 of its own quantiles, a category as counts of its
levels: exact over all rows, a few kilobytes a column, and free of single rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from core.kernel.errors import InputError, Problem
from core.measures.classification import Floats
from core.measures.records import CategoryReference, DriftReference, Moments, NumberReference

CELLS = 200
DECILES = 10
MAX_LEVELS = 10_000
BUCKETS = 1_000
Counts = npt.NDArray[np.int64]


def fit_reference(frame: pl.DataFrame | pl.LazyFrame, columns: Sequence[str] | None = None) -> DriftReference:
    """Summarise ``columns`` (all that are numbers, text, categories or bools, if not given) of a frame.

    Predictions are columns like any other: fit them under the name that the window will use.

    Raises:
        InputError: naming every column that is absent or of a type that has no drift test.
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    wanted = list(columns) if columns is not None else [name for name, kind in schema.items() if _testable(kind)]
    problems = [
        Problem(what=f"column {name!r} " + ("has no drift test" if name in schema else "is absent"), where="reference")
        for name in wanted
        if name not in schema or not _testable(schema[name])
    ]
    if problems:
        raise InputError("The drift reference cannot be made", problems=problems)
    data = lazy.select(wanted).collect()
    numbers = [fit_number(data[name]) for name in wanted if schema[name].is_numeric()]
    categories = [fit_category(data[name]) for name in wanted if not schema[name].is_numeric()]
    return DriftReference(rows=data.height, numbers=numbers, categories=categories)


def _testable(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum)


def known_numbers(column: pl.Series) -> Floats:
    """The finite values as floats; what cannot be read as a number counts as null."""
    values = column.cast(pl.Float64, strict=False).drop_nulls().to_numpy()
    found: Floats = values[np.isfinite(values)]
    return found


def moments(values: Floats) -> Moments:
    """Count, mean and summed squared deviation of finite values."""
    mean = float(values.mean()) if values.size else 0.0
    return Moments(count=values.size, mean=mean, m2=float(((values - mean) ** 2).sum()))


def fit_number(column: pl.Series) -> NumberReference:
    """Quantile cells of one column; a column of few distinct values gets one cell for each."""
    values = np.sort(known_numbers(column))
    distinct = np.unique(values)
    edges = distinct
    if distinct.size > CELLS:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, CELLS + 1), method="lower"))
    inner = np.linspace(0, 1, DECILES + 1)[1:-1]
    deciles = np.unique(np.quantile(values, inner)) if values.size else np.empty(0)
    return NumberReference(
        name=column.name,
        rows=len(column),
        nulls=len(column) - values.size,
        edges=edges.tolist(),
        counts=count_cells(values, edges).tolist(),
        deciles=deciles.tolist(),
        decile_counts=count_cells(values, deciles).tolist(),
        moments=moments(values),
    )


def count_cells(values: Floats, edges: Floats) -> Counts:
    """Counts in ``(edge[i-1], edge[i]]`` and above the last edge: shape (edges + 1,)."""
    cells = np.searchsorted(edges, values, side="left")
    return np.bincount(cells, minlength=len(edges) + 1).astype(np.int64)


def fit_category(column: pl.Series) -> CategoryReference:
    """Level counts of one column, ties in the order of their names."""
    counted = level_counts(column, hashed=False)
    hashed = len(counted) > MAX_LEVELS
    if hashed:
        counted = level_counts(column, hashed=True)
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return CategoryReference(
        name=column.name,
        rows=len(column),
        nulls=column.null_count(),
        levels=[level for level, _ in ordered],
        counts=[count for _, count in ordered],
        hashed=hashed,
    )


def level_counts(column: pl.Series, *, hashed: bool) -> dict[str, int]:
    """How often each level, or each bucket of levels, occurs; nulls left out."""
    frame = column.cast(pl.String).drop_nulls().alias("level").to_frame()
    counted = frame.group_by("level").len().rows()
    if not hashed:
        return dict(counted)
    buckets: dict[str, int] = {}
    for level, count in counted:
        bucket = f"#{zlib.crc32(level.encode()) % BUCKETS:03d}"
        buckets[bucket] = buckets.get(bucket, 0) + count
    return buckets
