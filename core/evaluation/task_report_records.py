"""The report on a label of several classes or on a number. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.evaluation.champion_records import ChampionComparison
from core.evaluation.error_records import ErrorCluster, InferenceCost, SeedSpread
from core.evaluation.explain_records import Explanation
from core.evaluation.facts import Fact, Facts, champion_facts, inside_facts
from core.kernel.records import Record
from core.measures.records import Estimate, SliceDiscovery
from core.measures.task_records import ClassDecision, ClassMatrix, ClassQuality, LossSlice, Residuals, TopLabel


class TaskMonth(Record):
    """Quality in one calendar month (UTC); one that is not ``adequate`` is shown, but no fact rests on it."""

    month: str
    rows: int
    adequate: bool
    figures: dict[str, float]


class TaskReport(Record):
    """All that is known of a model's quality on one split, where the label is not a yes or no."""

    task: Literal["multiclass", "regression"]
    split: str
    rows: int
    unlabelled: int
    unseen: int = Field(default=0, description="Rows whose label is no class that the model knows; not judged")
    first_prediction: str
    last_prediction: str
    primary: str
    metrics: dict[str, Estimate]
    classes: list[ClassQuality] = Field(default_factory=list)
    confusion: ClassMatrix | None = None
    decision: ClassDecision | None = Field(default=None, description="By evaluation.costs, of several classes")
    calibration: TopLabel | None = None
    residuals: Residuals | None = None
    slices: list[LossSlice]
    fairness_feature: str = ""
    groups: list[LossSlice] = Field(default_factory=list)
    stability: list[TaskMonth]
    champion: ChampionComparison | None
    seeds: SeedSpread | None = None
    discovered: SliceDiscovery | None = None
    errors: list[ErrorCluster] = Field(default_factory=list)
    explanation: Explanation | None = None
    inference: InferenceCost | None = None
    notes: list[str] = Field(default_factory=list)

    def facts(self) -> dict[str, Fact]:
        """Flat dotted names for the gates. What is undefined is absent, so that a rule on it fails."""
        found: Facts = {
            "rows": self.rows,
            "unlabelled_share": self.unlabelled / max(1, self.rows + self.unseen + self.unlabelled),
            "unseen_share": self.unseen / max(1, self.rows + self.unseen),
        }
        for name, estimate in self.metrics.items():
            found |= {f"metrics.{name}.{part}": getattr(estimate, part) for part in ("value", "low", "high")}
        if self.calibration is not None:
            found |= {
                "calibration.ece": self.calibration.ece,
                "calibration.classwise_ece": self.calibration.classwise_ece,
            }
        if self.classes:
            found["metrics.worst_recall.value"] = min(one.recall for one in self.classes if one.rows)
        if self.decision is not None:
            found["decision.cost"] = self.decision.cost
            found["decision.cost_most_probable"] = self.decision.cost_most_probable
            found["decision.saving"] = self.decision.saving.difference
            found["decision.saving_low"] = self.decision.saving.low
        if self.residuals is not None:
            found |= {f"residuals.{part}": getattr(self.residuals, part) for part in ("mean", "std", "skew")}
            found["residuals.heteroscedasticity"] = self.residuals.heteroscedasticity
        found |= self._slice_facts() | self._group_facts() | self._month_facts() | champion_facts(self.champion)
        found |= inside_facts(self.discovered, self.explanation, self.inference, self.seeds)
        return {name: value for name, value in found.items() if value is not None}

    def _slice_facts(self) -> Facts:
        adequate = [item for item in self.slices if item.adequate]
        found: Facts = {
            "slices.count": len(self.slices),
            "slices.adequate": len(adequate),
            "slices.significantly_worse": sum(item.significant and (item.difference or 0.0) > 0 for item in adequate),
        }
        if adequate:
            worst = max(adequate, key=lambda item: item.loss)
            found |= {"slices.worst_loss": worst.loss, "slices.worst_loss_name": worst.name}
            found["slices.worst_loss_gap"] = max(0.0, *(item.difference or 0.0 for item in adequate), 0.0)
        return found

    def _group_facts(self) -> Facts:
        counted = [item for item in self.groups if item.adequate]
        if len(counted) < 2:
            return {}
        name = "accuracy" if self.task == "multiclass" else "mae"
        figures, losses = [item.figure for item in counted], [item.loss for item in counted]
        return {
            "fairness.groups": len(counted),
            f"fairness.{name}_difference": max(figures) - min(figures),
            "fairness.loss_difference": max(losses) - min(losses),
        }

    def _month_facts(self) -> Facts:
        months = [month for month in self.stability if month.adequate]
        found: Facts = {"stability.months": len(months)}
        for name in months[0].figures if months else ():
            values = [month.figures[name] for month in months]
            found |= {f"stability.{name}_range": max(values) - min(values)}
            found |= {f"stability.{name}_lowest": min(values), f"stability.{name}_highest": max(values)}
        return found
