"""Hours of bicycle hire (ISLP) as a training set with a contract: two categories, nulls, labels that are missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from core.contract.schema import Contract, Feature, Field_, ViewRef

from .task_sets import bikeshare

ROWS = 6_000
SHARES = {"train": 0.6, "validate": 0.75, "test": 0.9, "production": 1.01}


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,000 hours, shuffled over the year so that each split sees all seasons; the season names were numbers."""
    frame = bikeshare().sample(ROWS, shuffle=True, seed=3)
    number = pl.int_range(pl.len())
    split = pl.lit("production")
    for name in ("test", "validate", "train"):
        split = pl.when(number / ROWS < SHARES[name]).then(pl.lit(name)).otherwise(split)
    begun = pl.lit(datetime(2020, 1, 1, tzinfo=UTC)) + pl.duration(minutes=10 * number)
    out = tmp_path_factory.mktemp("small") / "training.parquet"
    frame.select(
        split.alias("split"),
        pl.when(number % 29 == 0).then(None).otherwise((pl.col("bikers") > 140).cast(pl.Int8)).alias("label"),
        begun.cast(pl.Datetime("us", "UTC")).alias("prediction_time"),
        pl.format("h{}", number).alias("hour"),
        pl.col("weathersit").alias("weather"),
        pl.col("season").cast(pl.String),
        pl.col("hr").cast(pl.Float64),
        pl.when(number % 17 == 0).then(None).otherwise(pl.col("temp")).alias("temp"),
    ).write_parquet(out)
    return out


@pytest.fixture(scope="session")
def small_contract() -> Contract:
    """Two of its categories have levels that the contract does not know: heavy rain (one hour), and autumn."""
    weather = ["clear", "cloudy/misty", "light rain/snow"]
    return Contract(
        model="bikes",
        version="1",
        fields=[
            Field_(name="hour", type="text"),
            Field_(name="weather", type="text"),
            Field_(name="season", type="text"),
            Field_(name="hr", type="float"),
            Field_(name="prediction_time", type="time"),
        ],
        key=["hour"],
        time_field="prediction_time",
        features=[
            Feature(name="weather", kind="category", origin="request", expression="weather", levels=weather),
            Feature(name="hr", kind="number", origin="request", expression="hr"),
            Feature(name="season", kind="category", origin="request", expression="season", levels=["1", "2", "3"]),
            Feature(name="half_hr", kind="number", origin="request", expression="hr / 2"),
            Feature(name="temp", kind="number", origin="view", view="temps"),
        ],
        views=[ViewRef(name="temps", entity=["season"], features=["temp"])],
        checks=[],
    )
