"""Tables of PostgreSQL, SQLite and DuckDB: the same rows as the file, and each new row once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal

from core.data.records import Former, Ingested
from core.data.sources import ingest
from core.kernel.errors import InputError, Refused, SystemFault
from core.kernel.progress import Silent
from core.project.schema import Source

from ..servers import PASSWORD, free_port, postgres

KINDS = ("sqlite", "duckdb", "postgresql")
TYPES = {"sqlite": ("INTEGER", "REAL", "TEXT", "TEXT"), "duckdb": ("BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMPTZ")}
TYPES["postgresql"] = ("bigint", "double precision", "text", "timestamptz")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with postgres() as found:
        yield found


class Shop:
    """One database of any kind, and the ingestion of a table of it, each on from the one before."""

    def __init__(self, kind: str, folder: Path, port: int) -> None:
        self.kind, self.folder = kind, folder
        self.url = f"postgresql://owner@127.0.0.1:{port}/shop" if kind == "postgresql" else f"{kind}:shop.db"
        self.port, self.former, self.taken = port, None, 0

    def run(self, *statements: str, rows: list[tuple[Any, ...]] | None = None) -> None:
        """Change the database as its application would."""
        mark = "%s" if self.kind == "postgresql" else "?"
        held: Any
        if self.kind == "postgresql":
            held = psycopg.connect(host="127.0.0.1", port=self.port, user="owner", password=PASSWORD, dbname="shop")
        elif self.kind == "sqlite":
            held = sqlite3.connect(self.folder / "shop.db")
        else:
            held = duckdb.connect(str(self.folder / "shop.db"))
        cursor = held.cursor()
        for statement in statements:
            cursor.execute(statement)
        if rows:
            cursor.executemany(f"INSERT INTO t VALUES ({', '.join([mark] * len(rows[0]))})", rows)
        held.commit()
        held.close()

    def take(self, **settings: Any) -> Ingested:
        """Ingest once more."""
        source = Source.read({"kind": "sql", "url": self.url, "table": "t", **settings})
        out = self.folder / f"{self.taken}" / "t.parquet"
        before = self.folder / "newest.parquet"
        secret = PASSWORD if self.kind == "postgresql" else ""
        made = ingest(
            "t",
            source,
            self.folder,
            out,
            Silent(),
            former=self.former,
            before=before if self.former else None,
            secret=secret,
        )
        self.taken += 1
        if not made.unchanged:
            out.replace(before)
            self.former = Former(
                snapshot=f"s{self.taken}",
                rows=made.rows,
                columns={column.name: column.type for column in made.columns},
                source_digest=made.source_digest,
                definition=made.definition,
                watermark=made.watermark,
            )
        return made

    def table(self) -> pl.DataFrame:
        """The newest snapshot."""
        return pl.read_parquet(self.folder / "newest.parquet")


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, port: int) -> Shop:
    made = Shop(request.param, tmp_path, port)
    made.run("DROP TABLE IF EXISTS t")
    return made


def create(shop: Shop) -> None:
    kinds = TYPES[shop.kind]
    shop.run(f'CREATE TABLE t (id {kinds[0]}, "the ""value" {kinds[1]}, name {kinds[2]}, "at" {kinds[3]})')


def rows(first: int, last: int) -> list[tuple[Any, ...]]:
    return [(n, n / 8, f"row {n}" if n % 7 else None, f"2024-01-01T00:{n % 60:02d}:00Z") for n in range(first, last)]


def test_the_whole_table_and_nothing_new(shop: Shop) -> None:
    create(shop)
    shop.run(rows=rows(0, 3000))
    made = shop.take(key=["id"])  # rows stand in the order of their key
    assert [column.type for column in made.columns] == ["int", "float", "text", "time"]
    assert shop.table()["id"].to_list() == list(range(3000))
    assert shop.table()['the "value'].to_list() == [n / 8 for n in range(3000)]
    assert shop.take(key=["id"]).unchanged
    shop.run("DELETE FROM t WHERE id = 5")
    again = shop.take(key=["id"])
    assert (again.unchanged, again.rows) == (False, 2999)


def test_weather_is_the_same_as_from_its_file(shop: Shop, snapshots: dict[str, Path]) -> None:
    expected = pl.read_parquet(snapshots["weather"]).head(5000)
    names = {pl.Int64: 0, pl.Float64: 1, pl.String: 2, pl.Datetime: 3}
    columns = ", ".join(f'"{name}" {TYPES[shop.kind][names[type(dtype)]]}' for name, dtype in expected.schema.items())
    text = expected.with_columns(pl.col("time_hour").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    shop.run(f"CREATE TABLE t ({columns})", rows=text.rows()[:0] or None)
    shop.run(rows=text.rows())
    shop.take(query="SELECT * FROM t", table="", types={"precip": "float"}, key=["origin", "time_hour"])
    assert_frame_equal(shop.table(), expected.sort("origin", "time_hour"))  # a database has no order of its own


def test_new_rows_each_once_with_ties_at_the_edge(shop: Shop) -> None:
    create(shop)
    shop.run(rows=rows(0, 100))
    settings = {"watermark": "id"}
    assert shop.take(**settings).rows_new == 100
    assert shop.take(**settings).unchanged
    shop.run(rows=[*rows(99, 100), *rows(99, 130)])  # two more of the row at the edge, and thirty that follow
    made = shop.take(**settings)
    assert (made.rows_new, made.rows, made.watermark["value"]) == (32, 132, 129)
    assert sorted(shop.table()["id"].to_list()) == sorted([*range(130), 99, 99])
    assert shop.table()["id"].to_list()[:100] == list(range(100))  # what was there stands first
    assert shop.take(**settings).unchanged


def test_ids_beyond_what_json_counts(shop: Shop) -> None:
    create(shop)
    big = 2**62
    shop.run(rows=[(big + n, 0.5, "x", "2024-01-01T00:00:00Z") for n in range(5)])
    shop.take(watermark="id")
    shop.run(rows=[(big + n, 0.5, "x", "2024-01-01T00:00:00Z") for n in range(5, 8)])
    assert shop.take(watermark="id").rows_new == 3
    assert shop.table()["id"].to_list() == [big + n for n in range(8)]


def test_by_a_time_and_with_updates_by_key(shop: Shop) -> None:
    create(shop)
    shop.run(rows=[(n, 0.5, "old", f"2024-01-01T00:{n:02d}:00Z") for n in range(10)])
    settings = {"watermark": "at", "key": ["id"], "on_conflict": "update"}
    shop.take(**settings)
    shop.run(rows=[(10, 0.5, "new", "2024-01-02T00:00:00Z")])
    shop.run("UPDATE t SET name = 'changed', \"at\" = '2024-01-03T00:00:00Z' WHERE id = 3")
    made = shop.take(**settings)
    assert (made.rows_new, made.rows_updated, made.rows) == (1, 1, 11)
    assert dict(shop.table().select("id", "name").rows())[3] == "changed"


def test_drift_of_a_table(shop: Shop) -> None:
    create(shop)
    shop.run(rows=rows(0, 50))
    shop.take(watermark="id")
    shop.run("ALTER TABLE t RENAME COLUMN name TO title", "ALTER TABLE t ADD COLUMN extra " + TYPES[shop.kind][0])
    shop.run(rows=[(*row, 1) for row in rows(50, 60)])
    made = shop.take(watermark="id")
    assert [(item.before, item.after) for item in made.drift.renamed] == [("name", "title")] or (
        "name" in made.drift.missing and "title" in made.drift.new
    )
    assert "extra" in made.drift.new
    assert made.rows == 60


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"table": "nothing"}, "nothing"),
        ({"table": 't"; DROP TABLE t; --'}, ""),
        ({"table": "", "query": "DROP TABLE t"}, ""),
        ({"table": "", "query": "SELECT 1 AS a, 2 AS a"}, "two columns"),
        ({"watermark": "lost"}, "no column 'lost'"),
        ({"watermark": "name"}, "rows of t have no name"),
    ],
)
def test_what_cannot_be_read_is_said_and_changes_nothing(shop: Shop, settings: dict[str, Any], said: str) -> None:
    create(shop)
    shop.run(rows=rows(0, 10))
    with pytest.raises(InputError) as caught:
        shop.take(**settings)
    assert said in str(caught.value)
    assert shop.take().rows == 10


def test_a_duckdb_file_sees_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a\n1\n")
    shop = Shop("duckdb", tmp_path, 0)
    shop.run("CREATE TABLE t (a BIGINT)", f"CREATE VIEW spy AS SELECT * FROM read_csv('{tmp_path}/other.csv')")
    for query in ("SELECT * FROM spy", f"SELECT * FROM '{tmp_path}/other.csv'", "ATTACH 'x.db'", "COPY t TO 'x.csv'"):
        with pytest.raises(InputError):
            shop.take(table="", query=query)
    assert not (tmp_path / "x.db").exists()


def test_files_that_are_no_databases(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_bytes(b"this is no database, though it is long enough to be looked at" * 100)
    for kind in ("sqlite", "duckdb"):
        with pytest.raises(InputError, match="cannot be read"):
            Shop(kind, tmp_path, 0).take()
    with pytest.raises(InputError, match="not there"):
        Shop("sqlite", tmp_path / "lost", 0).take()


def test_a_server_that_refuses_or_is_away(tmp_path: Path, port: int) -> None:
    shop = Shop("postgresql", tmp_path, port)
    source = Source(kind="sql", url=shop.url, table="t")
    with pytest.raises(Refused, match="does not let us in") as caught:
        ingest("t", source, tmp_path, tmp_path / "t.parquet", Silent(), secret="wrong password here")
    assert "wrong password here" not in str(caught.value)
    with pytest.raises(SystemFault, match="does not answer"):
        Shop("postgresql", tmp_path, free_port()).take()
