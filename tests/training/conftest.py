"""A small made-up training set with a contract: two categories, nulls, an honest signal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.contract.schema import Contract, Feature, Field_, ViewRef

ROWS = 6_000
DAYS = {"train": 0.6, "validate": 0.75, "test": 0.9, "production": 1.01}


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    colour = rng.choice(["blue", "green", "red"], ROWS, p=[0.5, 0.3, 0.2])
    place = rng.choice(["a", "b", "c", "d"], ROWS)
    size, rate = rng.normal(50, 9, ROWS), rng.integers(0, 12, ROWS) / rng.integers(1, 12, ROWS)
    logit = (colour == "red") * 1.2 + (place == "b") * 0.7 - 0.08 * (size - 50) + 0.5 * rate - 1.2
    label = rng.random(ROWS) < 1 / (1 + np.exp(-logit))
    start = datetime(2020, 1, 1, tzinfo=UTC)
    share = np.arange(ROWS) / ROWS
    frame = pl.DataFrame(
        {
            "split": [next(name for name, end in DAYS.items() if at < end) for at in share],
            "label": pl.Series(label.astype(np.int8)),
            "prediction_time": [start + timedelta(minutes=10 * i) for i in range(ROWS)],
            "order": [f"o{i:05d}" for i in range(ROWS)],
            "colour": colour,
            "place": place,
            "size": size,
            "rate": rate,
        }
    )
    hole = pl.int_range(pl.len()) % 17 == 0
    frame = frame.with_columns(
        pl.when(hole).then(None).otherwise(pl.col("rate")).alias("rate"),
        pl.when(pl.int_range(pl.len()) % 29 == 0).then(None).otherwise(pl.col("label")).alias("label"),
        pl.col("prediction_time").dt.cast_time_unit("us"),
    )
    out = tmp_path_factory.mktemp("small") / "training.parquet"
    frame.write_parquet(out)
    return out


@pytest.fixture(scope="session")
def small_contract() -> Contract:
    return Contract(
        model="orders",
        version="1",
        fields=[
            Field_(name="order", type="text"),
            Field_(name="colour", type="text"),
            Field_(name="place", type="text"),
            Field_(name="size", type="float"),
            Field_(name="prediction_time", type="time"),
        ],
        key=["order"],
        time_field="prediction_time",
        features=[
            Feature(
                name="colour", kind="category", origin="request", expression="colour", levels=["blue", "green", "red"]
            ),
            Feature(name="size", kind="number", origin="request", expression="size"),
            Feature(name="place", kind="category", origin="request", expression="place", levels=["a", "b", "c"]),
            Feature(name="half_size", kind="number", origin="request", expression="size / 2"),
            Feature(name="rate", kind="number", origin="view", view="rates"),
        ],
        views=[ViewRef(name="rates", entity=["place"], features=["rate"])],
        checks=[],
    )
