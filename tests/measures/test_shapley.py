"""Shapley values against the ``shap`` package 0.51.0, whose answers are kept in ``expected/shap_values.npz``.

Made in an environment of its own (shap brings numba and pandas) from scikit-learn 1.9.1's breast cancer
table, 12 columns with 8 % of the cells missing: ``TreeExplainer`` (interventional, 60 background rows)
on the boosting trainer's native model, ``LinearExplainer`` on seven weights, ``ExactExplainer`` on a
small network. The graph in the file is the one that the trainer wrote of the same model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.inspection import partial_dependence

from core.evaluation.explain_graph import leaves_of, margins_of
from core.measures.shapley import additive_shapley, dependence, sampled_shapley, tree_shapley


@pytest.fixture(scope="module")
def peer():
    return np.load(Path(__file__).parent / "expected" / "shap_values.npz")


def test_trees_of_the_packaged_graph_equal_shap(peer):
    graph = onnx.load_from_string(peer["model"].tobytes())
    leaves, base = leaves_of(graph)
    found = tree_shapley(leaves, peer["x"], peer["background"], base)
    assert np.isnan(peer["x"]).any()
    assert found.values[:, :, 0] == pytest.approx(peer["trees"], abs=1e-5)
    assert found.base == pytest.approx(peer["trees_base"], abs=1e-5)
    answers = margins_of(graph)(peer["x"])
    assert found.base + found.values.sum(axis=1) == pytest.approx(answers, abs=1e-5)


def test_additive_models_equal_shap(peer):
    found = additive_shapley(
        lambda x: (x.astype(np.float64) @ peer["linear_w"] + peer["linear_b"])[:, None],
        peer["linear_x"].astype(np.float32),
        peer["linear_background"].astype(np.float32),
    )
    assert found.values[:, :, 0] == pytest.approx(peer["linear"], abs=1e-5)
    assert found.base == pytest.approx(peer["linear_base"], abs=1e-5)


def test_sampled_values_lie_within_their_stated_error_of_shaps_exact_ones(peer):
    def predict(x):
        return (np.tanh(x.astype(np.float64) @ peer["net_w1"]) @ peer["net_w2"])[:, None]

    found = sampled_shapley(predict, peer["net_x"], peer["net_background"], seed=3)
    off = np.abs(found.values[:, :, 0] - peer["net"]) / found.error[:, :, 0]
    assert (off < 4).all()
    assert 0.1 < np.mean(off) < 1.0
    assert found.base + found.values.sum(axis=1) == pytest.approx(predict(peer["net_x"]), abs=1e-9)


def test_dependence_equals_scikit_learns():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(150, 4)).astype(np.float32)
    model = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(x, x[:, 0] * x[:, 1] + x[:, 2])
    theirs = partial_dependence(model, x, [1], kind="both", method="brute", grid_resolution=12)
    grid = theirs["grid_values"][0]
    ours = dependence(lambda rows: model.predict(rows)[:, None], x, 1, grid)[:, :, 0]
    assert ours[:, 7] == pytest.approx(theirs["individual"][0][7], abs=1e-9)
    assert ours.mean(axis=1) == pytest.approx(theirs["average"][0], abs=1e-9)
