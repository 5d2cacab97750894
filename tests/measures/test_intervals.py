"""DeLong against a direct computation over all pairs, coverage, McNemar by hand, bootstrap sanity."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import binom

from core.measures import classification as c
from core.measures import intervals as i


def pairs_matrix(y, s):
    """The Mann-Whitney kernel over all (positive, negative) pairs: the 1988 definition itself."""
    a, b = s[y][:, None], s[~y][None, :]
    return (a > b) + 0.5 * (a == b)


@pytest.fixture
def two_models():
    rng = np.random.default_rng(11)
    y = rng.random(300) < 0.3
    base = rng.normal(y * 0.8, 1.0)
    return y, np.round(base, 1), np.round(base + rng.normal(0, 0.8, y.size), 1)


def test_delong_interval_equals_the_definition(two_models):
    y, s, _ = two_models
    kernel = pairs_matrix(y, s)
    m, n = kernel.shape
    variance = kernel.mean(1).var(ddof=1) / m + kernel.mean(0).var(ddof=1) / n
    made = i.auc_interval(y, s)
    assert made.value == pytest.approx(kernel.mean(), abs=1e-12)
    assert made.high - made.value == pytest.approx(1.959963984540054 * np.sqrt(variance), abs=1e-12)


def test_delong_of_a_tiny_example_by_hand():
    # positives 0.8 0.4, negatives 0.6 0.2: kernel [[1, 1], [0, 1]], AUC 3/4,
    # V10 = (1, 1/2), V01 = (1/2, 1): both variances 1/8, so var = 1/16 + 1/16
    y, s = np.array([1, 1, 0, 0]), np.array([0.8, 0.4, 0.6, 0.2])
    made = i.auc_interval(y, s, confidence=0.5)
    assert made.value == 0.75
    assert made.value - made.low == pytest.approx(0.6744897501960817 * np.sqrt(1 / 8), abs=1e-12)


def test_paired_delong_equals_the_covariance_definition(two_models):
    y, s, t = two_models
    a, b = pairs_matrix(y, s), pairs_matrix(y, t)
    m, n = a.shape
    s10 = np.cov(a.mean(1), b.mean(1)) / m
    s01 = np.cov(a.mean(0), b.mean(0)) / n
    contrast = np.array([1.0, -1.0])
    error = np.sqrt(contrast @ (s10 + s01) @ contrast)
    made = i.paired_auc_test(y, s, t)
    assert made.difference == pytest.approx(a.mean() - b.mean(), abs=1e-12)
    assert (made.high - made.low) / 2 == pytest.approx(1.959963984540054 * error, abs=1e-12)


def test_delong_covers_the_truth():
    rng = np.random.default_rng(5)
    truth, hits = 0.7602499389065233, 0  # Phi(1 / sqrt 2)
    for _ in range(300):
        y = np.arange(200) < 60
        made = i.auc_interval(y, rng.normal(y * 1.0, 1.0))
        hits += made.low <= truth <= made.high
    assert 0.91 <= hits / 300 <= 0.98


def test_paired_test_of_equal_scores_finds_nothing(two_models):
    y, s, _ = two_models
    made = i.paired_auc_test(y, s, s)
    assert (made.difference, made.p_value) == (0.0, 1.0)


def test_mcnemar_is_the_exact_binomial():
    # 30 rows both right, 10 only first right, 2 only second right, 8 both wrong
    y = np.ones(50, dtype=bool)
    first = np.r_[np.ones(40), np.zeros(10)].astype(bool)
    second = np.r_[np.ones(30), np.zeros(10), np.ones(2), np.zeros(8)].astype(bool)
    made = i.mcnemar(y, first, second)
    assert made.difference == pytest.approx(8 / 50)
    assert made.p_value == pytest.approx(2 * binom.cdf(2, 12, 0.5), abs=1e-12)


def test_bootstrap_replicates_equal_the_metrics_of_the_resampled_rows():
    rng = np.random.default_rng(2)
    y, s = rng.random(400) < 0.3, np.round(rng.random(400), 2)
    weights = next(i.resample_weights(400, 3, seed=1))
    made = i.Resampler(y, s).replicates(weights)
    for k in range(3):
        rows = np.repeat(np.arange(400), weights[k].astype(int))
        assert made["average_precision"][k] == pytest.approx(c.average_precision(y[rows], s[rows]), abs=1e-9)
        assert made["brier"][k] == pytest.approx(c.brier(y[rows], s[rows]), abs=1e-9)
        assert made["log_loss"][k] == pytest.approx(c.log_loss(y[rows], s[rows]), abs=1e-9)


def test_bootstrap_is_seeded_and_fast():
    rng = np.random.default_rng(2)
    y, s = rng.random(28_000) < 0.3, rng.random(28_000)
    started = time.process_time()
    first = i.bootstrap(y, s, 0.5, times=200, seed=4)
    assert time.process_time() - started < 5
    assert first == i.bootstrap(y, s, 0.5, times=200, seed=4)
    assert first["brier"][0] < c.brier(y, s) < first["brier"][1]


def test_paired_bootstrap_sees_a_better_model():
    rng = np.random.default_rng(6)
    y = rng.random(2_000) < 0.3
    good, poor = np.clip(0.3 + 0.3 * (y - 0.3), 0, 1), np.full(2_000, 0.3)
    made = i.paired_bootstrap(y, good, poor)["brier"]
    assert made.high < 0
    assert made.p_value < 0.02


def test_wilson_by_the_textbook():
    assert i.wilson(10, 100) == pytest.approx((0.05522914, 0.17436566), abs=1e-7)
    assert i.wilson(0, 0) == (0.0, 1.0)


# Turck et al. (2010), 113 patients after a subarachnoid haemorrhage: outcome good or poor, WFNS grade, serum S100B.
ASAH = """
G1.13 G1.14 G1.1 G1.04 P3.13 P2.1 G5.47 P4.16 G1.18 G2.1 P5.12 G2.1 P5.44 P5.71 G1.04 G2.08 P5.49 G2.04 P2.07 P5.33
P2.09 G1.09 P1.07 G1.11 G1.07 G2.17 G1.07 G2.11 G1.13 G1.19 G3.05 G4.16 P2.41 G1.14 G4.34 P5.35 P4.48 G1.09 P4.96 P2.25
G5.5 G5.46 G1.16 G1.07 G2.43 G4.45 G1.11 G1.08 G2.09 P5.86 P5.52 G2.08 G1.06 G2.13 P5+2.07 G1.1 G2.14 G2.15 P2.07 G1.06
P5.77 G1.05 G1.09 P2.3 P5.03 P2.09 G1.04 P4.23 P5.7 G2.09 P4.27 P4.71 P1.08 P4.26 G1.08 G2.16 G1.09 P4.13 P2.1 G1.08
P2.11 G3.33 G2.11 G4.28 G2.07 G1.1 G4.32 P5.22 G1.07 G1.05 G5.24 G4.38 G2.1 G2.15 G1.08 G1.14 G1.1 G3.07 G1.04 G2.19
P5.56 P2.14 P2.58 P5.32 P5.82 P5.74 G2.15 G4.47 G4.17 P5.44 G1.15 G1.5 G1.48
"""


def test_delongs_test_equals_the_published_example():
    """Robin et al. (2011), the paper of R's pROC, and its manual: AUC 0.8236789 and 0.7313686, Z 2.209, p 0.02718."""
    rows = ASAH.split()
    y = [row[0] == "P" for row in rows]
    wfns, s100b = [int(row[1]) for row in rows], [float(row[2:]) for row in rows]
    made = i.paired_auc_test(y, wfns, s100b)
    assert len(rows) == 113
    assert (made.first, made.second) == pytest.approx((0.8236789, 0.7313686), abs=5e-8)
    assert made.p_value == pytest.approx(0.02718, abs=5e-6)
    assert made.difference / ((made.high - made.low) / (2 * 1.959964)) == pytest.approx(2.209, abs=5e-4)
