"""The flights project with its tables, ingested as the product does."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.sources import ingest
from core.data.tables import build_table
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
    for name, source in flights_project.sources.items():
        tables[name] = folder / f"{name}.parquet"
        ingest(name, source, EXAMPLE.parent, tables[name], Silent())
    for name, table in flights_project.tables.items():
        built = folder / f"{name}.parquet"
        build_table(name, table, dict(tables), built, Silent(), key=flights_project.events.key)
        tables[name] = built
    return tables


@pytest.fixture(scope="session")
def flights_set(
    flights_project: Project, flights_tables: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainingSetResult]:
    out = tmp_path_factory.mktemp("set") / "training.parquet"
    return out, build_training_set(flights_project, flights_tables, out, Silent())
