"""Schema drift of real tables: seen by content and name, said before anything else, and silent on clean data."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from core.data.drift import schema_drift
from core.data.records import Former, SchemaDrift
from core.data.sources import ingest
from core.data.writing import columns_of
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.schema import Source


def former_of(path: Path) -> dict[str, str]:
    return {column.name: column.type for column in columns_of(pl.read_parquet_schema(path))}  # type: ignore[arg-type]


def drift_of(path: Path, now: pl.LazyFrame) -> SchemaDrift:
    return schema_drift(former_of(path), path, now)


def test_months_of_one_table_do_not_drift(snapshots: dict[str, Path]) -> None:
    frame = pl.scan_parquet(snapshots["flights"])
    for month in (1, 6, 12):
        assert drift_of(snapshots["flights"], frame.filter(pl.col("month") == month)).empty


def test_every_single_renamed_column_is_found_by_what_it_holds(snapshots: dict[str, Path]) -> None:
    for table in ("flights", "planes", "airports"):
        frame = pl.scan_parquet(snapshots[table])
        for name in former_of(snapshots[table]):
            if frame.select(pl.col(name).count()).collect().item():
                drift = drift_of(snapshots[table], frame.rename({name: "zz"}))
                assert [(item.before, item.after) for item in drift.renamed] == [(name, "zz")], (table, name)


def test_a_rename_is_found_on_later_rows_and_among_several(snapshots: dict[str, Path]) -> None:
    later = pl.scan_parquet(snapshots["flights"]).filter(pl.col("month") == 2)
    now = later.rename({"carrier": "airline", "dep_delay": "departure_delay", "distance": "miles"})
    drift = drift_of(snapshots["flights"], now.with_columns(extra=pl.lit("new")).drop("hour"))
    assert {item.before: item.after for item in drift.renamed} == {
        "carrier": "airline",
        "dep_delay": "departure_delay",
        "distance": "miles",
    }
    assert (drift.new, drift.missing) == (["extra"], ["hour"])


def test_another_column_is_no_renamed_one(snapshots: dict[str, Path]) -> None:
    now = pl.scan_parquet(snapshots["planes"]).drop("seats").with_columns(weight=pl.int_range(pl.len()) * 1000 + 70_000)
    drift = drift_of(snapshots["planes"], now)
    assert (drift.renamed, drift.missing, drift.new) == ([], ["seats"], ["weight"])
    retyped = drift_of(snapshots["planes"], pl.scan_parquet(snapshots["planes"]).with_columns(pl.col("seats") * 0.5))
    assert [(item.name, item.before, item.after) for item in retyped.retyped] == [("seats", "int", "float")]


def test_a_lost_column_that_is_needed_stops_before_anything_else(snapshots: dict[str, Path], tmp_path: Path) -> None:
    path = snapshots["planes"]
    frame = pl.read_parquet(path)
    frame.rename({"tailnum": "tail_number", "seats": "places"}).drop("speed").write_csv(tmp_path / "planes.csv")
    former = Former(snapshot="s", rows=frame.height, columns=former_of(path), source_digest="")
    source = Source(path="planes.csv", key=["tailnum"], types={"seats": "int"})
    out = tmp_path / "planes.parquet"
    with pytest.raises(InputError) as caught:
        ingest(
            "planes", source, tmp_path, out, Silent(), former=former, before=path, needed=["tailnum", "seats", "speed"]
        )
    said = {problem.what: problem.remedy for problem in caught.value.problems}
    assert said["the column 'tailnum' is missing"].startswith("Renamed to 'tail_number'?")
    assert said["the column 'seats' is missing"] == "Renamed to 'places'? (100% alike)"
    assert said["the column 'speed' is missing"] == ""
    assert not out.exists()
    made = ingest("planes", Source(path="planes.csv"), tmp_path, out, Silent(), former=former, before=path)
    assert made.drift.lines() == [
        "renamed: tailnum to tail_number, 100% alike",
        "renamed: seats to places, 100% alike",
        "missing: speed",
    ]
