"""How a column is shown: its heading, alignment, width and text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from app.tables import format as fmt

Text = Callable[[Any], str]
Length = Callable[[Any], float]


@dataclass(frozen=True)
class Column:
    """One visible column; ``kind`` is ``text``, ``number``, ``badge``, ``time``, ``mono`` or ``bar``.

    A ``bar`` column needs ``length``: the value's place from 0 to 1, and ``mark``: the place of its limit.
    """

    name: str
    title: str
    text: Text = fmt.anything
    kind: str = "text"
    width: int = 0
    length: Length | None = None
    mark: float | None = None

    @property
    def right(self) -> bool:
        """Numbers stand at the right edge so that digits line up."""
        return self.kind == "number"


_BY_NAME: dict[str, tuple[Text, str]] = {
    "bytes": (fmt.size, "number"),
    "seconds": (fmt.seconds, "number"),
    "digest": (fmt.short, "mono"),
    "hash": (fmt.short, "mono"),
    "package_digest": (fmt.short, "mono"),
    "state": (fmt.anything, "badge"),
    "outcome": (fmt.anything, "badge"),
    "status": (fmt.anything, "badge"),
    "roc_auc": (fmt.score, "number"),
    "brier": (fmt.score, "number"),
    "severity": (fmt.anything, "badge"),
}


def column_for(name: str, dtype: pl.DataType, title: str = "") -> Column:
    """The usual look of a column by its name and type."""
    heading = title or name.replace("_", " ").capitalize()
    if name in _BY_NAME:
        text, kind = _BY_NAME[name]
        return Column(name, heading, text, kind)
    if name.endswith("_at") or dtype.is_temporal():
        return Column(name, heading, fmt.when, "time")
    if dtype.is_numeric():
        return Column(name, heading, fmt.number, "number")
    return Column(name, heading)


def columns_for(frame: pl.DataFrame, wanted: dict[str, str] | None = None) -> list[Column]:
    """Columns of a frame in order, or the wanted ones (name to heading) that it has."""
    names = list(wanted) if wanted else frame.columns
    return [
        column_for(name, frame.schema[name], (wanted or {}).get(name, "")) for name in names if name in frame.columns
    ]
