"""The evaluation as one self-contained page: no script, no link outward, every text escaped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from core.evaluation import charts
from core.evaluation.records import EvaluationReport
from core.measures.records import SliceResult

TEMPLATE = "evaluation.html.j2"
NAMES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "expected_cost": "Mean cost of a row",
}
GOOD_ECE, POOR_ECE = 0.02, 0.05
FOUR_FIFTHS = 0.8  # the rule of the US Uniform Guidelines (1978), the customary alarm for selection rates


@dataclass(frozen=True)
class Card:
    """One answer on the first page: its question, the figure, the words, and good, warn, bad or plain."""

    question: str
    figure: str
    words: str
    tone: str


def report_html(report: EvaluationReport, title: str) -> str:
    """The page as text. Light or dark follows the reader's system."""
    drawn = [charts.roc_chart(report), charts.calibration_chart(report), charts.cost_chart(report)]
    more = [charts.pr_chart(report), charts.score_chart(report), charts.month_chart(report), charts.slice_chart(report)]
    return str(
        _template().render(
            title=title,
            report=report,
            cards=cards(report),
            names=NAMES,
            first_charts=drawn,
            more_charts=[chart for chart in more if chart],
            slices=by_weakness(report.slices),
            width=charts.WIDTH,
            height=charts.HEIGHT,
        )
    )


def by_weakness(slices: list[SliceResult]) -> list[SliceResult]:
    """Adequate slices first, the weakest AUC on top."""
    return sorted(slices, key=lambda item: (not item.adequate, item.auc.value if item.auc else 2.0, item.name))


def cards(report: EvaluationReport) -> list[Card]:
    """What a reviewer must know to decide, in the order in which it is asked."""
    return [_quality(report), _champion(report), _calibrated(report), _weakest(report), _fair(report), _steady(report)]


def _quality(report: EvaluationReport) -> Card:
    metric = report.metrics[report.primary]
    words = f"95 % interval {metric.low:.4f} to {metric.high:.4f} ({metric.method})"
    return Card(f"How good is it? {NAMES[report.primary]}", f"{metric.value:.4f}", words, "plain")


def _champion(report: EvaluationReport) -> Card:
    question = "Better than the champion?"
    if report.champion is None:
        return Card(question, "No champion", "There is nothing to compare with yet.", "plain")
    tones = {"better": "good", "same": "warn", "worse": "bad", "not comparable": "bad"}
    verdict = report.champion.verdict
    return Card(question, verdict.capitalize(), report.champion.reason, tones[verdict])


def _calibrated(report: EvaluationReport) -> Card:
    ece = report.calibration.ece
    tone = "good" if ece <= GOOD_ECE else "warn" if ece <= POOR_ECE else "bad"
    words = f"mean gap between predicted and observed share; the worst bin is off by {report.calibration.mce:.3f}"
    return Card("Do its probabilities hold? Calibration error", f"{ece:.4f}", words, tone)


def _weakest(report: EvaluationReport) -> Card:
    question = "Where is it weakest?"
    ranked = [item for item in by_weakness(report.slices) if item.adequate and item.auc]
    if not ranked or ranked[0].auc is None:
        return Card(question, "Not sliced", "No slice has enough rows of both classes.", "warn")
    worst = ranked[0]
    below = sum(item.auc_significant and (item.auc_difference or 0.0) < 0 for item in ranked)
    words = f"ROC-AUC {ranked[0].auc.value:.4f} on {worst.rows:,} rows; {below} of {len(ranked)} slices are worse than"
    return Card(question, worst.name, f"{words} the rest beyond chance", "warn" if below else "good")


def _fair(report: EvaluationReport) -> Card:
    made = report.fairness
    if made is None or made.equalised_odds_difference is None:
        return Card("Is it even-handed?", "Not judged", "No group is declared, or no group has enough rows.", "warn")
    ratio = made.demographic_parity_ratio
    words = f"worst difference of error rates between groups of {made.feature}"
    if ratio is not None:
        words += f"; selection rates have a ratio of {ratio:.2f}"
    tone = "good" if ratio is not None and ratio >= FOUR_FIFTHS else "warn"
    return Card("Is it even-handed? Equalised odds", f"{made.equalised_odds_difference:.4f}", words, tone)


def _steady(report: EvaluationReport) -> Card:
    question = "Does it hold over time?"
    ranked = sorted((m.auc.value, m.month) for m in report.stability if m.auc and m.adequate)
    if not ranked:
        return Card(question, "Unknown", "No month has rows of both classes.", "warn")
    (worst, when), best = ranked[0], ranked[-1][0]
    words = f"range of ROC-AUC over {len(ranked)} months; the worst is {when} with {worst:.4f}"
    return Card(question, f"{best - worst:.4f}", words, "plain")


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["share"] = lambda value: "–" if value is None else f"{value:.1%}"
    environment.filters["four"] = lambda value: "–" if value is None else f"{value:.4f}"
    environment.filters["signed"] = lambda value: "–" if value is None else f"{value:+.4f}"
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["p"] = lambda value: "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
    return environment.from_string((files("resources") / "templates" / TEMPLATE).read_text(encoding="utf-8"))
