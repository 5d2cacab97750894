"""Data sheets and Croissant 1.1: accepted by the public checker, and its records are the snapshot's rows."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.data.croissant import CroissantFacts, ExportedFile, croissant
from core.data.paths import resolve_path
from core.data.records import ColumnType
from core.data.sheet_facts import read_prose, schema_changes
from core.data.sources import ingest
from core.data.writing import columns_of
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.schema import Source

SOURCES = {
    "wage": (Source.read({"path": "package:ISLP/data/Wage.csv"}), 3_000),
    "glucose": (
        Source.read({"path": "glucose.csv", "types": {"datetime": "time"}}),
        52_281,
    ),
}


def written(folder: Path, table: Path, name: str, key: list[str]) -> Path:
    """The metadata and its rows, as ``plimsoll data sheet --croissant`` leaves them."""
    out = folder / f"{name}.parquet"
    shutil.copyfile(table, out)
    columns: list[ColumnType] = columns_of(pl.scan_parquet(out).collect_schema())
    file = ExportedFile(name=out.name, sha256=hashlib.sha256(out.read_bytes()).hexdigest(), bytes=out.stat().st_size)
    facts = CroissantFacts(
        table=name,
        title=name,
        description=f"Rows of {name}",
        version="1.0.0",
        published="2026-11-25",
        licence="https://creativecommons.org/publicdomain/zero/1.0/",
        citation="Somebody (2026)",
        url="https://example.org/data",
        creator="Somebody",
        key=key,
        minimised={"age": "in bands of 10"} if name == "wage" else {},
        notes={"uses": "Tests"},
    )
    metadata = folder / f"{name}.json"
    metadata.write_text(json.dumps(croissant(facts, columns, file)))
    return metadata


def accepted(metadata: Path) -> None:
    command = [str(Path(sys.executable).with_name("mlcroissant")), "validate", "--jsonld", str(metadata)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "error" not in done.stderr.lower()
    assert "warning" not in done.stderr.lower(), done.stderr[-2000:]


def records(metadata: Path, name: str) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own libraries
        import mlcroissant

        return list(mlcroissant.Dataset(jsonld=str(metadata)).records(record_set=name))


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    value = value.item() if hasattr(value, "item") else value
    return None if value is None or value != value else value


def same_rows(metadata: Path, table: Path, name: str) -> None:
    frame = pl.read_parquet(table)
    found = records(metadata, name)
    assert len(found) == frame.height
    for row, record in zip(frame.iter_rows(named=True), found, strict=True):
        assert {f"{name}/{column}" for column in row} == set(record)
        for column, value in row.items():
            other = plain(record[f"{name}/{column}"])
            assert (
                other == pytest.approx(plain(value), abs=1e-12) if isinstance(value, float) else other == plain(value)
            )


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_checker_accepts_it_and_its_records_are_the_rows(name: str, tmp_path: Path) -> None:
    source, rows = SOURCES[name]
    packed = resolve_path("package:bokeh_sampledata/_data/CGM.csv.gz", tmp_path)
    pl.read_csv(gzip.decompress(packed.read_bytes()), null_values=["nil"], infer_schema_length=None).write_csv(
        tmp_path / "glucose.csv"
    )
    table = tmp_path / "snapshot.parquet"
    assert ingest(name, source, tmp_path, table, Silent()).rows == rows
    metadata = written(tmp_path, table, name, [])
    accepted(metadata)
    if name == "glucose":  # its records are made one by one in Python: the first thousand speak for all
        pl.read_parquet(table).head(1_000).write_parquet(table)
        metadata = written(tmp_path, table, name, ["datetime"])
    same_rows(metadata, table, name)


def test_flights(snapshots: dict[str, Path], tmp_path: Path) -> None:
    table = tmp_path / "snapshot.parquet"
    shutil.copyfile(snapshots["flights"], table)
    accepted(written(tmp_path, table, "flights", ["year", "month", "day", "carrier", "flight", "origin"]))
    pl.read_parquet(table).gather_every(700).write_parquet(table)
    metadata = written(tmp_path, table, "flights", ["year", "month", "day", "carrier", "flight", "origin"])
    same_rows(metadata, table, "flights")


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    table = tmp_path / "snapshot.parquet"
    ingest("wage", SOURCES["wage"][0], tmp_path, table, Silent())
    metadata = written(tmp_path, table, "wage", [])
    pl.read_parquet(table).head(7).write_parquet(tmp_path / "wage.parquet")
    with pytest.raises(Exception, match=r"(?i)hash|sha256|generat"):
        records(metadata, "wage")


def test_prose_is_kept_apart_and_headings_are_checked(tmp_path: Path) -> None:
    folder = tmp_path / "sheets"
    folder.mkdir()
    (folder / "wage.md").write_text("# Wage\n\n## Uses\n\nTeaching.\n\n## Maintenance\n\nNobody.\n")
    assert read_prose(tmp_path, "wage") == {"uses": "Teaching.", "maintenance": "Nobody."}
    assert read_prose(tmp_path, "other") == {}
    (folder / "wage.md").write_text("## Abuses\n\nx\n")
    with pytest.raises(InputError, match="no section abuses"):
        read_prose(tmp_path, "wage")


def test_changes_of_the_schema_are_told_in_order() -> None:
    history = [
        ("Monday", {"a": "int", "b": "text"}),
        ("Tuesday", {"a": "float", "c": "text"}),
        ("Friday", {"a": "float", "c": "text"}),
    ]
    assert schema_changes(history) == ["Tuesday: c came, b went, a was int and is float"]
