"""Pictures of the report on several classes or on a number."""

from __future__ import annotations

from core.evaluation.charts import Chart, Scale, base_chart
from core.evaluation.task_report_records import TaskReport


def task_charts(report: TaskReport) -> list[Chart]:
    """What belongs on the first page."""
    if report.task == "multiclass":
        return [chart for chart in (reliability_chart(report), class_chart(report)) if chart]
    return [chart for chart in (agreement_chart(report), residual_chart(report), spread_chart(report)) if chart]


def reliability_chart(report: TaskReport) -> Chart | None:
    """Is the called class right as often as its probability says."""
    if report.calibration is None:
        return None
    bins, scale = report.calibration.bins, Scale(0, 1, 0, 1)
    words = f"Reliability of the called class, calibration error {report.calibration.ece:.4f}."
    chart = base_chart(scale, "Calibration of the called class", "mean probability", "share right", words)
    chart.lines = [(scale.line([(0, 0), (1, 1)]), "guide"), (scale.line([(b.score, b.observed) for b in bins]), "main")]
    chart.whiskers = [(scale.x(b.score), scale.y(b.low), scale.y(b.high)) for b in bins]
    chart.dots = [(scale.x(b.score), scale.y(b.observed), "dot") for b in bins]
    chart.legend = [("guide", "perfect")]
    return chart


def class_chart(report: TaskReport) -> Chart | None:
    """Recall of each class by its number of rows' rank."""
    classes = [one for one in report.classes if one.rows]
    if not classes:
        return None
    scale = Scale(-0.5, len(classes) - 0.5, 0, 1)
    worst = min(classes, key=lambda one: one.recall)
    words = f"Recall of {len(classes)} classes, the lowest {worst.recall:.3f} ({worst.name})."
    chart = base_chart(scale, "Recall by class", "class, in the order of the table", "recall", words)
    for i, one in enumerate(classes):
        left, right, top = scale.x(i - 0.4), scale.x(i + 0.4), scale.y(one.recall)
        chart.bars.append((left, top, round(right - left, 2), round(scale.y(0) - top, 2), "negative"))
    chart.x_ticks = []
    return chart


def agreement_chart(report: TaskReport) -> Chart | None:
    """Mean label by mean prediction, in bins of equal rows."""
    if report.residuals is None:
        return None
    bins = report.residuals.bins
    ends = [value for b in bins for value in (b.prediction, b.label)]
    low, high = min(ends), max(ends)
    scale = Scale(low, high, low, high)
    words = f"Mean label by mean prediction in {len(bins)} bins of equal rows."
    chart = base_chart(scale, "Label by prediction", "mean prediction", "mean label", words)
    chart.lines = [
        (scale.line([(low, low), (high, high)]), "guide"),
        (scale.line([(b.prediction, b.label) for b in bins]), "main"),
    ]
    chart.dots = [(scale.x(b.prediction), scale.y(b.label), "dot") for b in bins]
    chart.legend = [("guide", "perfect")]
    return chart


def residual_chart(report: TaskReport) -> Chart | None:
    """How residuals spread along the prediction: mean, and the middle 80 %."""
    if report.residuals is None:
        return None
    bins = report.residuals.bins
    low, high = min(b.low for b in bins), max(b.high for b in bins)
    scale = Scale(bins[0].prediction, bins[-1].prediction, low, high if high > low else low + 1)
    words = "Residuals by prediction: mean and the middle 80 %."
    chart = base_chart(scale, "Residuals by prediction", "mean prediction", "label − prediction", words)
    chart.lines = [
        (scale.line([(bins[0].prediction, 0), (bins[-1].prediction, 0)]), "guide"),
        (scale.line([(b.prediction, b.residual) for b in bins]), "main"),
    ]
    chart.whiskers = [(scale.x(b.prediction), scale.y(b.low), scale.y(b.high)) for b in bins]
    chart.dots = [(scale.x(b.prediction), scale.y(b.residual), "dot") for b in bins]
    return chart


def spread_chart(report: TaskReport) -> Chart | None:
    """Histogram of the residuals; the outermost half per cent on each side is drawn in the last bin."""
    if report.residuals is None:
        return None
    made = report.residuals.histogram
    scale = Scale(made.edges[0], made.edges[-1], 0, max(made.counts) * 1.05 or 1.0)
    words = f"Residuals: mean {report.residuals.mean:.4g}, standard deviation {report.residuals.std:.4g}."
    chart = base_chart(scale, "Residuals", "label − prediction", "rows", words)
    for left, right, count in zip(made.edges, made.edges[1:], made.counts, strict=False):
        x, y = scale.x(left), scale.y(count)
        chart.bars.append((x, y, round(scale.x(right) - x, 2), round(scale.y(0) - y, 2), "negative"))
    return chart


def quantile_chart(report: TaskReport) -> Chart | None:
    """Quantiles of the residuals against those of a normal of the same spread."""
    if report.residuals is None:
        return None
    points = report.residuals.normal
    ends = [value for pair in points for value in pair]
    low, high = min(ends), max(ends)
    scale = Scale(low, high if high > low else low + 1, low, high if high > low else low + 1)
    chart = base_chart(
        scale, "Residuals against a normal", "normal", "residual", "Quantile-quantile plot of residuals."
    )
    chart.lines = [(scale.line([(low, low), (high, high)]), "guide"), (scale.line(points), "main")]
    return chart
