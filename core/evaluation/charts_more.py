"""More pictures of a report: gain, dependence, the trade of cost against difference, residuals."""

from __future__ import annotations

from core.evaluation.charts import Chart, Scale, Tick, base_chart
from core.evaluation.explain_records import Dependence, Explanation
from core.evaluation.records import EvaluationReport
from core.measures.records import FairTrade

SHOWN = 3


def gain_chart(report: EvaluationReport) -> Chart | None:
    """Share of the positives found by share of rows called, with the order of chance and the best order."""
    points = report.curves.gain
    if not points:
        return None
    scale, base = Scale(0, 1, 0, 1), report.base_rate
    tenth = max((p.y for p in points if p.x <= 0.1), default=0.0)
    words = f"Gain: the first tenth of the rows holds {tenth:.0%} of the positives, {tenth / 0.1:.1f} times chance."
    chart = base_chart(scale, "Gain", "share of rows called", "share of positives", words)
    chart.lines = [
        (scale.line([(0, 0), (1, 1)]), "guide"),
        (scale.line([(0, 0), (min(1.0, base), 1), (1, 1)]), "guide"),
        (scale.line([(p.x, p.y) for p in points]), "main"),
    ]
    chart.legend = [("guide", "by chance, and at best")]
    return chart


def dependence_charts(found: Explanation | None) -> list[Chart]:
    """Partial dependence of the strongest features, with single rows' own lines."""
    return [_dependence(one) for one in found.dependence[:SHOWN] if one.grid] if found else []


def _dependence(one: Dependence) -> Chart:
    at = [float(i) if isinstance(x, str) else float(x) for i, x in enumerate(one.grid)]
    lines = [one.mean, *one.rows]
    low, high = min(min(line) for line in lines), max(max(line) for line in lines)
    pad = 0.5 if one.kind == "category" else 0.0
    scale = Scale(at[0] - pad, at[-1] + pad, low, high if high > low else low + 1.0)
    words = f"Mean answer by {one.feature}, from {min(one.mean):.4g} to {max(one.mean):.4g}."
    chart = base_chart(scale, one.feature, one.feature, "answer", words)
    if one.kind == "category":
        every = max(1, -(-len(at) // 5))
        chart.x_ticks = [Tick(scale.x(x), str(one.grid[i])[:10]) for i, x in enumerate(at) if i % every == 0]
    faint = [(scale.line(list(zip(at, line, strict=True))), "faint") for line in one.rows]
    chart.lines = [*faint, (scale.line(list(zip(at, one.mean, strict=True))), "main")]
    return chart


def trade_charts(trade: FairTrade) -> list[Chart]:
    """Mean cost, as a share of today's, by the difference that is left."""
    whole = trade.today.cost or 1.0
    points = [(p.difference, 100 * p.cost / whole) for p in trade.points]
    marks = [*points, (trade.today.difference, 100 * trade.today.cost / whole)]
    top, high, low = max(x for x, _ in marks) * 1.05 or 1.0, max(y for _, y in marks), min(y for _, y in marks)
    edge = (high - low) * 0.1 or 1.0
    scale = Scale(0, top, low - edge, high + edge)
    words = f"Mean cost of a row in per cent of today's, by difference of the {trade.rate.replace('_', ' ')}."
    chart = base_chart(scale, "Cost of treating groups alike", "difference", "cost, today = 100", words)
    chart.lines = [(scale.line(sorted(points)), "main")]
    chart.dots = [(scale.x(x), scale.y(y), "dot") for x, y in points]
    chart.dots.append((scale.x(marks[-1][0]), scale.y(marks[-1][1]), "mark"))
    chart.legend = [("mark", "one threshold for all, as today")]
    return [chart]
