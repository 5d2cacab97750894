"""The checks of a snapshot: the verdicts, and for the chosen one its history and the rows that failed."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from app.pages.base import Page
from app.plots.chart import ChartView
from app.plots.series import Chart, line
from app.tables import format as fmt
from app.tables.columns import Column
from app.tables.view import Table
from app.widgets.figure import KeyValueGrid
from app.widgets.layout import column

CHECKS = [
    Column("state", "State", kind="badge"),
    Column("check", "Check"),
    Column("failing", "Rows failing", fmt.number, "number"),
    Column("share", "Share", fmt.share, "number"),
]
SCHEMA = {
    "state": pl.String,
    "check": pl.String,
    "about": pl.String,
    "failing": pl.Int64,
    "share": pl.Float64,
    "observed": pl.String,
    "expected": pl.String,
}
WORST_FIRST = ("failed", "warned", "skipped", "passed")


class ChecksTab(QWidget):
    """Verdicts at the left; history and failing rows of the chosen check at the right."""

    history_wanted = Signal(str)

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._results: dict[str, dict[str, Any]] = {}
        self.table = Table("Checks of the snapshot")
        self.table.chosen.connect(self._choose)
        self.history = ChartView(200)
        self.rows = Table("Failing rows of the check")
        self.facts = KeyValueGrid()
        self.right = QTabWidget()
        self.right.setObjectName("inner")
        self.right.addTab(self.history, "History")
        self.right.addTab(self.rows, "Failing rows")
        side = QWidget()
        side.setLayout(column(8, self.facts, self.right))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(page.split(self.table, side, sizes=(1, 1)))

    def show_report(self, validation: dict[str, Any] | None) -> int:
        """Another snapshot's verdicts; returns how many there are."""
        results = (validation or {}).get("results") or []
        self._results = {str(one["name"]): one for one in results}
        frame = checks_frame(validation or {})
        self.table.show_frame(frame, CHECKS, key="check")
        self.table.choose_first()
        if frame.is_empty():
            self.history.show_chart(Chart("", "", "", [], nothing="This snapshot was not checked"))
            self.rows.show_frame(pl.DataFrame())
        return frame.height

    def show_history(self, frame: pl.DataFrame) -> None:
        """The chosen check over the snapshots of the table."""
        name = str(self.table.current().get("check", ""))
        self.history.show_chart(history_chart(name, frame))

    def _choose(self, row: dict[str, Any]) -> None:
        name = str(row["check"])
        self.facts.show_pairs([("On", row["about"]), ("Expected", row["expected"]), ("Observed", row["observed"])])
        examples = examples_frame(self._results.get(name) or {})
        self.rows.show_frame(examples)
        self.right.setTabText(1, f"Failing rows ({examples.height})" if examples.height else "Failing rows")
        self.history_wanted.emit(name)


def checks_frame(validation: dict[str, Any]) -> pl.DataFrame:
    """One row a check of a validation report, failures first."""
    rows = []
    for item in validation.get("results") or []:
        state = "passed" if item["passed"] else "warned" if item.get("severity") == "warn" else "failed"
        count, looked_at = item.get("failed"), item.get("rows") or 0
        rows.append(
            {
                "state": "skipped" if item.get("skipped") else state,
                "check": str(item["name"]),
                "about": ", ".join(item.get("columns") or []) or "table",
                "failing": count,
                "share": count / looked_at if count is not None and looked_at else None,
                "observed": str(item.get("observed") or ""),
                "expected": str(item.get("expected") or ""),
            }
        )
    rows.sort(key=lambda one: WORST_FIRST.index(str(one["state"])))
    return pl.DataFrame(rows, schema=SCHEMA)


def examples_frame(result: dict[str, Any]) -> pl.DataFrame:
    """The failing rows that were kept: the row's key, then the values that were looked at."""
    rows = []
    for one in result.get("examples") or []:
        cells = {**(one.get("key") or {}), **(one.get("values") or {})}
        rows.append({"row": int(one["row"]), **{name: fmt.anything(value) for name, value in cells.items()}})
    return pl.DataFrame(rows, infer_schema_length=None)


def history_chart(name: str, frame: pl.DataFrame) -> Chart:
    """What a check saw on each snapshot: its own value with its bounds, or the share of rows that failed."""
    if frame.height < 2:
        return Chart(name, "", "", [], nothing="Only one snapshot was checked so far: a history needs two")
    frame = frame.sort("created_at")
    labels = moments(frame["created_at"].to_list())
    places = list(range(frame.height))
    value = frame["value"] if "value" in frame.columns else None
    if value is not None and value.null_count() < frame.height:
        series = [line("observed", places, value.to_list(), marks=True)]
        for bound in ("low", "high"):
            if bound in frame.columns and frame[bound].null_count() < frame.height:
                series.append(line(bound, places, frame[bound].to_list(), 1, dashed=True))
        return Chart(name, "", "observed", series, labels)
    shares = [100 * float(one or 0.0) for one in frame["share"].to_list()]
    return Chart(name, "", "rows failing, %", [line("failing", places, shares, marks=True)], labels)


def moments(times: list[Any]) -> list[str]:
    """Times as short labels: of one day by the clock to the second, else by date and minute (UTC)."""
    texts = [fmt.when(value, seconds=True) for value in times]
    one_day = len({text[:10] for text in texts}) == 1
    return [text[11:] if one_day else text[5:16] for text in texts]
