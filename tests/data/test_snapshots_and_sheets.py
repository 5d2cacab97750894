"""Differences of snapshots; suites on the flights tables; proposals; the data sheet."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from core.contract.checks import run_checks
from core.contract.schema import Check, ValidationReport
from core.data.propose import propose_suite
from core.data.sheet import data_sheet
from core.data.snapshots import diff, schema_of
from core.data.writing import described
from core.kernel.errors import InputError
from core.measures.profile import profile_frame

EXAMPLE = Path(__file__).resolve().parents[2] / "resources" / "examples" / "flights" / "plimsoll.yaml"
THOROUGH = Path(__file__).with_name("flights_suites.yaml")
KNOWN_DIRT = {
    ("flights", "destination is a known airport"): 7602,
    ("flights", "tail number is a known plane"): 50094,
    ("flights", "departure clock time"): 29,
    ("flights", "arrival clock time"): 150,
    ("weather", "local hour is unique"): 3,
    ("weather", "wind speed is possible"): 1,
    ("planes", "cruising speed is known"): 3299,
    ("planes", "one spelling for each manufacturer"): 517,
    ("airports", "time zone is known"): 3,
}


def validate(suites_file: Path, snapshots: dict[str, Path]) -> dict[str, ValidationReport]:
    suites = YAML(typ="safe").load(suites_file.read_text())["suites"]
    tables = {name: pl.scan_parquet(path) for name, path in snapshots.items()}
    return {
        name: run_checks(
            tables[name], [Check.read(check) for check in suite["checks"]], table=name, tables=tables, examples=5
        )
        for name, suite in suites.items()
        if name in tables
    }


@pytest.fixture(scope="module")
def reports(snapshots: dict[str, Path]) -> dict[str, ValidationReport]:
    return validate(THOROUGH, snapshots)


def test_the_suites_of_the_example_project_pass(snapshots: dict[str, Path]) -> None:
    assert all(report.passed for report in validate(EXAMPLE, snapshots).values())


def test_the_flights_suites_pass_and_report_exactly_the_known_dirt(reports: dict[str, ValidationReport]) -> None:
    assert set(reports) == {"flights", "weather", "planes", "airlines", "airports"}
    assert all(report.passed for report in reports.values())
    found = {(name, r.name): r.failed for name, report in reports.items() for r in report.results if not r.passed}
    assert found == KNOWN_DIRT


def test_the_examples_show_the_dirt(reports: dict[str, ValidationReport]) -> None:
    wind = next(r for r in reports["weather"].results if r.name == "wind speed is possible")
    assert [example.values for example in wind.examples] == [{"wind_speed": "1048.36058"}]
    gone = next(r for r in reports["flights"].results if r.name == "destination is a known airport")
    assert {str(example.values["dest"]) for example in gone.examples} <= {"SJU", "BQN", "STT", "PSE"}


def test_a_proposed_suite_passes_on_the_data_it_came_from(snapshots: dict[str, Path]) -> None:
    for name, path in snapshots.items():
        frame = pl.scan_parquet(path)
        suite = propose_suite(profile_frame(frame, name))
        report = run_checks(frame, suite, table=name)
        assert all(result.passed for result in report.results), name
    unique = [check.columns for check in propose_suite(profile_frame(pl.scan_parquet(snapshots["planes"]), "planes"))]
    assert ["tailnum"] in unique


def test_a_proposed_suite_catches_a_spoilt_copy(snapshots: dict[str, Path]) -> None:
    frame = pl.scan_parquet(snapshots["flights"])
    suite = propose_suite(profile_frame(frame, "flights"))
    spoilt = frame.with_columns(
        distance=pl.col("distance") * 10, origin=pl.lit("XXX"), carrier=pl.lit(None, dtype=pl.String)
    )
    failed = {(r.kind, r.columns[0]) for r in run_checks(spoilt, suite, table="flights").results if not r.passed}
    assert failed == {("between", "distance"), ("in_set", "origin"), ("not_null", "carrier")}


def test_the_sheet_states_facts_and_hides_personal_values(
    snapshots: dict[str, Path], reports: dict[str, ValidationReport]
) -> None:
    profile = profile_frame(pl.scan_parquet(snapshots["planes"]), "planes")
    result = described("planes", snapshots["planes"], "b3:0")
    sheet = data_sheet(result, profile, reports["planes"], key=["tailnum"], personal=["tailnum"])
    assert "| Rows | 3,322 |" in sheet
    assert "| year | Int64 | 70 (2.11 %) |" in sheet
    assert "3,299 of 3,322 rows fail" in sheet
    assert "N10156" not in sheet
    assert "No checks were run." in data_sheet(result, profile)


def write(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(path)
    return path


def test_a_difference_is_counted_by_row_and_cell(tmp_path: Path) -> None:
    a = pl.DataFrame(
        {"k": [1, 2, 3, None], "x": [1.0, None, float("nan"), 4.0], "y": ["a", "b", "c", "d"], "z": [1] * 4}
    )
    b = pl.DataFrame(
        {"k": [2, 3, None, 9], "x": [2.0, float("nan"), 4.0, 0.0], "y": ["b", "c", "e", "f"], "w": [1] * 4}
    )
    b = b.with_columns(z=pl.lit("1"))
    found = diff(write(tmp_path / "a", a), write(tmp_path / "b", b), ["k"])
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (1, 1, 2)
    assert {cell.name: cell.cells for cell in found.cells} == {"x": 1, "y": 1}
    assert (found.columns_added, found.columns_removed, found.retyped) == (["w"], [], {"z": ("int", "text")})
    assert not found.empty
    assert diff(tmp_path / "a", tmp_path / "a", ["k"]).empty


def test_a_difference_of_the_real_table(snapshots: dict[str, Path], tmp_path: Path) -> None:
    key = ["origin", "time_hour"]
    changed = pl.read_parquet(snapshots["weather"]).with_columns(pl.col("wind_speed").clip(0, 200))[100:]
    found = diff(snapshots["weather"], write(tmp_path / "b", changed), key)
    assert (found.rows_removed, found.rows_added, found.rows_changed) == (100, 0, 1)
    assert [(cell.name, cell.cells) for cell in found.cells] == [("wind_speed", 1)]


@pytest.mark.parametrize("key", [[], ["nope"], ["origin"]])
def test_a_key_that_does_not_identify_rows_is_refused(snapshots: dict[str, Path], key: list[str]) -> None:
    with pytest.raises(InputError):
        diff(snapshots["weather"], snapshots["weather"], key)


def test_the_schema_of_a_snapshot(snapshots: dict[str, Path], tmp_path: Path) -> None:
    assert [(c.name, c.type) for c in schema_of(snapshots["airlines"])] == [("carrier", "text"), ("name", "text")]
    (tmp_path / "junk").write_text("junk")
    for path in (tmp_path / "junk", tmp_path / "lost"):
        with pytest.raises(InputError):
            schema_of(path)
