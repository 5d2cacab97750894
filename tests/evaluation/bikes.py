"""Bike rentals by the hour (ISLP's Bikeshare) as a training set with a contract: real rows, any kind of label."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl
import pytest

from core.contract.schema import Contract, Feature, Field_

NUMBERS = ("hr", "temp", "hum", "windspeed")
CATEGORIES = ("weathersit", "mnth", "workingday")
BUSY, QUIET = 200, 60


def rows() -> pl.DataFrame:
    """8,645 hours: fields, ``bikers``, and a split by a hash of the hour (each split has every season)."""
    spec = importlib.util.find_spec("ISLP")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("ISLP is not installed")
    file = Path(next(iter(spec.submodule_search_locations))) / "data" / "Bikeshare.csv"
    frame = pl.read_csv(file).with_row_index("id")
    moment = pl.datetime(2011, 1, 1, time_zone="UTC") + pl.duration(days=pl.col("day") - 1, hours="hr")
    part = pl.col("id").hash(seed=1) % 10
    return frame.with_columns(
        pl.col("id").cast(pl.String),
        moment.alias("prediction_time"),
        pl.col("workingday").cast(pl.String),
        pl.col("hr").cast(pl.Float64),
        split=pl.when(part < 6).then(pl.lit("train")).when(part < 8).then(pl.lit("validate")).otherwise(pl.lit("test")),
    )


def contract(frame: pl.DataFrame, **changes: object) -> Contract:
    """The contract of those rows."""
    fields = [Field_(name="id", type="text"), Field_(name="prediction_time", type="time")]
    fields += [Field_(name=name, type="float") for name in NUMBERS] + [Field_(name=n, type="text") for n in CATEGORIES]
    features = [Feature(name=name, kind="number", origin="request", expression=name) for name in NUMBERS]
    features += [
        Feature(name=n, kind="category", origin="request", expression=n, levels=sorted(frame[n].unique()))
        for n in CATEGORIES
    ]
    made = {"model": "bikes", "version": "1", "fields": fields, "key": ["id"], "features": features}
    return Contract.model_validate({**made, "time_field": "prediction_time", "checks": [], **changes})
