"""Geometry of the report's charts: numbers in, coordinates out. The template draws them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.evaluation.records import EvaluationReport

WIDTH, HEIGHT = 320.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 12.0, 40.0
INNER_WIDTH, INNER_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Data coordinates to the chart's pixels."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return round(LEFT + (value - self.low_x) / ((self.high_x - self.low_x) or 1.0) * INNER_WIDTH, 2)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return round(TOP + (self.high_y - value) / ((self.high_y - self.low_y) or 1.0) * INNER_HEIGHT, 2)

    def line(self, points: Sequence[Point]) -> str:
        """The ``points`` attribute of a polyline."""
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: pixels and words."""

    at: float
    text: str


@dataclass
class Chart:
    """One chart: ``lines`` are (points, class), ``bars`` (x, y, width, height, class), ``dots`` (x, y, class),
    ``whiskers`` (x, y1, y2). ``summary`` says in words what it shows, for those who cannot see it.
    """

    title: str
    x_label: str
    y_label: str
    summary: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[tuple[str, str]] = field(default_factory=list)
    bars: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    dots: list[tuple[float, float, str]] = field(default_factory=list)
    whiskers: list[tuple[float, float, float]] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers that divide [low, high] into about ``wanted`` parts."""
    from math import ceil, floor, log10

    span = (high - low) or 1.0
    power = 10.0 ** floor(log10(span / wanted))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= span / wanted * 0.999)
    return [round(step * i, 12) for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def base_chart(scale: Scale, title: str, x_label: str, y_label: str, summary: str) -> Chart:
    """A chart with axes and nothing in it yet."""
    return Chart(
        title=title,
        x_label=x_label,
        y_label=y_label,
        summary=summary,
        x_ticks=[Tick(scale.x(value), f"{value:g}") for value in nice_ticks(scale.low_x, scale.high_x)],
        y_ticks=[Tick(scale.y(value), f"{value:g}") for value in nice_ticks(scale.low_y, scale.high_y)],
    )


def roc_chart(report: EvaluationReport) -> Chart:
    """ROC curve with the diagonal and the point of the threshold."""
    scale, c = Scale(0, 1, 0, 1), report.confusion
    auc = report.metrics["roc_auc"].value
    fpr, tpr = c.fp / max(1, c.fp + c.tn), c.tp / max(1, c.tp + c.fn)
    chart = base_chart(scale, "ROC", "false positive rate", "true positive rate", f"ROC curve, area {auc:.4f}.")
    chart.lines = [
        (scale.line([(0, 0), (1, 1)]), "guide"),
        (scale.line([(p.x, p.y) for p in report.curves.roc]), "main"),
    ]
    chart.dots = [(scale.x(fpr), scale.y(tpr), "mark")]
    chart.legend = [("mark", "at the threshold")]
    return chart


def pr_chart(report: EvaluationReport) -> Chart:
    """Precision over recall with the base rate."""
    scale = Scale(0, 1, 0, 1)
    value = report.metrics["average_precision"].value
    chart = base_chart(
        scale, "Precision and recall", "recall", "precision", f"PR curve, average precision {value:.4f}."
    )
    base = report.base_rate
    chart.lines = [
        (scale.line([(0, base), (1, base)]), "guide"),
        (scale.line([(p.x, p.y) for p in report.curves.pr]), "main"),
    ]
    chart.dots = [
        (scale.x(report.metrics["recall"].value), scale.y(report.metrics["precision"].value), "mark"),
    ]
    chart.legend = [("mark", "at the threshold"), ("guide", "base rate")]
    return chart


def calibration_chart(report: EvaluationReport) -> Chart:
    """Observed share over mean score, with Wilson intervals and the diagonal."""
    bins = report.calibration.bins
    top = min(1.0, max([b.high for b in bins] + [b.score for b in bins]) * 1.05)
    scale = Scale(0, top, 0, top)
    words = (
        f"Reliability in {len(bins)} bins of equal frequency, expected calibration error {report.calibration.ece:.4f}."
    )
    chart = base_chart(scale, "Calibration", "mean predicted probability", "observed share", words)
    chart.lines = [
        (scale.line([(0, 0), (top, top)]), "guide"),
        (scale.line([(b.score, b.observed) for b in bins]), "main"),
    ]
    chart.whiskers = [(scale.x(b.score), scale.y(b.low), scale.y(b.high)) for b in bins]
    chart.dots = [(scale.x(b.score), scale.y(b.observed), "dot") for b in bins]
    chart.legend = [("guide", "perfect")]
    return chart


def cost_chart(report: EvaluationReport) -> Chart:
    """Mean cost of a row over the threshold, with the chosen one."""
    rows = report.thresholds
    scale = Scale(0, 1, 0, max(row.cost for row in rows) * 1.05 or 1.0)
    words = f"Mean cost of a row by threshold; {report.confusion.cost:.4f} at the threshold {report.threshold:.3f}."
    chart = base_chart(scale, "Cost by threshold", "threshold", "mean cost of a row", words)
    chart.lines = [(scale.line([(row.threshold, row.cost) for row in rows]), "main")]
    chart.dots = [(scale.x(min(1.0, report.threshold)), scale.y(report.confusion.cost), "mark")]
    chart.legend = [("mark", "chosen threshold")]
    return chart


def score_chart(report: EvaluationReport) -> Chart:
    """Share of each class by score."""
    s = report.scores
    shares = [[count / max(1, sum(side)) for count in side] for side in (s.negatives, s.positives)]
    scale = Scale(0, 1, 0, max(max(side) for side in shares) * 1.05 or 1.0)
    chart = base_chart(
        scale, "Scores by class", "predicted probability", "share of the class", "Scores of both classes."
    )
    for side, name in zip(shares, ("negative", "positive"), strict=True):
        for low, high, share in zip(s.edges, s.edges[1:], side, strict=False):
            x, y = scale.x(low), scale.y(share)
            chart.bars.append((x, y, round(scale.x(high) - x, 2), round(scale.y(0) - y, 2), name))
    chart.legend = [("negative", "negatives"), ("positive", "positives")]
    return chart


def month_chart(report: EvaluationReport) -> Chart | None:
    """ROC-AUC by month with DeLong's interval; none for a single month."""
    months = [month for month in report.stability if month.adequate and month.auc is not None]
    if len(months) < 2:
        return None
    bands = [(m.auc.low or m.auc.value, m.auc.high or m.auc.value) for m in months if m.auc]
    low, high = min(b[0] for b in bands), max(b[1] for b in bands)
    scale = Scale(-0.5, len(months) - 0.5, low - 0.02, min(1.02, high + 0.02))
    values = [m.auc.value for m in months if m.auc]
    words = f"ROC-AUC of {len(months)} months, from {min(values):.4f} to {max(values):.4f}."
    chart = base_chart(scale, "ROC-AUC by month", "", "ROC-AUC", words)
    every = max(1, -(-len(months) // 4))
    chart.x_ticks = [Tick(scale.x(i), m.month) for i, m in enumerate(months) if i % every == 0]
    chart.lines = [(scale.line(list(enumerate(values))), "main")]
    chart.whiskers = [(scale.x(i), scale.y(b[0]), scale.y(b[1])) for i, b in enumerate(bands)]
    chart.dots = [(scale.x(i), scale.y(value), "dot") for i, value in enumerate(values)]
    return chart


def slice_chart(report: EvaluationReport, most: int = 12) -> Chart | None:
    """The weakest slices' AUC against the whole; none without slices."""
    ranked = [item for item in report.slices if item.adequate and item.auc is not None]
    ranked = sorted(ranked, key=lambda item: item.auc.value if item.auc else 1.0)[:most]
    if not ranked:
        return None
    whole = report.metrics["roc_auc"].value
    bands = [(i.auc.low or 0.0, i.auc.value, i.auc.high or 1.0) for i in ranked if i.auc]
    low, high = min(b[0] for b in bands), max(max(b[2] for b in bands), whole)
    scale = Scale(-0.5, len(ranked) - 0.5, max(0.0, low - 0.02), min(1.02, high + 0.02))
    words = f"The {len(ranked)} weakest slices by ROC-AUC; numbers refer to the rows of the table of slices."
    chart = base_chart(scale, "Weakest slices", "row of the table of slices", "ROC-AUC", words)
    chart.x_ticks = [Tick(scale.x(i), str(i + 1)) for i in range(len(ranked))]
    chart.lines = [(scale.line([(-0.5, whole), (len(ranked) - 0.5, whole)]), "guide")]
    chart.whiskers = [(scale.x(i), scale.y(b[0]), scale.y(b[2])) for i, b in enumerate(bands)]
    chart.dots = [(scale.x(i), scale.y(b[1]), "dot") for i, b in enumerate(bands)]
    chart.legend = [("guide", "all rows")]
    return chart
