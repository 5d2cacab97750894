"""Checking the whole store against its ledger: what was edited, removed, added or reordered is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import polars as pl
import sqlalchemy.exc
from sqlalchemy import func, text
from sqlmodel import Session, col, select

from core.kernel.clock import utc_text
from core.kernel.digests import strict_json
from core.kernel.envelope import verify_statement
from core.kernel.errors import PlimsollError
from core.kernel.records import Record
from core.store.checkpoints import CHECKPOINT_TYPE, read_checkpoint
from core.store.database import Database
from core.store.ledger import GENESIS, EntryBody, Head, link, row_digest
from core.store.metrics import batch_digest, points_of
from core.store.migrations import HEAD, current_version
from core.store.tables import FACTS, Fact, LedgerCheckpoint, LedgerEntry, LogBatch, MetricBatch
from core.store.tracked import rows_of

BATCHED = {
    "metric_point": ("metric_batch", "log_batch"),
    "tracked": ("log_batch",),
    "tracked_note": ("log_batch",),
}


class LedgerReport(Record):
    """What a verification found. ``problems`` is empty for a sound store."""

    entries: int
    head: str
    rows: int
    points: int
    checkpoints: int
    problems: list[str]

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return not self.problems


def verify(database: Database, station_key: dict[str, bytes], witness: Head | None = None) -> LedgerReport:
    """Check chain, rows, metric points, checkpoints and, if given, a head noted elsewhere.

    Args:
        station_key: key id to public bytes of the key that signs checkpoints.
        witness: the newest head that was noted outside the workspace.
    """
    problems: list[str] = []
    counts = {"rows": 0, "points": 0, "checkpoints": 0}
    named: dict[int, str] = {}
    if witness is not None and witness.checkpoint:
        named[witness.checkpoint] = "it was seen on this machine"
    hashes: dict[int, str] = {0: GENESIS}
    try:
        with database.reading() as session:
            written: dict[tuple[str, str], tuple[str, int]] = {}
            problems.extend(_chain(session, hashes, written, named))
            problems.extend(_rows(session, written, counts))
            problems.extend(_points(database, session, counts))
            problems.extend(_checkpoints(session, hashes, station_key, named, counts))
            problems.extend(_schema(session))
    except (PlimsollError, sqlalchemy.exc.SQLAlchemyError, duckdb.Error, ValueError) as error:
        problems.append(f"The store cannot be read to its end: {error}")
    if witness is not None:
        problems.extend(_witness(hashes, witness))
    last = max(hashes)
    return LedgerReport(entries=last, head=hashes[last], problems=problems, **counts)


def _chain(
    session: Session,
    hashes: dict[int, str],
    written: dict[tuple[str, str], tuple[str, int]],
    named: dict[int, str],
) -> Iterator[str]:
    expected, previous = 1, GENESIS
    for entry in session.exec(select(LedgerEntry).order_by(col(LedgerEntry.seq))):
        if entry.seq != expected:
            yield f"Ledger: entries {expected} to {entry.seq - 1} are missing"
        if entry.prev != previous:
            yield f"Ledger entry {entry.seq}: does not follow the entry before it"
        if not _linked(entry):
            yield f"Ledger entry {entry.seq}: its text or its hash was changed"
        hashes[entry.seq], expected, previous = entry.hash, entry.seq + 1, entry.hash
        try:
            body = EntryBody.read(strict_json(entry.body))
        except PlimsollError:
            yield f"Ledger entry {entry.seq}: its text cannot be read"
            continue
        if _columns(entry) != _columns_of(body):
            yield f"Ledger entry {entry.seq}: its columns differ from its text"
        for row in body.rows:
            written[row.table, row.id] = (row.value, entry.seq)
        if body.checkpoint:
            named.setdefault(body.checkpoint, f"ledger entry {entry.seq} names it")


def _linked(entry: LedgerEntry) -> bool:
    try:
        return link(entry.prev, entry.body.encode()) == entry.hash
    except ValueError:  # what should be hexadecimal is not
        return False


def _columns(entry: LedgerEntry) -> tuple[Any, ...]:
    return (entry.seq, utc_text(entry.at), entry.actor, entry.kind, entry.subject, entry.outcome, entry.request)


def _columns_of(body: EntryBody) -> tuple[Any, ...]:
    return (body.seq, body.at, body.actor, body.kind, body.subject, body.outcome, body.request_id)


def _rows(session: Session, written: dict[tuple[str, str], tuple[str, int]], counts: dict[str, int]) -> Iterator[str]:
    unseen = dict(written)
    for table in FACTS:
        name = str(table.__tablename__)
        for row in session.exec(select(table)):
            counts["rows"] += 1
            known = unseen.pop((name, row.id), None)
            if known is None:
                yield f"Table {name}, row {row.id}: no ledger entry wrote it"
            elif known[0] != _digest(row):
                yield f"Table {name}, row {row.id}: changed since ledger entry {known[1]} wrote it"
    for (name, row_id), (_, seq) in unseen.items():
        yield f"Table {name}, row {row_id}: removed since ledger entry {seq} wrote it"


def _digest(row: Fact) -> str:
    try:
        return row_digest(row)
    except (PlimsollError, ValueError):  # holds what no entry can have written, such as NaN
        return ""


def _points(database: Database, session: Session, counts: dict[str, int]) -> Iterator[str]:
    for batch, points in points_of(database, session.exec(select(MetricBatch)).all()):
        counts["points"] += points.height
        if batch_digest(points) != batch.digest or not _in_place(points, batch):
            yield f"Table metric_point, batch {batch.id} of run {batch.run}: its points were changed"
    for log, rows in rows_of(database, session.exec(select(LogBatch)).all()):
        counts["points"] += rows.points.height
        if rows.digest() != log.digest:
            yield f"Tables of what is tracked, batch {log.id}: its rows were changed"
    for table, batches in BATCHED.items():
        known = " UNION ALL ".join(f"SELECT id FROM {one}" for one in batches)
        extra = session.exec(text(f"SELECT count(*) FROM {table} WHERE batch NOT IN ({known})")).one()[0]  # type: ignore[call-overload]
        if extra:
            yield f"Table {table}: {extra} rows belong to no batch"


def _in_place(points: pl.DataFrame, batch: MetricBatch) -> bool:
    """Whether the columns that the batch's digest does not cover are as they were written."""
    places = points["position"].to_list() == list(range(batch.points))
    return places and bool((points["run"] == batch.run).all())


def _checkpoints(
    session: Session,
    hashes: dict[int, str],
    keys: dict[str, bytes],
    named: dict[int, str],
    counts: dict[str, int],
) -> Iterator[str]:
    missing = dict(named)
    for row in session.exec(select(LedgerCheckpoint).order_by(col(LedgerCheckpoint.seq))):
        counts["checkpoints"] += 1
        missing.pop(row.seq, None)
        try:
            envelope = read_checkpoint(row)
            verify_statement(envelope, CHECKPOINT_TYPE, keys)
        except PlimsollError as error:
            yield f"Checkpoint {row.seq}: {error.headline}"
            continue
        said = envelope.statement()
        if said["seq"] != row.seq or said["at"] != utc_text(row.at):
            yield f"Checkpoint {row.seq}: its columns differ from what was signed"
        elif hashes.get(said["seq"]) != said["hash"]:
            yield f"Checkpoint {row.seq}: the ledger was cut or rewritten after it was signed"
    for seq, why in missing.items():
        yield f"Checkpoint {seq}: removed, but {why}"


def _schema(session: Session) -> Iterator[str]:
    found = current_version(session.connection())
    if found != HEAD:
        yield f"Table alembic_version: names {found}, not {HEAD}"
    if session.exec(select(func.count()).select_from(LedgerEntry)).one() == 0:
        yield "Ledger: it is empty"


def _witness(hashes: dict[int, str], witness: Head) -> Iterator[str]:
    if witness.seq > max(hashes):
        yield f"Ledger: ends at entry {max(hashes)}, but entry {witness.seq} was seen on this machine: its tail was cut"
    elif witness.seq and hashes.get(witness.seq) != witness.hash:
        yield f"Ledger entry {witness.seq}: not the one that was seen on this machine: the ledger was rewritten"
