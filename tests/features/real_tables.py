"""Real tables from installed packages, read as files, each as leak tests see a training set."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from core.features.leak_data import LeakData


def package_file(package: str, inside: str) -> Path:
    """A file of an installed package, which is not imported."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / inside


def default() -> tuple[pl.DataFrame, str]:
    frame = pl.read_csv(package_file("ISLP", "data/Default.csv"))
    return frame.with_columns((pl.col("default") == "Yes").cast(pl.Int8).alias("label")).drop("default"), "balance"


def caravan() -> tuple[pl.DataFrame, str]:
    frame = pl.read_csv(package_file("ISLP", "data/Caravan.csv"))
    return frame.with_columns((pl.col("Purchase") == "Yes").cast(pl.Int8).alias("label")).drop("Purchase"), ""


def bikeshare() -> tuple[pl.DataFrame, str]:
    frame = pl.read_csv(package_file("ISLP", "data/Bikeshare.csv"))
    return frame.with_columns(pl.col("bikers").cast(pl.Float64).alias("label")).drop(
        "bikers", "casual", "registered"
    ), ""


def wage() -> tuple[pl.DataFrame, str]:
    frame = pl.read_csv(package_file("ISLP", "data/Wage.csv"))
    return frame.with_columns(pl.col("wage").alias("label")).drop("wage", "logwage"), ""


def phishing() -> tuple[pl.DataFrame, str]:
    frame = pl.read_csv(gzip.decompress(package_file("river", "datasets/phishing.csv.gz").read_bytes()))
    return frame.rename({"is_phishing": "label"}), ""


def glucose() -> tuple[pl.DataFrame, str]:
    """Will the sensor be above 180 in an hour? The value now tells it very well, and honestly."""
    frame = pl.read_csv(
        gzip.decompress(package_file("bokeh_sampledata", "_data/CGM.csv.gz").read_bytes()), null_values=["nil"]
    )
    now = pl.col("glucose").cast(pl.Float64)
    return (
        frame.select(
            now.alias("glucose"),
            (now - now.shift(1)).alias("step"),
            (now - now.shift(6)).alias("half_hour"),
            (now.shift(-12) > 180).cast(pl.Int8).alias("label"),
        ),
        "glucose",
    )


TABLES: dict[str, Callable[[], tuple[pl.DataFrame, str]]] = {
    "Default": default,
    "Caravan": caravan,
    "Bikeshare": bikeshare,
    "Wage": wage,
    "Phishing": phishing,
    "glucose": glucose,
}


def dealt(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The rows dealt at random to train, validate and test (60, 20, 20 of 100)."""
    rng = np.random.default_rng(seed)
    split = np.array(["train", "validate", "test"])[np.searchsorted([0.6, 0.8], rng.random(frame.height))]
    return frame.with_columns(pl.Series("split", split))


def as_data(frame: pl.DataFrame, **more: object) -> LeakData:
    """All columns but split and label as features."""
    features = [name for name in frame.columns if name not in ("split", "label")]
    return LeakData(frame, features, **more)  # type: ignore[arg-type]
