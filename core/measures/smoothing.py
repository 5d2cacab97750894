"""Smoothing of curves for the eye: an exponentially weighted mean."""

from __future__ import annotations

import polars as pl


def exponential_mean(weight: float) -> pl.Expr:
    """Each value (``value``, within ``name``) as a mean of itself and those before it, as :func:`pl.Expr.ewm_mean`.

    Args:
        weight: from 0, the values themselves, to below 1: how much of each is of what came before (Brown, 1956,
            with the correction for the start that Kingma and Ba, 2015, use).
    """
    return pl.col("value").ewm_mean(alpha=1.0 - weight, adjust=True, ignore_nulls=True).over("name")
