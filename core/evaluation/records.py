"""The evaluation report. Cheap to import: the window and the engine read it without a frame library."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.evaluation.champion_records import ChampionComparison
from core.evaluation.error_records import ErrorCluster, InferenceCost, SeedSpread
from core.evaluation.explain_records import Explanation
from core.evaluation.facts import Fact, champion_facts, inside_facts, recalibration_facts
from core.kernel.records import Record
from core.measures.records import (
    Calibration,
    Confusion,
    Curves,
    Estimate,
    FairnessReport,
    Recalibration,
    SliceDiscovery,
    SliceResult,
)

BAND = ("low", "high")


class MonthResult(Record):
    """Quality in one calendar month (UTC) of the judged split. An undefined AUC is null.

    A month that is not ``adequate`` has too few rows: it is shown, but no fact rests on it.
    """

    month: str
    rows: int
    adequate: bool
    base_rate: float
    predicted_rate: float
    auc: Estimate | None
    brier: float
    log_loss: float
    ece: float


class ScoreHistogram(Record):
    """How scores are spread in each class, in 20 equal bins of [0, 1]."""

    edges: list[float]
    positives: list[int]
    negatives: list[int]


class EvaluationReport(Record):
    """All that is known of a model's quality on one split."""

    split: str
    rows: int
    unlabelled: int
    positives: int
    base_rate: float
    first_prediction: str
    last_prediction: str
    primary: str
    threshold: float
    threshold_source: Literal["declared", "least cost on validation"]
    cost_false_positive: float
    cost_false_negative: float
    metrics: dict[str, Estimate]
    confusion: Confusion
    thresholds: list[Confusion]
    calibration: Calibration
    curves: Curves
    scores: ScoreHistogram
    slices: list[SliceResult]
    fairness: FairnessReport | None
    stability: list[MonthResult]
    champion: ChampionComparison | None
    recalibration: list[Recalibration] = Field(default_factory=list, description="What a map of the scores would give")
    seeds: SeedSpread | None = None
    discovered: SliceDiscovery | None = None
    errors: list[ErrorCluster] = Field(default_factory=list)
    explanation: Explanation | None = None
    inference: InferenceCost | None = None
    notes: list[str] = Field(default_factory=list, description="What a reader must know before trusting a figure")

    def facts(self) -> dict[str, Fact]:
        """Flat dotted names for the gates. What is undefined is absent, so that a rule on it fails."""
        found: dict[str, Fact | None] = {
            "rows": self.rows,
            "positives": self.positives,
            "base_rate": self.base_rate,
            "unlabelled_share": self.unlabelled / max(1, self.rows + self.unlabelled),
            "threshold": self.threshold,
        }
        for name, estimate in self.metrics.items():
            found |= {f"metrics.{name}.{part}": getattr(estimate, part) for part in ("value", "low", "high")}
        found |= {f"confusion.{part}": getattr(self.confusion, part) for part in ("tp", "fp", "fn", "tn")}
        for part in ("ece", "mce", "brier", "reliability", "resolution", "uncertainty"):
            found[f"calibration.{part}"] = getattr(self.calibration, part)
        found["calibration.ece_debiased"] = self.calibration.ece_debiased
        found |= self._slice_facts() | self._fairness_facts() | self._month_facts() | champion_facts(self.champion)
        found |= recalibration_facts(self.recalibration) | inside_facts(
            self.discovered, self.explanation, self.inference, self.seeds
        )
        return {name: value for name, value in found.items() if value is not None}

    def _slice_facts(self) -> dict[str, Fact | None]:
        """Over slices of enough rows only; gaps count downwards (how much worse than the rest)."""
        adequate = [item for item in self.slices if item.adequate]
        ranked = [item for item in adequate if item.auc is not None]
        found: dict[str, Fact | None] = {
            "slices.count": len(self.slices),
            "slices.adequate": len(adequate),
            "slices.significantly_worse": sum(
                item.auc_significant and (item.auc_difference or 0.0) < 0 for item in adequate
            ),
        }
        if ranked:
            worst = min(ranked, key=lambda item: item.auc.value if item.auc else 1.0)
            found |= {
                "slices.worst_auc": worst.auc.value if worst.auc else None,
                "slices.worst_auc_low": worst.auc.low if worst.auc else None,
                "slices.worst_auc_name": worst.name,
                "slices.worst_auc_gap": max([0.0, *(-(item.auc_difference or 0.0) for item in ranked)]),
                "slices.worst_significant_auc_gap": max(
                    [0.0, *(-(item.auc_difference or 0.0) for item in ranked if item.auc_significant)]
                ),
            }
        if adequate:
            found["slices.worst_error_rate"] = max(item.error_rate for item in adequate)
            found["slices.worst_error_gap"] = max([0.0, *(item.error_difference or 0.0 for item in adequate)])
            found["slices.worst_log_loss_gap"] = max([0.0, *(item.log_loss_difference or 0.0 for item in adequate)])
        return found

    def _fairness_facts(self) -> dict[str, Fact | None]:
        made = self.fairness
        if made is None:
            return {}
        return {
            "fairness.groups": sum(group.counted for group in made.groups),
            "fairness.demographic_parity_difference": made.demographic_parity_difference,
            "fairness.demographic_parity_ratio": made.demographic_parity_ratio,
            "fairness.selection_rate_difference": made.demographic_parity_difference,
            "fairness.selection_rate_ratio": made.demographic_parity_ratio,
            "fairness.equalised_odds_difference": made.equalised_odds_difference,
            "fairness.equal_opportunity_difference": made.equal_opportunity_difference,
            "fairness.accuracy_difference": made.accuracy_difference,
            "fairness.calibration_difference": made.calibration_difference,
            **{f"fairness.{name}.{end}": getattr(band, end) for name, band in made.intervals.items() for end in BAND},
        }

    def _month_facts(self) -> dict[str, Fact | None]:
        months = [month for month in self.stability if month.adequate]
        areas = [month.auc.value for month in months if month.auc]
        found: dict[str, Fact | None] = {"stability.months": len(months)}
        if areas:
            found |= {"stability.worst_auc": min(areas), "stability.auc_range": max(areas) - min(areas)}
        if months:
            found["stability.worst_ece"] = max(month.ece for month in months)
        return found
