"""Several classes and numbers against scikit-learn on its own real tables; recalibration; debiased errors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.datasets import load_diabetes, load_digits
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB

from core.kernel.errors import InputError
from core.measures import multiclass as many
from core.measures import regression as number
from core.measures.calibration import calibration
from core.measures.classification import curves, roc_auc
from core.measures.intervals import auc_interval
from core.measures.recalibration import isotonic, platt, recalibrations


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    model = GaussianNB(var_smoothing=1e-2).fit(x[:900], y[:900])
    weight = np.random.default_rng(2).gamma(2.0, size=len(y) - 900)
    return y[900:], model.predict_proba(x[900:]), weight


@pytest.fixture(scope="module")
def diabetes():
    x, y = load_diabetes(return_X_y=True)
    weight = np.random.default_rng(2).gamma(2.0, size=242)
    return y[200:], LinearRegression().fit(x[:200], y[:200]).predict(x[200:]), weight


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_ten_classes_equal_scikit_learn(digits, weighted):
    y, p, w = digits
    weight = w if weighted else None
    called, kept = p.argmax(axis=1), {"sample_weight": weight}
    expected = {
        "accuracy": sk.accuracy_score(y, called, **kept),
        "balanced_accuracy": sk.balanced_accuracy_score(y, called, **kept),
        "macro_f1": sk.f1_score(y, called, average="macro", **kept),
        "weighted_f1": sk.f1_score(y, called, average="weighted", **kept),
        "log_loss": sk.log_loss(y, p, **kept),
        "top_3_accuracy": sk.top_k_accuracy_score(y, p, k=3, **kept),
        "roc_auc": sk.roc_auc_score(y, p, multi_class="ovr", average="macro", **kept),
    }
    found = many.class_metrics(y, p, weight, times=40)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-9), name
        if found[name].method != "weighted rows":
            assert found[name].low < value < found[name].high, name
    table = many.class_confusion(y, p, [str(c) for c in range(10)], weight)
    assert np.array(table.counts) == pytest.approx(sk.confusion_matrix(y, called, **kept), abs=1e-9)


def test_each_class_against_the_rest(digits):
    y, p, w = digits
    called = p.argmax(axis=1)
    for c, item in enumerate(many.class_quality(y, p, [str(c) for c in range(10)])):
        assert item.auc.value == pytest.approx(sk.roc_auc_score(y == c, p[:, c]), abs=1e-9)
        assert item.precision == pytest.approx(sk.precision_score(y == c, called == c), abs=1e-12)
        assert item.recall == pytest.approx(sk.recall_score(y == c, called == c), abs=1e-12)
    assert many.weighted_auc(y == 3, p[:, 3], w) == pytest.approx(
        sk.roc_auc_score(y == 3, p[:, 3], sample_weight=w), abs=1e-12
    )
    auc, influence = many.auc_influence(y == 3, p[:, 3])
    one = auc_interval(y == 3, p[:, 3])
    assert auc == pytest.approx(one.value)
    assert 1.959964 * np.sqrt(influence @ influence) == pytest.approx(one.value - one.low, abs=1e-6)


def test_the_analytic_interval_of_macro_auc_covers_like_the_bootstrap(digits):
    y, p, _ = digits
    rng = np.random.default_rng(5)
    draws = [many.macro_auc(y[rows], p[rows]).value for rows in rng.integers(0, len(y), (120, len(y)))]
    made = many.macro_auc(y, p)
    assert (made.high - made.low) / 3.92 == pytest.approx(np.std(draws), rel=0.25)


def test_naive_bayes_is_overconfident_and_says_so(digits):
    y, p, _ = digits
    made = many.top_label(y, p)
    hit, top = p.argmax(axis=1) == y, p.max(axis=1)
    assert made.ece == pytest.approx(calibration(hit, top).ece)
    assert made.ece > 0.02 < abs(top.mean() - hit.mean())


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_numbers_equal_scikit_learn(diabetes, weighted):
    y, p, w = diabetes
    weight = w if weighted else None
    kept = {"sample_weight": weight}
    expected = {
        "rmse": sk.root_mean_squared_error(y, p, **kept),
        "mae": sk.mean_absolute_error(y, p, **kept),
        "r2": sk.r2_score(y, p, **kept),
        "mape": sk.mean_absolute_percentage_error(y, p, **kept),
        "pinball": sk.mean_pinball_loss(y, p, alpha=0.9, **kept),
        "bias": np.average(y - p, weights=weight),
    }
    found = number.number_metrics(y, p, weight, times=60, quantile=0.9)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-9, abs=1e-9), name
        assert found[name].low < value < found[name].high, name
    for name, one in (("rmse", number.rmse), ("mae", number.mae), ("r2", number.r2), ("mape", number.mape)):
        assert one(y, p, weight) == pytest.approx(expected[name], rel=1e-12)
    if not weighted:
        assert found["median_error"].value == pytest.approx(sk.median_absolute_error(y, p), rel=1e-12)


def test_residuals_and_what_is_not_defined(diabetes):
    y, p, _ = diabetes
    made = number.residuals(y, p)
    assert made.mean == pytest.approx((y - p).mean())
    assert sum(made.histogram.counts) == sum(b.rows for b in made.bins) == y.size
    assert all(a.prediction < b.prediction for a, b in zip(made.bins, made.bins[1:], strict=False))
    assert number.mape([0.0, 1.0], [0.5, 1.0]) is None
    assert "mape" not in number.number_metrics([0.0, 1.0, 2.0], [0.5, 1.0, 2.0], times=5)
    assert (number.r2([2.0, 2.0], [2.0, 2.0]), number.r2([2.0, 2.0], [1.0, 3.0])) == (1.0, 0.0)


def test_what_is_no_distribution_or_no_label_is_refused():
    for y, p in (([0, 1], [[0.5, 0.4], [0.5, 0.5]]), ([0, 2], [[0.5, 0.5]] * 2), ([], np.empty((0, 2)))):
        with pytest.raises(InputError):
            many.class_arrays(y, p)
    with pytest.raises(InputError):
        number.number_arrays([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(InputError):
        number.number_arrays([1.0, 2.0], [1.0, 2.0], [0.0, 0.0])


def test_debiasing_takes_off_what_chance_adds():
    """Calibrated scores in 10 bins: the plain ECE is 0.80 of a gap's spread, the debiased one 0.80 - 0.33."""
    rng, plain, debiased = np.random.default_rng(3), [], []
    for _ in range(60):
        s = rng.random(1_000)
        made = calibration(rng.random(1_000) < s, s)
        plain.append(made.ece)
        debiased.append(made.ece_debiased)
    assert np.mean(plain) > 0.025
    assert np.mean(debiased) < 0.65 * np.mean(plain)
    s = rng.random(50_000)
    off = calibration(rng.random(50_000) < np.clip(s - 0.1, 0, 1), s)
    assert off.ece_debiased == pytest.approx(off.ece, abs=2e-3)


def test_maps_equal_scikit_learns_and_mend_a_bent_score():
    rng = np.random.default_rng(4)
    truth = rng.beta(2, 3, 8_000)
    y, s = rng.random(8_000) < truth, truth**3
    fit, judge = (y[:4_000], s[:4_000]), (y[4_000:], s[4_000:])
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(s[:4_000], y[:4_000].astype(float))
    assert isotonic(*fit)(s[4_000:]) == pytest.approx(theirs.predict(s[4_000:]), abs=1e-6)
    logit = np.log(s / (1 - s))[:, None]
    model = LogisticRegression(C=1e12, tol=1e-10, max_iter=1_000).fit(logit[:4_000], y[:4_000])
    assert platt(*fit)(s[4_000:]) == pytest.approx(model.predict_proba(logit[4_000:])[:, 1], abs=1e-5)
    found = {item.method: item for item in recalibrations(fit, judge)}
    assert found["none"].ece > 0.1
    assert found["isotonic"].ece < 0.04 > found["platt"].ece
    assert found["platt"].log_loss < found["temperature"].log_loss < found["none"].log_loss


def test_gain_is_recall_by_share_called():
    rng = np.random.default_rng(6)
    y = rng.random(3_000) < 0.2
    s = rng.random(3_000) * 0.5 + y * 0.3
    made = curves(y, s).gain
    assert (made[0].x, made[0].y, made[-1].x, made[-1].y) == (0.0, 0.0, 1.0, 1.0)
    for point in made[1::20]:
        called = s >= point.threshold
        assert (point.x, point.y) == pytest.approx((called.mean(), called[y].mean()))
    area = np.trapezoid([p.y for p in made], [p.x for p in made])
    assert (area - y.mean() / 2) / (1 - y.mean()) == pytest.approx(roc_auc(y, s), abs=2e-3)
