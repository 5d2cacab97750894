"""Accuracies of labelling functions, recovered without the truth."""

from __future__ import annotations

import numpy as np
import pytest

from core.kernel.errors import InputError
from core.measures.classification import roc_auc
from core.measures.label_model import fit_label_model, majority, probabilities, vote_reports

ACCURACY = np.array([0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.8, 0.6])
COVERAGE = np.array([0.4, 0.8, 0.5, 0.9, 0.6, 0.9, 0.3, 0.5])


def world(seed: int, balance: float = 0.3, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """True classes, and votes of eight functions that err independently."""
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < balance
    votes = np.full((rows, len(ACCURACY)), -1, dtype=np.int8)
    for j, (accuracy, coverage) in enumerate(zip(ACCURACY, COVERAGE, strict=True)):
        right = rng.random(rows) < accuracy
        votes[:, j] = np.where(rng.random(rows) < coverage, np.where(right, truth, ~truth), -1)
    return truth, votes


@pytest.mark.parametrize(("seed", "balance"), [(1, 0.3), (2, 0.5), (3, 0.15)])
def test_known_accuracies_are_recovered_and_beat_the_majority(seed, balance):
    truth, votes = world(seed, balance)
    model = fit_label_model(votes)
    assert model.converged
    assert not model.anchored
    assert model.balance == pytest.approx(balance, abs=0.02)
    assert model.accuracy == pytest.approx(ACCURACY, abs=0.03)
    chance = np.nan_to_num(probabilities(model, votes), nan=model.balance)
    assert roc_auc(truth, chance) > roc_auc(truth, majority(votes, model.balance)) + 0.01
    assert np.mean((chance >= 0.5) == truth) > np.mean((majority(votes) >= 0.5) == truth) + 0.02


def test_functions_that_only_ever_say_one_class_count():
    rng = np.random.default_rng(5)
    truth = rng.random(20_000) < 0.3
    votes = np.full((20_000, 4), -1, dtype=np.int8)
    for j, (hit, alarm) in enumerate([(0.7, 0.05), (0.6, 0.1), (0.5, 0.02)]):
        votes[rng.random(20_000) < np.where(truth, hit, alarm), j] = 1
    votes[rng.random(20_000) < np.where(truth, 0.1, 0.6), 3] = 0
    model = fit_label_model(votes, balance=0.3)
    chance = probabilities(model, votes)
    seen = np.isfinite(chance)
    assert roc_auc(truth[seen], chance[seen]) > 0.9
    assert [row[1][2] for row in model.answers[:3]] == pytest.approx([0.7, 0.6, 0.5], abs=0.05)


def test_it_is_deterministic_and_takes_a_given_balance():
    _, votes = world(4, rows=2_000)
    assert fit_label_model(votes, balance=0.3) == fit_label_model(votes.copy(), balance=0.3)
    assert fit_label_model(votes, balance=0.2).balance == 0.2


def test_functions_that_copy_each_other_are_noticed():
    _, votes = world(6)
    doubled = np.column_stack([votes, votes[:, 5], votes[:, 5], votes[:, 5]])
    model = fit_label_model(doubled, balance=0.3)
    assert model.anchored
    assert model.dependence > 0.01


def test_reports_by_hand():
    votes = np.array([[1, -1, 0], [1, 1, -1], [-1, -1, -1], [0, 1, 1]], dtype=np.int8)
    first, second, third = vote_reports(votes, ["a", "b", "c"], np.array([1.0, 0.0, 1.0, np.nan]))
    assert (first.coverage, first.overlap, first.conflict, first.polarity) == (0.75, 0.75, 0.5, [0, 1])
    assert (second.coverage, second.conflict, second.polarity) == (0.5, 0.25, [1])
    assert (first.empirical_accuracy, first.judged) == (0.5, 2)
    assert (third.empirical_accuracy, third.judged) == (0.0, 1)
    assert majority(votes, 0.2).tolist() == [0.5, 1.0, 0.2, pytest.approx(2 / 3)]


def test_rows_without_votes_have_no_probability():
    _, votes = world(7, rows=500)
    votes[3] = -1
    chance = probabilities(fit_label_model(votes), votes)
    assert np.isnan(chance[3])
    assert np.isfinite(chance[(votes != -1).any(axis=1)]).all()


@pytest.mark.parametrize(
    "votes", [np.zeros((0, 3), np.int8), np.full((4, 3), 2, np.int8), np.full((4, 3), -1, np.int8)]
)
def test_bad_votes_are_refused(votes):
    with pytest.raises(InputError):
        fit_label_model(votes)
    with pytest.raises(InputError):
        fit_label_model(world(1, rows=50)[1], balance=1.0)
