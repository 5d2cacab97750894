"""What a chart shows, as plain values: drawn as a picture and as a table from the same record."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from app.plots.decimate import Floats


@dataclass(frozen=True)
class Series:
    """One set of points. ``kind`` is ``line``, ``points``, ``bars``, ``steps``, ``floats`` (bars from y to ``y2``)
    or ``band`` (y to ``y2``).
    """

    name: str
    x: Floats
    y: Floats
    kind: str = "line"
    y2: Floats | None = None
    colour: int = 0
    dashed: bool = False
    marks: bool = False
    width: float = 0.8


@dataclass(frozen=True)
class Chart:
    """A whole chart with its words."""

    title: str
    x_title: str
    y_title: str
    series: list[Series]
    labels: list[str] = field(default_factory=list)
    y_range: tuple[float, float] | None = None
    x_range: tuple[float, float] | None = None
    diagonal: bool = False
    level: tuple[float, str] | None = None
    nothing: str = "There is nothing to draw yet"

    def frame(self) -> pl.DataFrame:
        """All points as rows: the chart for those who can't see it, and its CSV."""
        parts = []
        for one in self.series:
            x = [self.labels[int(v)] if self.labels and 0 <= int(v) < len(self.labels) else float(v) for v in one.x]
            name = self.x_title or "x"
            part = {"series": [one.name] * len(x), name: x, self.y_title or "y": one.y.tolist()}
            part["to"] = one.y2.tolist() if one.y2 is not None else [None] * len(x)
            schema = {
                "series": pl.String,
                name: pl.String if self.labels else pl.Float64,
                self.y_title or "y": pl.Float64,
                "to": pl.Float64,
            }
            parts.append(pl.DataFrame(part, schema=schema))
        whole = pl.concat(parts) if parts else pl.DataFrame({"series": []})
        return whole.drop("to") if "to" in whole.columns and whole["to"].null_count() == whole.height else whole


def floats(values: object) -> Floats:
    """Numbers as a float array (n,), missing ones as NaN."""
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)  # type: ignore[attr-defined]


def line(name: str, x: object, y: object, colour: int = 0, *, marks: bool = False, dashed: bool = False) -> Series:
    """A line through points."""
    return Series(name, floats(x), floats(y), colour=colour, marks=marks, dashed=dashed)


def band(name: str, x: object, low: object, high: object, colour: int = 0) -> Series:
    """The area between two lines."""
    return Series(name, floats(x), floats(low), "band", floats(high), colour)


def points(name: str, x: object, y: object, colour: int = 0) -> Series:
    """Points without a line."""
    return Series(name, floats(x), floats(y), "points", colour=colour)


def bar_chart(title: str, labels: list[str], values: object, x_title: str, y_title: str) -> Chart:
    """One bar a label."""
    y = floats(values)
    return Chart(title, x_title, y_title, [Series(y_title, np.arange(len(y), dtype=np.float64), y, "bars")], labels)


def histogram(title: str, edges: object, counts: object, x_title: str) -> Chart:
    """Counts (n,) between edges (n + 1,)."""
    borders = floats(edges)
    if len(borders) == 2 and borders[0] == borders[1]:  # one value only: a bar of its own
        return bar_chart(title, [f"{borders[0]:g}"], counts, x_title, "rows")
    return Chart(title, x_title, "rows", [Series("rows", borders[:-1], floats(counts), "steps", borders[1:])])


def reliability(title: str, predicted: object, observed: object) -> Chart:
    """Observed rate against mean prediction by bin; on the diagonal is calibrated (DeGroot and Fienberg, 1983)."""
    shown = line("observed", predicted, observed, marks=True)
    return Chart(title, "mean prediction", "observed rate", [shown], y_range=(0, 1), x_range=(0, 1), diagonal=True)
