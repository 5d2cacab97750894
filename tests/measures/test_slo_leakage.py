"""Error budgets by hand, and columns that are too good."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from core.kernel.errors import InputError
from core.measures.leakage_stats import single_feature_auc, too_good
from core.measures.slo import burn_rate, slo_status


def test_budget_by_hand():
    made = slo_status(99_950, 100_000, 0.999)
    assert made.attainment == 0.9995
    assert made.met
    assert made.budget == pytest.approx(100)
    assert made.budget_left == pytest.approx(0.5)


def test_no_traffic_is_no_failure():
    made = slo_status(0, 0, 0.99, {"1h": (0, 0), "5m": (0, 0)})
    assert (made.attainment, made.met, made.budget_left, made.page) == (None, None, None, False)


def test_a_page_needs_both_windows():
    burning = slo_status(990, 1_000, 0.999, {"1h": (80, 100), "5m": (8, 10)})
    over = slo_status(990, 1_000, 0.999, {"1h": (80, 100), "5m": (10, 10)})
    assert burning.page
    assert not over.page
    assert burn_rate("1h", 80, 100, 0.999).rate == pytest.approx(200)


def test_slow_burn_makes_a_ticket():
    made = slo_status(1, 1, 0.99, {"3d": (980, 1_000), "6h": (98, 100)})
    assert (made.page, made.ticket) == (False, True)


@pytest.mark.parametrize("args", [(2, 1, 0.9), (1, 2, 1.0), (-1, 2, 0.9)])
def test_impossible_counts_are_refused(args):
    with pytest.raises(InputError):
        slo_status(*args)


@pytest.fixture(scope="module")
def label():
    return np.random.default_rng(4).random(4_000) < 0.24


def test_a_number_that_tells_the_outcome_is_suspicious(label):
    leak = pl.Series("dep_delay", np.random.default_rng(1).normal(label * 3.0, 1.0))
    made = too_good(leak, label)
    assert made.suspicious
    assert "AUC" in made.reason
    assert made.auc == single_feature_auc(-leak, label).auc


def test_an_honest_number_is_not(label):
    assert not too_good(np.random.default_rng(1).normal(label * 0.5, 1.0), label, feature="hour").suspicious


def test_being_null_can_be_the_leak(label):
    column = pl.Series("arr_time", [5 if y else None for y in label])
    made = too_good(column, label)
    assert made.suspicious
    assert "null" in made.reason


def test_many_levels_do_not_look_good_by_memory(label):
    tail = pl.Series("tailnum", [f"N{i}" for i in np.random.default_rng(9).integers(0, 2_000, label.size)])
    assert single_feature_auc(tail, label).auc < 0.56


def test_few_rows_are_not_accused_by_chance():
    y = np.array([True, False, True, False])
    assert not too_good(np.array([2.0, 1.0, 4.0, 0.5]), y).suspicious


@pytest.mark.parametrize("dtype", [pl.String, pl.Float64, pl.Null, pl.Boolean, pl.Categorical, pl.Date])
def test_a_column_of_nulls_tells_nothing(dtype):
    column = pl.Series("empty", [None] * 6, dtype=dtype)
    made = too_good(column, np.array([True, False] * 3))
    assert (made.auc, made.suspicious) == (0.5, False)
