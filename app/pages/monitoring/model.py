"""What the monitoring page asks."""

from __future__ import annotations

from typing import Any

import polars as pl

from app.pages.base import PageModel, Then


class MonitoringModel(PageModel):
    """Windows, drift, objectives, alerts and incidents of the model in production."""

    questions = ("monitoring", "alerts", "incidents", "incident")

    def monitoring(self, then: Then) -> None:
        """All measures of the model in production."""
        self.ask("monitoring", then)

    def alerts(self, then: Then) -> None:
        """Alerts with their state."""
        self.ask("alerts", then)

    def incidents(self, then: Then) -> None:
        """Incidents, open ones first."""
        self.ask("incidents", then)

    def incident(self, name: str, then: Then) -> None:
        """One incident with timeline and playbook."""
        self.ask("incident", then, id=name)


def table_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of plain values as a frame; nested values become text."""
    flat = [
        {
            name: ", ".join(map(str, v)) if isinstance(v, list) else v
            for name, v in one.items()
            if not isinstance(v, dict)
        }
        for one in rows
    ]
    return pl.DataFrame(flat, infer_schema_length=None, strict=False) if flat else pl.DataFrame()


def drift_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a column, alarms first and then by effect."""
    made = [
        {
            "state": "drifted" if one.get("alarm") else "ok",
            "column": str(one.get("column")),
            "statistic": str(one.get("statistic") or one.get("test") or ""),
            "effect": one.get("effect"),
            "p": one.get("p"),
        }
        for one in rows
    ]
    schema = {"state": pl.String, "column": pl.String, "statistic": pl.String, "effect": pl.Float64, "p": pl.Float64}
    frame = pl.DataFrame(made, schema=schema, strict=False)
    return frame.sort(pl.col("state") == "drifted", pl.col("effect"), descending=True, nulls_last=True)


def slo_state(slo: dict[str, Any]) -> str:
    """The state of an objective: its own word, or whether it is met."""
    if slo.get("state"):
        return str(slo["state"])
    met = slo.get("met", slo.get("ok"))
    return "unknown" if met is None else "ok" if met else "breached"
