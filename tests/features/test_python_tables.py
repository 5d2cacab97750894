"""Tables by the project's own Python: given what is declared, held to what was known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from core.features.python_tables import python_table
from core.kernel.digests import digest_file
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.load import parse_project
from core.project.python_tables import function_text
from core.project.schema import PythonTable

CODE = """\
import random
import polars as pl

def gaps(readings):
    assert readings.columns == ["who", "at", "x"], readings.columns
    return readings.sort("at").select("who", "at", gap=pl.col("x").diff().over("who"))

def peeks(readings):
    return readings.sort("at").select("who", "at", gap=pl.col("x").shift(-1).over("who").cast(pl.Float64))

def whole_mean(readings):
    return readings.select("who", "at", gap=pl.col("x") - pl.col("x").mean())

def rolls(readings):
    return readings.select("who", "at", gap=pl.Series([random.random() for _ in range(readings.height)]))

def tomorrow(readings):
    return readings.select("who", pl.col("at") + pl.duration(days=1), gap=pl.col("x").cast(pl.Float64))

def breaks(readings):
    return 1 / 0

def text(readings):
    return readings.select("who", "at", gap=pl.lit("wide"), more=1)

def nobody(readings):
    return readings.select(pl.lit(None, pl.String).alias("who"), "at", gap=pl.lit(1.0))

def number(readings):
    return 7

def lazy(readings):
    return readings.lazy().select("who", "at", gap=pl.col("x").cast(pl.Int32))
"""
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "views.py").write_text(CODE)
    rows = range(200)
    pl.DataFrame(
        {
            "who": [f"w{n % 7}" for n in rows],
            "at": [START + timedelta(hours=n) for n in rows],
            "x": [float(n * n % 31) for n in rows],
            "secret": ["s"] * 200,
        }
    ).write_parquet(tmp_path / "readings.parquet")
    return tmp_path


def made(place: Path, function: str, **changes: object) -> pl.DataFrame:
    spec = PythonTable.read(
        {
            "function": f"views.py:{function}",
            "inputs": {"readings": {"columns": ["who", "at", "x"], "available": "at"}},
            "entity": ["who"],
            "available": "at",
            "outputs": {"who": "text", "at": "time", "gap": "float"},
            "source": digest_file(place / "views.py"),
            **changes,
        }
    )
    return python_table("gaps", spec, {"readings": place / "readings.parquet"}, place, Silent())


def test_a_function_gets_what_it_declares_and_gives_what_it_declares(place: Path) -> None:
    rows = made(place, "gaps")
    assert rows.height == 200
    assert rows.schema == {"who": pl.String, "at": pl.Datetime("us", "UTC"), "gap": pl.Float64}
    assert rows["at"].is_sorted()
    assert rows["gap"].null_count() == 7
    assert made(place, "lazy")["gap"].dtype == pl.Float64


@pytest.mark.parametrize("function", ["peeks", "whole_mean", "rolls"])
def test_rows_that_change_with_what_was_known_later_are_refused(place: Path, function: str) -> None:
    with pytest.raises(InputError, match="change with what was known only later") as caught:
        made(place, function)
    assert caught.value.where == "tables.gaps.python.function"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("tomorrow", "24 rows of gaps are known after the newest of its inputs"),
        ("breaks", "views.py:breaks failed"),
        ("number", "views.py:number gave int"),
        ("text", "not what gaps declares"),
        ("nobody", "not what gaps declares"),
    ],
)
def test_what_does_not_fit_is_said(place: Path, function: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        made(place, function)


def test_every_column_that_does_not_fit_is_named(place: Path) -> None:
    with pytest.raises(InputError) as caught:
        made(place, "text", outputs={"who": "text", "at": "time", "gap": "float", "wide": "bool"})
    assert sorted(problem.what for problem in caught.value.problems) == [
        "'gap' is text",
        "It gave 'more', undeclared",
        "It gave no column 'wide'",
    ]
    with pytest.raises(InputError) as caught:
        made(place, "gaps", inputs={"readings": {"columns": ["who", "at", "x", "y"], "available": "then"}})
    assert [problem.what for problem in caught.value.problems] == [
        "Table 'readings' has no column 'y'",
        "Table 'readings' has no column 'then'",
    ]


def test_a_failure_names_its_line_and_code_that_changed_does_not_run(place: Path) -> None:
    with pytest.raises(InputError) as caught:
        made(place, "breaks")
    assert caught.value.detail == "views.py:21: ZeroDivisionError: division by zero"
    with pytest.raises(InputError, match="changed after the job was queued"):
        made(place, "gaps", source="b3:0")


def test_code_is_found_in_the_project_alone(place: Path) -> None:
    (place / "inner").mkdir()
    (place / "inner" / "bad.py").write_text("def gaps(:")
    (place / "inner" / "fine.py").write_text(CODE)
    (place / "inner" / "out.py").symlink_to(place / "views.py")
    for function, words in (
        ("none.py:gaps", "no file 'none.py'"),
        ("fine.py:gapes", "no function 'gapes'"),
        ("../views.py:gaps", "outside the project's folder"),
        ("out.py:gaps", "outside the project's folder"),
        ("bad.py:gaps", "not Python"),
    ):
        with pytest.raises(InputError, match=words):
            function_text(function, place / "inner")


def test_the_file_says_what_a_python_table_needs() -> None:
    text = (Path(__file__).parents[2] / "resources/examples/blank/plimsoll.yaml").read_text()
    tables = """\
tables:
  none: {description: nothing}
  made:
    python:
      function: views.py:made
      inputs: {planets: {columns: [id], available: always}}
      entity: [who]
      available: at
      outputs: {at: text}
      source: b3:00
events:
"""
    with pytest.raises(InputError) as caught:
        parse_project(text.replace("\nevents:\n", "\n" + tables, 1), Path("plimsoll.yaml"))
    assert {problem.what for problem in caught.value.problems} == {
        "The table 'none' has neither sql nor python",
        "'planets' is neither a source nor an SQL table",
        "'who' is not among the outputs of 'made'",
        "'at' says when a row is known, so it is a time",
        "The digest of the code is filled in by Plimsoll",
    }
