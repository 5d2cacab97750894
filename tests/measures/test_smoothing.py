"""Smoothed curves: by hand on three points, each curve for itself, and nothing done for a weight of 0."""

from __future__ import annotations

import polars as pl
import pytest

from core.measures.smoothing import exponential_mean


def test_smoothing_by_hand() -> None:
    curves = pl.DataFrame({"name": ["a", "a", "a", "b"], "value": [1.0, 2.0, 4.0, 9.0]})
    smooth = curves.select(exponential_mean(0.5))["value"].to_list()
    assert smooth == pytest.approx([1.0, (0.5 * 1 + 2) / 1.5, (0.25 * 1 + 0.5 * 2 + 4) / 1.75, 9.0])
    assert curves.select(exponential_mean(0.0))["value"].to_list() == curves["value"].to_list()
