"""Reliability, ECE and Murphy's parts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from core.measures.calibration import calibration


@pytest.mark.parametrize("rows", [1_000, 1_003, 20_000])
def test_bins_equal_scikit_learn(rows):
    rng = np.random.default_rng(rows)
    s = rng.beta(2, 5, rows)
    y = rng.random(rows) < s**1.3
    made = calibration(y, s)
    observed, mean = calibration_curve(y, s, n_bins=10, strategy="quantile")
    assert [b.observed for b in made.bins] == pytest.approx(observed.tolist(), abs=1e-9)
    assert [b.score for b in made.bins] == pytest.approx(mean.tolist(), abs=1e-9)
    gaps = sum(b.rows * abs(b.observed - b.score) for b in made.bins) / rows
    assert made.ece == pytest.approx(gaps, abs=1e-12)


def test_murphy_parts_add_up_and_are_exact_for_discrete_scores():
    rng = np.random.default_rng(1)
    s = rng.choice([0.1, 0.4, 0.9], 3_000)
    y = rng.random(3_000) < s
    made = calibration(y, s)
    assert len(made.bins) == 3
    assert made.within_bins == pytest.approx(0.0, abs=1e-12)
    assert made.brier == pytest.approx(made.reliability - made.resolution + made.uncertainty, abs=1e-12)


def test_perfect_and_constant_scores():
    y = np.array([True, False, True, False])
    assert calibration(y, y.astype(float)).ece == 0.0
    constant = calibration(y, np.full(4, 0.5))
    assert (constant.ece, constant.resolution, len(constant.bins)) == (0.0, 0.0, 1)
