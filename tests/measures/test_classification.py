"""Point metrics, curves and cost against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from core.kernel.errors import InputError
from core.measures import classification as c


@pytest.fixture(params=["continuous", "tied"])
def sample(request):
    rng = np.random.default_rng(3)
    y = rng.random(2_000) < 0.24
    s = 1 / (1 + np.exp(-rng.normal(-1.2 + y, 1.0)))
    return y, np.round(s, 2) if request.param == "tied" else s


def test_equal_scikit_learn(sample):
    y, s = sample
    assert c.roc_auc(y, s) == pytest.approx(sk.roc_auc_score(y, s), abs=1e-9)
    assert c.average_precision(y, s) == pytest.approx(sk.average_precision_score(y, s), abs=1e-9)
    assert c.brier(y, s) == pytest.approx(sk.brier_score_loss(y, s), abs=1e-9)
    assert c.log_loss(y, s) == pytest.approx(sk.log_loss(y, s), abs=1e-9)


def test_log_loss_of_certain_scores_is_finite_and_equal():
    y, s = np.array([True, False, True]), np.array([1.0, 1.0, 0.4])
    assert c.log_loss(y, s) == pytest.approx(sk.log_loss(y, s), abs=1e-9)


def test_calls_equal_scikit_learn(sample):
    y, s = sample
    table, called = c.confusion(y, s, 0.4), s >= 0.4
    assert [[table.tn, table.fp], [table.fn, table.tp]] == sk.confusion_matrix(y, called).tolist()
    assert c.accuracy(table) == pytest.approx(sk.accuracy_score(y, called), abs=1e-9)
    assert c.precision(table) == pytest.approx(sk.precision_score(y, called), abs=1e-9)
    assert c.recall(table) == pytest.approx(sk.recall_score(y, called), abs=1e-9)
    assert c.f1(table) == pytest.approx(sk.f1_score(y, called), abs=1e-9)


def test_threshold_table_holds_the_confusion_at_each_threshold(sample):
    y, s = sample
    table = c.threshold_table(y, s, cost_fp=1, cost_fn=3)
    assert len(table) == 101
    for row in table[::17]:
        assert row == c.confusion(y, s, row.threshold, cost_fp=1, cost_fn=3)


def test_best_threshold_costs_no_more_than_any_other(sample):
    y, s = sample
    best = c.confusion(y, s, c.best_threshold(y, s, cost_fp=1, cost_fn=3), cost_fp=1, cost_fn=3).cost
    every = [c.confusion(y, s, t, cost_fp=1, cost_fn=3).cost for t in np.unique(s)]
    assert best == min(every)


def test_best_threshold_may_call_nobody_or_everybody():
    y, s = np.array([False, False, True]), np.array([0.2, 1.0, 0.1])
    assert not (s >= c.best_threshold(y, s, cost_fp=10, cost_fn=1)).any()
    assert (s >= c.best_threshold(y, s, cost_fp=0.1, cost_fn=100)).all()


def test_curves_are_short_and_hold_the_area(sample):
    y, s = sample
    made = c.curves(y, s)
    assert len(made.roc) <= 200
    assert len(made.pr) <= 200
    assert (made.roc[0].x, made.roc[-1].x, made.roc[-1].y) == (0.0, 1.0, 1.0)
    area = np.trapezoid([p.y for p in made.roc], [p.x for p in made.roc])
    assert area == pytest.approx(c.roc_auc(y, s), abs=2e-3)


@pytest.mark.parametrize(
    ("label", "score"),
    [([], []), ([1, 0], [0.5]), ([1.0, float("nan")], [0.1, 0.2]), ([1, 0], [0.1, float("nan")])],
)
def test_bad_input_is_refused(label, score):
    with pytest.raises(InputError):
        c.roc_auc(label, score)


def test_one_class_has_no_auc():
    with pytest.raises(InputError, match="both classes"):
        c.roc_auc([True, True], [0.1, 0.2])
