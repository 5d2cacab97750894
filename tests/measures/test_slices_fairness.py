"""Slices against masks, their false discoveries, and fairness against Fairlearn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import fairlearn.metrics as fl
import numpy as np
import polars as pl
import pytest
from scipy.stats import false_discovery_control
from sklearn.metrics import log_loss, roc_auc_score

from core.kernel.errors import InputError
from core.measures.fair_thresholds import fair_trade
from core.measures.fairness import fairness
from core.measures.intervals import auc_interval
from core.measures.slices import benjamini_hochberg, slice_metrics


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(8)
    n = 12_000
    carrier = rng.choice(["AA", "B6", "OO", "UA"], n, p=[0.4, 0.3, 0.01, 0.29])
    origin = rng.choice(["EWR", "JFK"], n)
    y = rng.random(n) < 0.25
    signal = np.where(carrier == "B6", 0.1, 1.0)
    s = np.round(1 / (1 + np.exp(-rng.normal(y * signal - 1, 1.0))), 3)
    return pl.DataFrame(
        {"label": y, "probability": s, "carrier": carrier, "origin": origin, "distance": rng.gamma(2, 500, n)}
    ).with_columns(origin=pl.when(pl.int_range(pl.len()) % 50 == 0).then(None).otherwise("origin"))


def test_each_slice_equals_the_figures_of_its_mask(frame):
    y, s = frame["label"].to_numpy(), frame["probability"].to_numpy()
    for item in slice_metrics(frame, [["carrier"], ["carrier", "origin"]], threshold=0.4):
        mask = np.ones(frame.height, dtype=bool)
        for name, value in zip(item.features, item.values, strict=True):
            mask &= (frame[name].fill_null("(null)") == value).to_numpy()
        assert item.rows == mask.sum()
        assert item.error_rate == pytest.approx(((s >= 0.4) != y)[mask].mean(), abs=1e-12)
        assert item.log_loss == pytest.approx(log_loss(y[mask], s[mask], labels=[False, True]), abs=1e-9)
        if item.auc is None:
            assert y[mask].all() or not y[mask].any()
            continue
        assert item.auc.value == pytest.approx(roc_auc_score(y[mask], s[mask]), abs=1e-9)
        assert item.auc.low == pytest.approx(auc_interval(y[mask], s[mask]).low, abs=1e-9)
        rest = roc_auc_score(y[~mask], s[~mask])
        assert item.auc_difference == pytest.approx(item.auc.value - rest, abs=1e-9)
        assert item.adequate == (item.rows >= 200)


def test_the_weak_slice_is_found_and_the_small_one_not_tested(frame):
    found = {item.name: item for item in slice_metrics(frame, [["carrier"], ["origin"]], threshold=0.4)}
    assert found["carrier=B6"].auc_significant
    assert found["carrier=B6"].auc_difference < -0.15
    assert found["carrier=OO"].auc_p is None
    assert not found["origin=JFK"].auc_significant
    assert "origin=(null)" in found


def test_p_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(1)
    ps = []
    for _ in range(150):
        y = rng.random(900) < 0.3
        made = pl.DataFrame(
            {"label": y, "probability": rng.normal(y * 0.7, 1.0), "g": rng.choice(["a", "b", "c"], 900)}
        )
        made = made.with_columns(probability=1 / (1 + (-pl.col("probability")).exp()))
        ps.append(slice_metrics(made, [["g"]], threshold=0.5)[0].auc_p)
    assert 0.01 <= np.mean(np.array(ps) < 0.05) <= 0.1


def test_numbers_are_cut_at_quartiles(frame):
    found = slice_metrics(frame, [["distance"]], threshold=0.4)
    assert [item.rows for item in found] == [3_000] * 4


def test_unknown_features_are_all_named(frame):
    with pytest.raises(InputError) as caught:
        slice_metrics(frame, [["nope"], ["origin", "neither"]], threshold=0.5)
    assert len(caught.value.problems) == 2


def test_benjamini_hochberg_equals_scipy():
    p = [0.001, 0.2, 0.04, 0.03, 0.9, 0.01]
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p).tolist(), abs=1e-12)
    assert benjamini_hochberg([]) == []


def wages():
    """Who earns more than 105,000 (ISLP's Wage), scored by the share in their education and class of job; and race."""
    spec = find_spec("ISLP")
    assert spec is not None
    raw = pl.read_csv(Path(next(iter(spec.submodule_search_locations))) / "data" / "Wage.csv")
    earns = pl.col("wage") > 105
    made = raw.select(
        earns.alias("y"), earns.mean().over("education", "jobclass").alias("s"), pl.col("race").alias("g")
    )
    return made["y"].to_numpy(), made["s"].to_numpy(), made["g"].to_numpy()


def test_fairness_equals_fairlearn():
    y, s, g = wages()
    called = s >= 0.4
    made = fairness(y, s, g, threshold=0.4, feature="race")
    args = {"sensitive_features": g}
    assert made.demographic_parity_difference == pytest.approx(
        fl.demographic_parity_difference(y, called, **args), abs=1e-9
    )
    assert made.demographic_parity_ratio == pytest.approx(fl.demographic_parity_ratio(y, called, **args), abs=1e-9)
    assert made.equalised_odds_difference == pytest.approx(fl.equalized_odds_difference(y, called, **args), abs=1e-9)
    assert made.equal_opportunity_difference == pytest.approx(
        fl.equal_opportunity_difference(y, called, **args), abs=1e-9
    )
    by_group = fl.MetricFrame(
        metrics={
            "sel": fl.selection_rate,
            "tpr": fl.true_positive_rate,
            "fpr": fl.false_positive_rate,
        },
        y_true=y,
        y_pred=called,
        sensitive_features=g,
    ).by_group
    for item in made.groups:
        row = by_group.loc[item.group]
        assert (item.selection_rate, item.tpr, item.fpr) == pytest.approx((row.sel, row.tpr, row.fpr), abs=1e-9)


def test_small_groups_are_listed_but_do_not_count(frame):
    y, s, g = frame["label"].to_numpy(), frame["probability"].to_numpy(), frame["carrier"].to_numpy()
    made = fairness(y, s, g, threshold=0.4, min_rows=500)
    assert [item.group for item in made.groups if not item.counted] == ["OO"]
    big = g != "OO"
    without = fl.equalized_odds_difference(y[big], s[big] >= 0.4, sensitive_features=g[big])
    assert made.equalised_odds_difference == pytest.approx(without, abs=1e-9)


def test_intervals_of_differences_cover_them(frame):
    y, s, g = frame["label"].to_numpy(), frame["probability"].to_numpy(), frame["carrier"].to_numpy()
    made = fairness(y, s, g, threshold=0.4, min_rows=500)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(60):
        rows = rng.integers(0, y.size, y.size)
        drawn.append(fairness(y[rows], s[rows], g[rows], threshold=0.4, min_rows=500).equal_opportunity_difference)
    band = made.intervals["equal_opportunity_difference"]
    assert band.low <= made.equal_opportunity_difference <= band.high
    assert (band.high - band.low) / 3.92 == pytest.approx(np.std(drawn), rel=0.3)


@pytest.mark.parametrize("rate", ["selection_rate", "tpr"])
def test_thresholds_by_group_trade_cost_for_difference(frame, rate):
    y, s, g = frame["label"].to_numpy(), frame["probability"].to_numpy(), frame["carrier"].to_numpy()
    rows = (y, s, g)
    made = fair_trade(rows, rows, rate=rate, threshold=0.4, cost_fn=3.0, min_rows=500)
    costs = [point.cost for point in made.points]
    assert costs == sorted(costs, reverse=True)  # on the rows that they were chosen on, more freedom never costs
    for point in made.points:
        assert point.difference <= point.allowed + 0.01
    called = s >= np.array([made.points[0].thresholds.get(name, 0.4) for name in g])
    kept = np.isin(g, list(made.points[0].thresholds))
    assert made.points[0].accuracy == pytest.approx((called == y)[kept].mean())
    best = sum(
        min(((s[r] >= t) & ~y[r]).sum() + 3.0 * ((s[r] < t) & y[r]).sum() for t in np.unique(s[r]))
        for r in (g == name for name in made.points[0].thresholds)
    )
    assert made.points[-1].cost * kept.sum() >= best - 1e-9
    assert fair_trade((y, s, np.full(y.size, "one")), rows, rate=rate, threshold=0.4) is None
