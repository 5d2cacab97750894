"""Whatever is changed behind the engine's back is found, and named."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from core.engine.questions.governance import ledger_verify
from core.kernel.digests import canonical_json
from core.kernel.errors import SystemFault
from core.store.ledger import GENESIS
from core.store.tables import FACT_BY_TABLE
from core.workspace.workspace import Workspace

Copy = Callable[[Path], Path]


def problems(root: Path) -> list[str]:
    """What ``ledger verify`` finds."""
    workspace = Workspace(root)
    try:
        engine: Any = SimpleNamespace(workspace=workspace)
        report = ledger_verify(engine)
        assert report["ok"] == (not report["problems"])
        return list(report["problems"])
    finally:
        workspace.close()


def tamper(root: Path, *statements: str) -> list[Any]:
    """Run SQL on the store's file as somebody who has the disk would; the last statement's rows come back."""
    rows: list[Any] = []
    with duckdb.connect(str(root / "store.duckdb")) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    return rows


def one_changed(column: str, kind: str) -> str:
    if kind == "BOOLEAN":
        return f'NOT "{column}"'
    if kind in ("BIGINT", "INTEGER", "DOUBLE"):
        return f'"{column}" + 1'
    if kind.startswith("TIMESTAMP"):
        return f'"{column}" + INTERVAL 1 MICROSECOND'
    if kind == "JSON":
        return "'{\"one\":2}'"
    return f"\"{column}\" || '.'"


def test_a_sound_store_has_no_problems(full_workspace: Path) -> None:
    assert problems(full_workspace) == []


@pytest.fixture(scope="session")
def changed_everywhere(
    full_workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Each column of every table changed in a row of its own; (table, column) to row, and what was found."""
    root = tmp_path_factory.mktemp("changed") / "copy"
    shutil.copytree(full_workspace, root)
    changed: dict[tuple[str, str], str] = {}
    with duckdb.connect(str(root / "store.duckdb")) as connection:
        for table in FACT_BY_TABLE:
            rows = connection.execute(f'SELECT id FROM "{table}" ORDER BY created_at DESC, id').fetchall()
            columns = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?", [table]
            ).fetchall()
            for (row,), (column, kind) in zip(rows, columns, strict=False):
                change = f'UPDATE "{table}" SET "{column}" = {one_changed(column, kind)} WHERE id = ?'
                connection.execute(change, [row])
                changed[table, column] = row
    return changed, problems(root)


@pytest.mark.parametrize("table", sorted(FACT_BY_TABLE))
def test_each_field_of_every_table(
    table: str, changed_everywhere: tuple[dict[tuple[str, str], str], list[str]]
) -> None:
    changed, found = changed_everywhere
    columns = [column for name, column in changed if name == table]
    assert len(columns) == len(FACT_BY_TABLE[table].__table__.columns)  # type: ignore[attr-defined]
    for column in columns:
        row = changed[table, column]
        told = [text for text in found if text.startswith(f"Table {table}, row {row}: ")]
        word = "removed" if column == "id" else "changed"
        assert told, (column, row)
        assert f"{word} since ledger entry" in told[0], column


@pytest.fixture(scope="session")
def added_and_removed(
    full_workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], list[str]]:
    """One row of every table copied under a new name, and removed."""
    root = tmp_path_factory.mktemp("removed") / "copy"
    shutil.copytree(full_workspace, root)
    removed = {}
    with duckdb.connect(str(root / "store.duckdb")) as connection:
        for table in FACT_BY_TABLE:
            row = connection.execute(f'SELECT id FROM "{table}" ORDER BY id').fetchall()[0][0]
            copied = f"SELECT * REPLACE ('forged' AS id) FROM \"{table}\" WHERE id = ?"
            connection.execute(f'INSERT INTO "{table}" {copied}', [row])
            connection.execute(f'DELETE FROM "{table}" WHERE id = ?', [row])
            removed[table] = row
    return removed, problems(root)


@pytest.mark.parametrize("table", sorted(FACT_BY_TABLE))
def test_a_removed_and_an_added_row(table: str, added_and_removed: tuple[dict[str, str], list[str]]) -> None:
    removed, found = added_and_removed
    start = f"Table {table}, row {removed[table]}: removed since ledger entry"
    assert [text for text in found if text.startswith(start)]
    assert f"Table {table}, row forged: no ledger entry wrote it" in found


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET body = replace(body, 'A note', 'A vote') WHERE seq = 4",
        "UPDATE ledger SET hash = repeat('0', 64) WHERE seq = 4",
        "UPDATE ledger SET hash = 'no hexadecimal' WHERE seq = 4",
        "UPDATE ledger SET prev = 'no hexadecimal' WHERE seq = 4",
        "UPDATE ledger SET actor = 'somebody' WHERE seq = 4",
        'UPDATE ledger SET "at" = "at" + INTERVAL 1 MICROSECOND WHERE seq = 4',
        "UPDATE ledger SET kind = 'x' WHERE seq = 4",
        "UPDATE ledger SET subject = 'x' WHERE seq = 4",
        "UPDATE ledger SET outcome = 'refused' WHERE seq = 4",
        "UPDATE ledger SET request = 'x' WHERE seq = 4",
        "UPDATE ledger SET body = 'no JSON' WHERE seq = 4",
        "UPDATE ledger SET seq = 400 WHERE seq = 4",
        "DELETE FROM ledger WHERE seq = 4",
    ],
)
def test_an_entry_of_the_ledger(change: str, full_workspace: Path, copy_of: Copy) -> None:
    root = copy_of(full_workspace)
    tamper(root, change)
    found = problems(root)
    assert any(text.startswith(("Ledger entry 4:", "Ledger: entries 4 to 4")) for text in found), found


def test_two_entries_swapped(full_workspace: Path, copy_of: Copy) -> None:
    root = copy_of(full_workspace)
    tamper(
        root,
        "UPDATE ledger SET seq = 1000 WHERE seq = 4",
        "UPDATE ledger SET seq = 4 WHERE seq = 5",
        "UPDATE ledger SET seq = 5 WHERE seq = 1000",
    )
    found = problems(root)
    assert any(text.startswith("Ledger entry 4:") for text in found), found
    assert any(text.startswith("Ledger entry 5:") for text in found), found


def test_the_tail_cut(full_workspace: Path, copy_of: Copy) -> None:
    """The chain of what is left is whole; a checkpoint and the head that this machine noted tell."""
    root = copy_of(full_workspace)
    ((last,),) = tamper(root, "SELECT max(seq) FROM ledger")
    tamper(root, f"DELETE FROM ledger WHERE seq > {last - 2}")
    found = problems(root)
    assert f"Checkpoint {last}: the ledger was cut or rewritten after it was signed" in found
    assert any(f"ends at entry {last - 2}, but entry {last} was seen" in text for text in found)


def test_the_tail_cut_together_with_its_checkpoints(full_workspace: Path, copy_of: Copy) -> None:
    root = copy_of(full_workspace)
    ((last,),) = tamper(root, "SELECT max(seq) FROM ledger")
    tamper(root, f"DELETE FROM ledger WHERE seq > {last - 2}", f"DELETE FROM ledger_checkpoint WHERE seq > {last - 2}")
    found = problems(root)
    assert any(f"entry {last} was seen on this machine: its tail was cut" in text for text in found), found


def rechain(root: Path) -> None:
    """What an administrator with the disk can do: change an entry and make the whole chain fit again."""
    with duckdb.connect(str(root / "store.duckdb")) as connection:
        previous = GENESIS
        for seq, text in connection.execute("SELECT seq, body FROM ledger ORDER BY seq").fetchall():
            body = json.loads(text)
            if seq == 4:
                body["summary"] = "Something nicer"
            data = canonical_json(body)
            digest = hashlib.sha256(bytes.fromhex(previous) + data).hexdigest()
            connection.execute(
                "UPDATE ledger SET body = ?, prev = ?, hash = ? WHERE seq = ?", [data.decode(), previous, digest, seq]
            )
            previous = digest


def test_the_whole_chain_rewritten(full_workspace: Path, copy_of: Copy) -> None:
    root = copy_of(full_workspace)
    rechain(root)
    found = problems(root)
    assert any(text.startswith("Checkpoint ") and "rewritten" in text for text in found), found
    assert any("not the one that was seen on this machine: the ledger was rewritten" in text for text in found)


def test_the_whole_chain_rewritten_and_the_checkpoints_removed(full_workspace: Path, copy_of: Copy) -> None:
    root = copy_of(full_workspace)
    rechain(root)
    tamper(root, "DELETE FROM ledger_checkpoint")
    found = problems(root)
    assert any("the ledger was rewritten" in text for text in found), found
    assert any(text.startswith("Checkpoint ") and "removed, but" in text for text in found), found


def test_a_rewritten_ledger_stays_found_after_more_work(full_workspace: Path, copy_of: Copy) -> None:
    """The noted head is not replaced by one of a ledger that contradicts it."""
    from core.engine.actors import ENGINE
    from core.engine.context import Done
    from core.engine.engine import Engine

    root = copy_of(full_workspace)
    rechain(root)
    tamper(root, "DELETE FROM ledger_checkpoint")
    engine = Engine(root, slots=0)
    for _ in range(3):
        engine.dispatcher.carry_out("test.note", "read", ENGINE, lambda context: Done(summary="A note"))
    engine.close()
    assert any("the ledger was rewritten" in text for text in problems(root))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ('UPDATE ledger_checkpoint SET "at" = "at" + INTERVAL 1 SECOND WHERE seq = {seq}', "Checkpoint {seq}:"),
        ("UPDATE ledger_checkpoint SET envelope = '{{}}' WHERE seq = {seq}", "Checkpoint {seq}:"),
        ("UPDATE ledger_checkpoint SET seq = 3 WHERE seq = {seq}", "Checkpoint 3:"),
        ("DELETE FROM ledger_checkpoint WHERE seq = {seq}", "Checkpoint {seq}: removed"),
        ("UPDATE alembic_version SET version_num = '0000'", "Table alembic_version"),
    ],
)
@pytest.mark.parametrize("which", ["min", "max"])
def test_checkpoints_and_version(change: str, named: str, which: str, full_workspace: Path, copy_of: Copy) -> None:
    root = copy_of(full_workspace)
    ((seq,),) = tamper(root, f"SELECT {which}(seq) FROM ledger_checkpoint")
    if "alembic" in change:
        tamper(root, change)
        with pytest.raises(SystemFault):
            problems(root)
        return
    tamper(root, change.format(seq=seq))
    found = problems(root)
    assert any(text.startswith(named.format(seq=seq)) for text in found), found


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE metric_point SET value = value + 1e-9 WHERE step = 2",
        "UPDATE metric_point SET step = 99 WHERE step = 4",
        "UPDATE metric_point SET name = 'gain' WHERE step = 2",
        "UPDATE metric_point SET run = 'run-2' WHERE step = 2",
        "UPDATE metric_point SET position = 99 WHERE step = 4",
        "UPDATE metric_point SET batch = 'mb-other' WHERE step = 2",
        "DELETE FROM metric_point WHERE step = 2",
        "DELETE FROM metric_point",
        "INSERT INTO metric_point SELECT * FROM metric_point WHERE step = 2",
        "INSERT INTO metric_point SELECT * REPLACE ('mb-other' AS batch) FROM metric_point WHERE step = 2",
    ],
)
def test_metric_points(change: str, full_workspace: Path, copy_of: Copy) -> None:
    root = copy_of(full_workspace)
    tamper(root, change)
    assert any(text.startswith("Table metric_point") for text in problems(root))


def test_one_byte_of_a_blob_and_a_missing_one(full_workspace: Path, copy_of: Copy) -> None:
    root = copy_of(full_workspace)
    blobs = sorted((root / "blobs").glob("??/*"))
    assert len(blobs) == 6
    for blob in blobs:
        data = blob.read_bytes()
        blob.chmod(0o600)
        blob.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        name = "b3:" + blob.parent.name + blob.name
        assert [text for text in problems(root) if text.startswith(f"Blob {name}: its bytes were changed (used by ")]
        blob.unlink()
        assert [text for text in problems(root) if text.startswith(f"Blob {name}: missing (used by ")]
        blob.write_bytes(data)
    assert problems(root) == []


def test_a_flipped_bit_anywhere_in_the_file(full_workspace: Path, copy_of: Copy) -> None:
    """Either the store says that it is damaged, or verification finds it, or it lay in unused space."""
    root = copy_of(full_workspace)
    file = root / "store.duckdb"
    sound = file.read_bytes()
    before = contents(root)  # compared as text: a point that is not a number equals itself there
    dice = random.Random(7)
    caught = 0
    for _ in range(12):
        place = dice.randrange(len(sound))
        file.write_bytes(sound[:place] + bytes([sound[place] ^ (1 << dice.randrange(8))]) + sound[place + 1 :])
        (root / "store.duckdb.wal").unlink(missing_ok=True)
        try:
            found = problems(root)
            if found:
                caught += 1
            else:
                assert repr(contents(root)) == repr(before), f"a bit at {place} changed what the store says, unseen"
        except SystemFault:
            caught += 1
    file.write_bytes(sound)
    assert problems(root) == []
    assert caught > 0


def contents(root: Path) -> list[Any]:
    tables = [*sorted(FACT_BY_TABLE), "ledger", "ledger_checkpoint", "metric_point"]
    return [tamper(root, f'SELECT * FROM "{table}" ORDER BY ALL') for table in tables]
