"""Derived tables: what a query may do, and what it may not."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest

from core.data.tables import build_table
from core.kernel.errors import Cancelled, InputError
from core.kernel.progress import Silent
from core.project.schema import Table

TRIPS = (
    "SELECT f.*, p.year AS built, f.time_hour + INTERVAL 1 HOUR AS later, 0.5 * f.distance AS half, "
    "sum(f.distance) OVER (PARTITION BY f.carrier) AS flown FROM flights f LEFT JOIN planes p USING (tailnum)"
)


def build(snapshots: dict[str, Path], sql: str, out: Path, **settings: object) -> pl.DataFrame:
    build_table("trips", Table(sql=sql), snapshots, out, Silent(), **settings)  # type: ignore[arg-type]
    return pl.read_parquet(out)


def test_a_join_gives_snapshot_types_and_the_same_bytes(snapshots: dict[str, Path], tmp_path: Path) -> None:
    frame = build(snapshots, TRIPS, tmp_path / "a.parquet", key=["time_hour", "carrier", "flight"])
    assert frame.height == 336776
    assert frame["built"].null_count() >= 52606
    kinds = [frame.schema[name] for name in ("later", "half", "flown", "built")]
    assert kinds == [pl.Datetime("us", "UTC"), pl.Float64, pl.Int64, pl.Int64]
    assert frame.select("time_hour", "carrier", "flight").equals(
        frame.select("time_hour", "carrier", "flight").sort("time_hour", "carrier", "flight")
    )
    build(snapshots, TRIPS, tmp_path / "b.parquet", key=["time_hour", "carrier", "flight"])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "DROP TABLE flights",
        "COPY flights TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.db'",
        "SET threads = 4",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM snapshots",
        "SELECT random() AS x",
        "SELECT now() AS x",
        "SELECT current_date AS x",
        "SELECT [1, 2] AS x",
        "SELECT 1 AS x, 2 AS x",
        "SELECT nope FROM flights",
        "SELECT CAST(carrier AS INT) AS x FROM flights",
        "SELEC 1",
        "",
        "SELECT 1) UNION (SELECT 2",
    ],
)
def test_anything_but_one_harmless_select_is_refused(snapshots: dict[str, Path], tmp_path: Path, sql: str) -> None:
    with pytest.raises(InputError) as caught:
        build(snapshots, sql, tmp_path / "out" / "a.parquet")
    assert "trips" in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_names_are_quoted(snapshots: dict[str, Path], tmp_path: Path) -> None:
    odd = {'x"; DROP VIEW flights; --': snapshots["airlines"], "select": snapshots["planes"]}
    sql = 'SELECT carrier AS "a ""b""", name AS "order" FROM "x""; DROP VIEW flights; --" -- done'
    assert build(odd, sql, tmp_path / "a.parquet", key=['a "b"']).columns == ['a "b"', "order"]
    assert build(odd, 'SELECT count(*) AS n FROM "select";', tmp_path / "a.parquet").item() == 3322


def test_now_in_a_text_is_only_text(snapshots: dict[str, Path], tmp_path: Path) -> None:
    sql = "SELECT 'now() random()' AS x /* today() */"
    assert build(snapshots, sql, tmp_path / "a.parquet").item() == "now() random()"


def test_a_running_query_can_be_interrupted(snapshots: dict[str, Path], tmp_path: Path) -> None:
    progress = Silent()
    threading.Timer(0.5, progress.cancel).start()
    endless = "SELECT count(*) AS n FROM flights a, flights b WHERE a.distance + b.distance = 1"
    with pytest.raises(Cancelled):
        build_table("n", Table(sql=endless), snapshots, tmp_path / "out" / "n.parquet", progress)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_query_too_big_for_memory_spills_and_leaves_no_trace(snapshots: dict[str, Path], tmp_path: Path) -> None:
    sql = "SELECT f.*, row_number() OVER (ORDER BY tailnum, time_hour, carrier, flight) AS place FROM flights f"
    frame = build(snapshots, sql, tmp_path / "out" / "a.parquet", memory="60MB")
    assert frame.height == 336776
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.parquet"]
