"""Properties that hold for any input, searched by hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn import metrics as sk

from core.measures import classification as c
from core.measures.calibration import calibration
from core.measures.drift import permutation_test, psi
from core.measures.intervals import auc_interval

scores = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=2, max_size=40)
counts = st.lists(st.integers(0, 50), min_size=2, max_size=12)


@given(scores)
def test_midranks_equal_scipy(values):
    assert c.midranks(np.array(values)).tolist() == rankdata(values).tolist()


@settings(deadline=None)
@given(scores, st.randoms(use_true_random=False))
def test_metrics_equal_scikit_learn_and_parts_add_up(values, random):
    s = np.array(values)
    y = np.array([random.random() < 0.5 for _ in values])
    y[0], y[-1] = True, False
    assert c.roc_auc(y, s) == pytest.approx(sk.roc_auc_score(y, s), abs=1e-9)
    assert c.average_precision(y, s) == pytest.approx(sk.average_precision_score(y, s), abs=1e-9)
    made = auc_interval(y, s)
    assert 0 <= made.low <= made.value <= made.high <= 1
    parts = calibration(y, s)
    assert sum(b.rows for b in parts.bins) == y.size
    assert parts.brier == pytest.approx(c.brier(y, s), abs=1e-12)
    best = c.confusion(y, s, c.best_threshold(y, s, cost_fn=2.0), cost_fn=2.0)
    assert best.cost <= min(row.cost for row in c.threshold_table(y, s, cost_fn=2.0)) + 1e-12


@given(counts, counts)
def test_psi_is_symmetric_and_not_negative(first, second):
    size = min(len(first), len(second))
    a, b = np.array(first[:size]), np.array(second[:size])
    assert psi(a, b) >= 0
    assert psi(a, b) == pytest.approx(psi(b, a))
    assert psi(a, a) == 0


@settings(max_examples=30, deadline=None)
@given(counts)
def test_a_window_in_the_reference_s_own_proportions_is_no_drift(shape):
    reference = np.array(shape, dtype=np.int64)
    from core.measures.drift import g_statistic, ks_statistic

    for statistic in (ks_statistic, g_statistic):
        _, p = permutation_test(reference * 10, reference, statistic, draws=99, rng=np.random.default_rng(1))
        assert p > 0.2
