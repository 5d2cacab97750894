"""Values of database drivers: a watermark as JSON and back, rows as columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from core.data.sources.raw import readable
from core.kernel.errors import InputError

Row = tuple[Any, ...]
_EXACT = 2**53  # JSON's numbers are exact up to here


def mark_of(value: Any) -> dict[str, Any]:
    """A watermark as JSON."""
    if isinstance(value, datetime):
        return {"type": "time", "value": value.isoformat()}
    if isinstance(value, date):
        return {"type": "date", "value": value.isoformat()}
    if isinstance(value, Decimal):
        return {"type": "decimal", "value": str(value)}
    if isinstance(value, int) and abs(value) > _EXACT:
        return {"type": "long", "value": str(value)}
    return {"type": type(value).__name__, "value": value}


def value_of(mark: Mapping[str, Any]) -> Any:
    """The watermark that :func:`mark_of` wrote; none for none."""
    if "value" not in mark:
        return None
    read: dict[str, Callable[[str], Any]] = {
        "long": int,
        "time": datetime.fromisoformat,
        "date": date.fromisoformat,
        "decimal": Decimal,
    }
    return read[mark["type"]](mark["value"]) if mark["type"] in read else mark["value"]


def table_of(names: list[str], rows: list[Row], where: str) -> pl.DataFrame:
    """Rows of a driver as columns: whole numbers, numbers, truths, times, days or texts."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    with readable(where, "a table"):
        return pl.DataFrame([_column(name, list(values), where) for name, values in zip(names, columns, strict=True)])


def _column(name: str, values: list[Any], where: str) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if Decimal in kinds:
        values = [float(value) if isinstance(value, Decimal) else value for value in values]
        kinds = kinds - {Decimal} | {float}
    if kinds <= {int}:
        return pl.Series(name, values, dtype=pl.Int64 if kinds else pl.Null)
    if kinds <= {int, float}:
        return pl.Series(name, [None if v is None else float(v) for v in values], dtype=pl.Float64)
    if kinds <= {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds <= {datetime}:
        aware = [None if v is None else (v if v.tzinfo else v.replace(tzinfo=UTC)) for v in values]
        return pl.Series(name, aware, dtype=pl.Datetime("us", "UTC"))
    if kinds <= {date}:
        return pl.Series(name, values, dtype=pl.Date)
    if kinds <= {str, int, float, bool}:
        return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
    other = ", ".join(sorted(kind.__name__ for kind in kinds - {str, int, float, bool}))
    raise InputError(
        "Some columns are not tabular",
        where=f"{where} column {name}",
        detail=f"holds {other}",
        remedy="Leave the column out, or cast it to text, a number or a time in a query.",
    )
