"""The store itself: migrations, encryption at rest, times, metric points, faults."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import polars as pl
import pytest
from sqlalchemy import text

from core.engine.actors import ENGINE
from core.engine.context import Context, Done
from core.engine.engine import Engine
from core.kernel.errors import InputError, Refused, SystemFault
from core.store.database import Database
from core.store.ledger import answered, append, head, row_digest
from core.store.metrics import append_points, new_batch, read_points
from core.store.migrations import HEAD, current_version, upgrade
from core.store.tables import MetricBatch, User
from core.store.tracked import NOTES, POINTS, THINGS, Rows
from core.workspace.workspace import Workspace, create

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PLANTED = "a-planted-string-that-nobody-else-writes"
STORE_PASSPHRASE = "the passphrase of the store"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "store.duckdb")
    with made.engine.connect() as connection:
        assert upgrade(connection)
        connection.commit()
    yield made
    made.close()


def user(name: str, at: datetime = NOW) -> User:
    return User(id=f"user-{name}", created_at=at, created_by="test", name=name, full_name="Ü", person=name)


def test_a_fresh_store_is_migrated_once(database: Database) -> None:
    with database.engine.connect() as connection:
        assert current_version(connection) == HEAD
        assert not upgrade(connection)


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "ws")
    Workspace(tmp_path / "ws").close()
    with duckdb.connect(str(tmp_path / "ws" / "store.duckdb")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for _ in range(2):  # the first refusal must have let go of the file
        with pytest.raises(InputError, match="newer Plimsoll"):
            Workspace(tmp_path / "ws")


def test_times_survive_every_zone(database: Database) -> None:
    """What was hashed before it was stored hashes the same after, whatever zone it was told in."""
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    rows = [user("utc"), user("tokyo", tokyo)]
    digests = [row_digest(row) for row in rows]
    with database.writing() as session:
        session.add_all(rows)
    with database.reading() as session:
        back = [session.get_one(User, row.id) for row in rows]
        assert [row_digest(row) for row in back] == digests
        assert {row.created_at for row in back} == {NOW}


def test_ledger_entries_follow_each_other(database: Database) -> None:
    with database.writing() as session:
        assert head(session).seq == 0
        for number in range(3):
            append(
                session,
                at=NOW,
                actor="me",
                kind="k",
                subject="s",
                outcome="done",
                request_id=f"rq-{number}",
                summary="Ünïcode",
                result={"n": number},
            )
            session.flush()
    with database.reading() as session:
        assert head(session).seq == 3
        before = answered(session, "rq-1")
        assert before is not None
        assert before.result == {"n": 1}
        assert answered(session, "rq-9") is None


def test_a_failed_block_writes_nothing(database: Database) -> None:
    def fail() -> None:
        with database.writing() as session:
            session.add(user("half"))
            session.flush()
            raise InputError("No")

    with pytest.raises(InputError):
        fail()
    with database.reading() as session:
        assert session.get(User, "user-half") is None


def test_faults_of_the_database_have_words(database: Database) -> None:
    def twice() -> None:
        with database.writing() as session:
            session.add(user("a"))
            session.flush()
            session.execute(text("SELECT * FROM no_such_table"))

    with pytest.raises(SystemFault, match="nothing was changed"):
        twice()


def test_metric_points_in_bulk(database: Database) -> None:
    points = pl.DataFrame(
        {"name": ["loss"] * 50_000 + ["gain"] * 50_000, "step": [*range(50_000)] * 2, "value": [0.5] * 100_000}
    )
    began = time.monotonic()
    with database.writing() as session:
        batch = MetricBatch(created_at=NOW, created_by="t", **new_batch("run-1", points))
        session.add(batch)
        append_points(session, batch, points)
    assert time.monotonic() - began < 20
    thin = read_points(database, "run-1", most=1000)
    assert 2 * 1000 <= thin.height <= 2 * 1002
    assert thin.group_by("name").agg(pl.col("step").max())["step"].to_list() == [49_999] * 2
    assert read_points(database, "run-1").height == 100_000
    assert read_points(database, "no such run").height == 0


def test_digests_of_what_is_tracked_stay_what_they_were() -> None:
    """Old workspaces verify: this is the digest that the first version gave these rows."""
    things = [(1, "run-1", "run", "0", "Ünï", 5, "me", "{}")]
    notes = [(2, "run-1", "tag", "team", "", False, 6), (3, "run-1", "tag", "team", "日本", True, 7)]
    points = [(0, "run-1", "loss", 0, 0.5, None, None, "m"), (1, "run-1", "loss", 1, float("nan"), 9, None, None)]
    rows = Rows(
        things=pl.DataFrame(things, schema=THINGS, orient="row"),
        notes=pl.DataFrame(notes, schema=NOTES, orient="row"),
        points=pl.DataFrame(points, schema=POINTS, orient="row"),
    )
    assert rows.digest() == "b3:0f2d2cff23063b854de6afb83593eeac47851a88318caba2461e7a7d25eb5ecf"


def test_a_failed_block_leaves_no_head_behind(database: Database) -> None:
    """The head is carried from one writer to the next, but not from one that failed."""

    def enter(number: int, *, fail: bool = False) -> None:
        with database.writing() as session:
            top = append(
                session,
                at=NOW,
                actor="me",
                kind="k",
                subject="s",
                outcome="done",
                request_id=f"rq-{number}",
                summary="",
            )
            assert top.seq == number
            if fail:
                raise InputError("No")

    enter(1)
    with pytest.raises(InputError):
        enter(2, fail=True)
    enter(2)
    with database.reading() as session:
        assert head(session).seq == 2


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "store.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(SystemFault, match="cannot be opened"):
        Database(tmp_path / "store.duckdb")


def test_encryption_at_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is written is nowhere on the disk in clear, nor is the key in any log; a wrong key opens nothing."""
    root = tmp_path / "ws"
    create(root, passphrase=STORE_PASSPHRASE)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)
    try:
        engine = Engine(root, store_passphrase=STORE_PASSPHRASE, slots=0)

        def plant(context: Context) -> Done:
            context.add(User, "user", name=PLANTED, full_name=PLANTED, person=PLANTED)
            return Done(summary=PLANTED)

        engine.dispatcher.carry_out("test.plant", "read", ENGINE, plant)
        on_disk(root, clear=False)  # the write-ahead log is there now
        engine.close()
    finally:
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    on_disk(root, clear=False)
    assert PLANTED not in caplog.text
    assert "ENCRYPTION_KEY" not in caplog.text
    with pytest.raises(Refused, match="does not open"):
        Workspace(root, passphrase="a wrong passphrase")
    with pytest.raises(InputError, match="is encrypted"):
        Workspace(root)
    with pytest.raises(duckdb.Error):
        duckdb.connect(str(root / "store.duckdb"))
    again = Workspace(root, passphrase=STORE_PASSPHRASE)
    with again.database.reading() as session:
        assert head(session).seq == 1
    again.close()


def test_without_encryption_the_search_would_have_found_it(tmp_path: Path) -> None:
    create(tmp_path / "ws")
    workspace = Workspace(tmp_path / "ws")
    with workspace.database.writing() as session:
        session.add(user(PLANTED))
    on_disk(tmp_path / "ws", clear=True)
    workspace.close()
    on_disk(tmp_path / "ws", clear=True)


def test_a_wrong_key_for_the_file(tmp_path: Path) -> None:
    key = bytes(range(32))
    Database(tmp_path / "store.duckdb", key).close()
    with pytest.raises(Refused, match="does not open"):
        Database(tmp_path / "store.duckdb", bytes(32))


def on_disk(root: Path, *, clear: bool) -> None:
    data = b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())
    assert (PLANTED.encode() in data) == clear
