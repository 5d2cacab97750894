"""Service level objectives over the log: what is good, over which windows, and whether the budget burns."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from core.kernel.durations import span
from core.measures.records import Estimate
from core.measures.slo import ALERT_RULES, slo_status
from core.monitoring.records import SloResult
from core.monitoring.windows import in_window
from core.project.schema import Slo


def slo_results(
    log: pl.DataFrame, slos: dict[str, Slo], end: datetime, auc: Estimate | None, server_errors: int = 0
) -> list[SloResult]:
    """Every objective at ``end``: shares over its own window ending there, quality on the report's window."""
    return [
        _quality(name, slo, auc) if slo.indicator == "quality" else _share(name, slo, log, end, server_errors)
        for name, slo in sorted(slos.items())
    ]


def _quality(name: str, slo: Slo, auc: Estimate | None) -> SloResult:
    """A floor of ROC-AUC. It is broken for certain (and tells somebody) when the whole interval is below."""
    met = auc.value >= slo.objective if auc else None
    certain = auc is not None and auc.high is not None and auc.high < slo.objective
    return SloResult(
        name=name,
        indicator="quality",
        objective=slo.objective,
        observed=auc.value if auc else None,
        met=met,
        ticket=certain,
    )


def _share(name: str, slo: Slo, log: pl.DataFrame, end: datetime, server_errors: int) -> SloResult:
    marked = log.select("event_time", _good(slo).alias("good"))
    good, total = _count(marked, end, span(slo.window))
    lost = server_errors if slo.indicator == "availability" else 0
    spans = {text for long, short, _, _ in ALERT_RULES for text in (long, short)}
    burning = {text: _count(marked, end, span(text)) for text in sorted(spans) if span(text) <= span(slo.window)}
    status = slo_status(good, total + lost, slo.objective, burning)
    return SloResult(
        name=name,
        indicator=slo.indicator,
        objective=slo.objective,
        observed=status.attainment,
        met=status.met,
        status=status,
        page=status.page,
        ticket=status.ticket,
    )


def _good(slo: Slo) -> pl.Expr:
    """Which rows are good events; null where the objective does not speak of them."""
    status = pl.col("status")
    if slo.indicator == "latency":
        limit = slo.threshold_ms if slo.threshold_ms is not None else 50.0
        return pl.when(status.is_in(["ok", "fallback"])).then(pl.col("latency_ms") <= limit)
    if slo.indicator == "valid":
        return status == "ok"
    return status != "error"


def _count(marked: pl.DataFrame, end: datetime, span: timedelta) -> tuple[int, int]:
    inside = in_window(marked, end - span, end)["good"].drop_nulls()
    return int(inside.sum()), len(inside)
