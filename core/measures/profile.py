"""What a table holds, column by column: one streaming pass for the numbers, one for the shapes.

The first pass computes every count, extreme, moment and quantile of every column in a single
query; the second needs the extremes for its histograms and counts the most frequent values.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import polars as pl

from core.kernel.clock import utc_text
from core.measures.records import ColumnProfile, Histogram, Moments, TableProfile, TopValue

QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
BINS = 20
TOP = 10
SEPARATOR = "\x1f"  # between column and statistic in the names of the query's results
Kind = Literal["number", "text", "bool", "time", "other"]


def profile_frame(frame: pl.LazyFrame, table: str) -> TableProfile:
    """Profile every column of a lazy frame.

    Distinct values are counted exactly, nulls not among them. Values that are not finite are counted
    in ``nan`` and left out of all else. Times are UTC; without a zone they are taken to be UTC.
    """
    schema = frame.collect_schema()
    kinds = {name: _kind(dtype) for name, dtype in schema.items()}
    prepared = frame.select(_prepared(name, dtype) for name, dtype in schema.items())
    queries = [pl.len().alias("rows")]
    queries += [query for name, kind in kinds.items() for query in _numbers(name, kind, schema[name])]
    figures = prepared.select(queries).collect(engine="streaming").row(0, named=True)
    figures |= _nan_counts(frame, schema)
    shapes = [query for name, kind in kinds.items() for query in _shapes(name, kind, figures)]
    drawn = prepared.select(shapes).collect(engine="streaming").row(0, named=True) if shapes else {}
    columns = [_column(name, str(schema[name]), kind, figures, drawn) for name, kind in kinds.items()]
    return TableProfile(table=table, rows=figures["rows"], columns=columns)


def merge_moments(first: Moments, second: Moments) -> Moments:
    """Moments of both parts together, exactly (Chan, Golub and LeVeque 1983)."""
    count = first.count + second.count
    if not count:
        return first
    delta = second.mean - first.mean
    mean = first.mean + delta * second.count / count
    m2 = first.m2 + second.m2 + delta * delta * first.count * second.count / count
    return Moments(count=count, mean=mean, m2=m2)


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "bool"
    if dtype in (pl.Date, pl.Datetime):
        return "time"
    return "text" if dtype in (pl.String, pl.Categorical, pl.Enum) else "other"


def _prepared(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column in the form that is computed with: finite numbers, whole microseconds, text."""
    column = pl.col(name)
    if dtype.is_float():
        return pl.when(column.is_finite()).then(column)
    if dtype in (pl.Date, pl.Datetime):
        return column.cast(pl.Datetime("us")).to_physical()
    return column.cast(pl.String) if dtype in (pl.Categorical, pl.Enum) else column


def _named(name: str, statistic: str) -> str:
    return f"{name}{SEPARATOR}{statistic}"


def _numbers(name: str, kind: Kind, dtype: pl.DataType) -> list[pl.Expr]:
    """Aggregates of the first pass."""
    column = pl.col(name)
    found = {"nulls": column.null_count()}
    if kind in ("number", "bool", "time", "text"):
        found["distinct"] = column.n_unique()
        found |= {"min": column.min(), "max": column.max()}
    if kind in ("number", "bool"):
        value = column.cast(pl.Float64) if kind == "bool" or dtype.is_decimal() else column
        found |= {"mean": value.mean(), "var": value.var()}
    if kind in ("number", "time"):
        found["quantiles"] = column.quantile(list(QUANTILES.values()), "linear")
    return [query.alias(_named(name, statistic)) for statistic, query in found.items()]


def _nan_counts(frame: pl.LazyFrame, schema: pl.Schema) -> dict[str, int]:
    """How many floats are not finite, by column."""
    floats = [name for name, dtype in schema.items() if dtype.is_float()]
    if not floats:
        return {}
    counted = frame.select((~pl.col(name).is_finite()).sum().alias(name) for name in floats)
    row = counted.collect(engine="streaming").row(0, named=True)
    return {_named(name, "nan"): int(count or 0) for name, count in row.items()}


def _shapes(name: str, kind: Kind, figures: dict[str, Any]) -> list[pl.Expr]:
    """Histograms and most frequent values, for the second pass."""
    column = pl.col(name)
    low, high = figures.get(_named(name, "min")), figures.get(_named(name, "max"))
    found = []
    if kind in ("number", "time") and low is not None and high is not None:
        index = _bin_index(column, float(low), float(high))
        found.append(index.drop_nulls().value_counts().implode().alias(_named(name, "histogram")))
    if kind in ("text", "bool") or (kind == "number" and _few(figures, name)):
        item = pl.element()
        ordered = item.sort_by(item.struct.field("count"), item.struct.field(name), descending=[True, False])
        counted = column.drop_nulls().value_counts().implode().list.eval(ordered.head(TOP))
        found.append(counted.alias(_named(name, "top")))
    return found


def _few(figures: dict[str, Any], name: str) -> bool:
    """So few distinct numbers that the most frequent ones say something."""
    distinct: int = figures[_named(name, "distinct")]
    return distinct <= max(100, int(figures["rows"]) // 100)


def _edges(low: float, high: float) -> list[float]:
    """Edges of 20 equal bins; one bin when there is one value."""
    if high <= low:
        return [low, low]
    width = (high - low) / BINS
    return [low + i * width for i in range(BINS)] + [high]


def _bin_index(column: pl.Expr, low: float, high: float) -> pl.Expr:
    if high <= low:
        return pl.when(column.is_not_null()).then(pl.lit(0, pl.UInt8)).alias("bin")
    place = (column.cast(pl.Float64) - low) * (BINS / (high - low))
    return place.floor().clip(0, BINS - 1).cast(pl.UInt8).alias("bin")


def _column(name: str, dtype: str, kind: Kind, figures: dict[str, Any], drawn: dict[str, Any]) -> ColumnProfile:
    def get(statistic: str) -> Any:
        return figures.get(_named(name, statistic))

    rows, nan = figures["rows"], get("nan") or 0
    absent, scale = get("nulls"), 1e-6 if kind == "time" else 1.0
    known = rows - absent
    mean, variance = _settled(get("mean")), _settled(get("var")) or 0.0
    distinct = get("distinct")
    quantiles = get("quantiles") or []
    return ColumnProfile(
        name=name,
        type=dtype,
        kind=kind,
        rows=rows,
        nulls=absent - nan,
        nan=nan,
        distinct=distinct - (1 if absent else 0) if distinct is not None else None,
        min=_bound(kind, get("min")),
        max=_bound(kind, get("max")),
        moments=Moments(count=known, mean=mean, m2=variance * (known - 1)) if mean is not None else None,
        mean=mean,
        std=variance**0.5 if mean is not None else None,
        quantiles={key: value * scale for key, value in zip(QUANTILES, quantiles, strict=False) if value is not None},
        histogram=_histogram(drawn.get(_named(name, "histogram")), get("min"), get("max"), scale),
        top=[TopValue(value=_text(item[name]), count=item["count"]) for item in drawn.get(_named(name, "top")) or []],
    )


def _settled(value: float | None) -> float | None:
    """Twelve digits: the last bits of a sum depend on the order in which threads finish."""
    return None if value is None else float(f"{value:.12g}")


def _bound(kind: Kind, value: Any) -> float | str | None:
    """A minimum or maximum as it is recorded."""
    if value is None:
        return None
    if kind == "time":
        return utc_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(value)))
    return str(value) if kind == "text" else float(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, date) else str(value)


def _histogram(counted: list[dict[str, int]] | None, low: Any, high: Any, scale: float) -> Histogram | None:
    if counted is None or low is None:
        return None
    edges = _edges(float(low), float(high))
    counts = [0] * (len(edges) - 1)
    for item in counted:
        counts[item["bin"]] += item["count"]
    return Histogram(edges=[edge * scale for edge in edges], counts=counts)
