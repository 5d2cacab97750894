"""Honest features give honest scores: above the schedule alone, below what only a leak reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.features.contracting import contract_of
from core.features.records import TrainingSetResult
from core.kernel.progress import Silent
from core.project.schema import Project
from core.training.train import train


@pytest.mark.parametrize(("candidate", "low", "high"), [("logistic", 0.67, 0.75), ("boosting", 0.72, 0.78)])
def test_scores_lie_where_honest_ones_do(
    flights_project: Project,
    flights_set: tuple[Path, TrainingSetResult],
    tmp_path: Path,
    candidate: str,
    low: float,
    high: float,
) -> None:
    contract = contract_of(flights_project, flights_set[0], "1")
    chosen = flights_project.training.candidates[candidate]
    result = train(chosen, candidate, flights_set[0], contract, flights_project.training.seed, tmp_path, Silent())
    auc = {quality.split: quality.figures["roc_auc"] for quality in result.quality}
    assert low <= auc["test"] <= high
    assert low <= auc["production"] <= high
    assert result.parity.rows == 27_844
    assert result.parity.max_difference < 1e-6
