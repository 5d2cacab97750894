"""What the monitoring page asks, and its answers as tables."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from app.pages.base import PageModel, Then

LOWEST, HIGHEST = 0.01, 10.0  # of the drift bars: below nobody would notice, above nobody would doubt


class MonitoringModel(PageModel):
    """Windows, drift, objectives, decisions, alerts and incidents of the model in production."""

    questions = ("monitoring", "alerts", "incidents", "incident")

    def monitoring(self, then: Then) -> None:
        """All measures of the model in production; nothing before there was traffic."""
        self.ask("monitoring", then)

    def alerts(self, then: Then) -> None:
        """Alerts, the newest state of each."""
        self.ask("alerts", then)

    def incidents(self, then: Then) -> None:
        """Incidents, the newest first."""
        self.ask("incidents", then)

    def incident(self, name: str, then: Then) -> None:
        """One incident with timeline and playbook."""
        self.ask("incident", then, id=name)


def bar_length(effect: float) -> float:
    """Place of an effect on the logarithmic bar, 0 to 1."""
    held = min(max(effect, LOWEST), HIGHEST)
    return (math.log10(held) - math.log10(LOWEST)) / (math.log10(HIGHEST) - math.log10(LOWEST))


def drift_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a column, alarms first and then by effect."""
    names = {"effect": "effect", "statistic": "statistic", "p": "p", "psi": "psi", "nulls": "null_effect"}
    made = [
        {
            "state": "drifted" if one.get("alarm") else "ok",
            "column": str(one.get("column")),
            **{name: one.get(source) for name, source in names.items()},
            "reason": str(one.get("reason") or "no difference beyond chance"),
        }
        for one in rows
    ]
    schema = {
        "state": pl.String,
        "column": pl.String,
        **dict.fromkeys(names, pl.Float64),
        "reason": pl.String,
    }
    frame = pl.DataFrame(made, schema=schema, strict=False)
    return frame.sort(pl.col("state") == "drifted", pl.col("effect"), descending=True, nulls_last=True)


def slo_frame(slos: list[dict[str, Any]]) -> pl.DataFrame:
    """One row an objective: its state, what was asked and seen, and what is left of the error budget."""
    rows = []
    for one in slos:
        status = one.get("status") or {}
        rows.append(
            {
                "state": slo_state(one),
                "name": str(one.get("name")),
                "indicator": str(one.get("indicator") or ""),
                "objective": one.get("objective"),
                "observed": one.get("observed"),
                "budget_left": status.get("budget_left"),
                "good": f"{status['good']:,} of {status['total']:,}".replace(",", "\u202f") if status else "–",
            }
        )
    numbers = dict.fromkeys(("objective", "observed", "budget_left"), pl.Float64)
    words = ("state", "name", "indicator")
    return pl.DataFrame(rows, schema={**dict.fromkeys(words, pl.String), **numbers, "good": pl.String}, strict=False)


def slo_state(slo: dict[str, Any]) -> str:
    """``breached`` when somebody must be called, ``warning`` for a ticket, ``met``, or ``unknown`` without data."""
    if slo.get("page"):
        return "breached"
    met = slo.get("met")
    if met is None:
        return "unknown"
    return "breached" if not met else "warning" if slo.get("ticket") else "met"


def windows_frame(windows: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a window, the newest first."""
    fields = ("window", "n", "labels", "label_rate", "mean_probability", "positive_share", "auc", "auc_low", "auc_high")
    more = ("brier", "availability", "p99_ms")
    rows = [
        {**{name: one.get(name) for name in (*fields, *more)}, "drifted": len(one.get("drifted") or [])}
        for one in reversed(windows)
    ]
    schema = dict.fromkeys((*fields, *more), pl.Float64) | {"window": pl.String, "drifted": pl.Int64}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(("n", "labels"), pl.Int64), strict=False)


def decisions_frame(decisions: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a decision of the policy, the newest first."""
    names = ("at", "action", "on", "reason", "as_of")
    rows = [{name: str(one.get(name) or "") for name in names} for one in decisions]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))


def playbook_text(playbook: dict[str, Any] | None) -> str:
    """A playbook as numbered steps."""
    if not playbook:
        return "There is no playbook for this kind of incident."
    steps = [f"{number}. {step}" for number, step in enumerate(playbook.get("steps") or [], 1)]
    return "\n".join([str(playbook.get("title") or ""), str(playbook.get("about") or ""), "", *steps]).strip()
