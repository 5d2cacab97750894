"""The profile of a snapshot: a row a column, and the shape of the chosen one, beside an earlier snapshot's if asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.pages.base import Page
from app.plots.chart import ChartView
from app.plots.series import Chart, Series, floats, histogram
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table

COLUMNS = [
    Column("column", "Column"),
    Column("type", "Type"),
    Column("missing", "Missing", fmt.number, "number"),
    Column("share", "Share", fmt.share, "number"),
    Column("distinct", "Distinct", fmt.number, "number"),
    Column("lowest", "Lowest"),
    Column("highest", "Highest"),
    Column("mean", "Mean", fmt.number, "number"),
]
SCHEMA = {
    "column": pl.String,
    "type": pl.String,
    "missing": pl.Int64,
    "share": pl.Float64,
    "distinct": pl.Int64,
    "lowest": pl.String,
    "highest": pl.String,
    "mean": pl.Float64,
}
VARIED = 60  # so many distinct values make a distribution worth a look
BARS = 12


class ProfileTab(QWidget):
    """Columns at the left, the distribution of the chosen one at the right."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._columns: list[dict[str, Any]] = []
        self._before: dict[str, dict[str, Any]] = {}
        self.table = Table("Columns of the snapshot")
        self.table.chosen.connect(self._show_column)
        self.chart = ChartView(240)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(page.split(self.table, self.chart, sizes=(2, 1)))

    def show_profile(self, profile: dict[str, Any] | None) -> None:
        """Another snapshot's profile, or that there is none."""
        self._columns = (profile or {}).get("columns") or []
        self.table.show_frame(profile_frame(profile or {}), COLUMNS, key="column")
        self._choose()
        if not self._columns:
            self.chart.show_chart(Chart("", "", "", [], nothing="This table was not profiled"))

    def compare_with(self, profile: dict[str, Any] | None) -> None:
        """Draw an earlier profile behind this one; none takes it away."""
        self._before = {column["name"]: column for column in (profile or {}).get("columns") or []}
        if self.table.current():
            self._show_column(self.table.current())

    def choose_column(self, name: str) -> None:
        """Make a column current."""
        self.table.select("column", name)

    def _choose(self) -> None:
        """Keep the column that was chosen, else the first with a distribution worth a look."""
        for column in self._columns:
            if (column.get("distinct") or 0) > VARIED and not self.table.current():
                self.table.select("column", column["name"])
        self.table.choose_first()

    def _show_column(self, row: dict[str, Any]) -> None:
        column = next((one for one in self._columns if one["name"] == row.get("column")), None)
        if column is not None:
            self.chart.show_chart(shape_of(column, self._before.get(column["name"])))


def profile_frame(profile: dict[str, Any]) -> pl.DataFrame:
    """One row a column of a table profile."""
    rows = profile.get("rows") or 0
    fields = []
    for column in profile.get("columns") or []:
        missing = column.get("nulls") or 0
        fields.append(
            {
                "column": column["name"],
                "type": column.get("type"),
                "missing": missing,
                "share": missing / rows if rows else 0.0,
                "distinct": column.get("distinct"),
                "lowest": _text(column.get("min")),
                "highest": _text(column.get("max")),
                "mean": column.get("mean"),
            }
        )
    return pl.DataFrame(fields, schema=SCHEMA)


def shape_of(column: dict[str, Any], before: dict[str, Any] | None) -> Chart:
    """Histogram or most frequent values of a column; the earlier one as a line or as second bars, in shares."""
    name, shape, top = str(column["name"]), column.get("histogram"), column.get("top") or []
    if shape and before and before.get("histogram"):
        return _two_histograms(name, shape, before["histogram"])
    if shape:
        return histogram(name, shape["edges"], shape["counts"], name)
    labels = [str(item["value"]) for item in top[:BARS]]
    bars = Series("rows", np.arange(len(labels), dtype=np.float64), floats(i["count"] for i in top[:BARS]), "bars")
    return Chart(
        f"{name}, most frequent", "value", "rows", [bars], labels, nothing="This column has no values to count"
    )


def _two_histograms(name: str, now: dict[str, Any], before: dict[str, Any]) -> Chart:
    """Densities, so that tables of different length and bins of different width compare."""
    series = []
    for title, shape, kind in (("this snapshot", now, "steps"), ("the one before", before, "line")):
        edges, counts = floats(shape["edges"]), floats(shape["counts"])
        widths = np.where(np.diff(edges) > 0, np.diff(edges), 1.0)
        density = counts / max(counts.sum(), 1.0) / widths
        if kind == "steps":
            series.append(Series(title, edges[:-1], density, "steps", edges[1:]))
        else:
            middle = (edges[:-1] + edges[1:]) / 2
            series.append(Series(title, middle, density, colour=1, width=1.6))
    return Chart(name, name, "density", series)


def _text(value: object) -> str:
    if value is None:
        return fmt.NONE
    return f"{value:g}" if isinstance(value, float) else str(value)[:19]
