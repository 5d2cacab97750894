"""Checks against the past: what the engine collects from earlier snapshots, and how the worker judges by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from core.contract.checks import run_checks
from core.contract.schema import Check, CheckResult
from core.engine.actors import ENGINE
from core.engine.context import Context, Done
from core.engine.engine import Engine
from core.engine.pasts import collect_past
from core.engine.work.past import Earlier
from core.kernel.clock import FixedClock
from core.kernel.digests import canonical_json
from core.measures.profile import profile_frame
from core.measures.profile_facts import profile_facts
from core.store.tables import Report, Snapshot

CHECKS = [
    Check(kind="anomaly", statistic="row_count"),
    Check(kind="anomaly", statistic="null_share", columns=["colour"]),
    Check(kind="anomaly", statistic="mean", columns=["amount"]),
    Check(kind="distribution", columns=["amount"]),
    Check(kind="distribution", columns=["colour"], baseline="first"),
]


def day(number: int) -> pl.DataFrame:
    """Some 500 orders of one day."""
    rows = 500 + (number * 37) % 50
    place = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "amount": ((place * 7919 + number * 13) % 1000) / 10,
            "colour": [None if n % 50 == number % 3 else ("blue", "green", "red")[(n * n + number) % 3] for n in place],
        }
    )


def keep(engine: Engine, number: int) -> str:
    """A snapshot of a day with its profile, as the commits of jobs write them."""
    frame = day(number)
    profile = profile_frame(frame.lazy(), "orders")
    made: list[str] = []

    def function(context: Context) -> Done:
        blob = context.workspace.blobs.put_bytes(canonical_json(profile.plain()))
        row = context.add(
            Snapshot, "snap", kind="source", name="orders", rows=frame.height, bytes=1, blob=blob,
            source_digest=blob, schema_digest=blob, columns={}, detail={},
        )  # fmt: skip
        facts = {"columns": profile_facts(profile)}
        context.add(Report, "rep", kind="profile", subject=row.id, name="orders", blob=blob, summary="", facts=facts)
        made.append(row.id)
        return Done(subject=row.id, summary="kept")

    engine.dispatcher.carry_out("data.ingest", "read", ENGINE, function)
    return made[0]


@pytest.fixture
def history(engine_at: Callable[[datetime], tuple[Engine, FixedClock]]) -> tuple[Engine, list[str]]:
    """Thirty days of snapshots."""
    engine, clock = engine_at(datetime.now(UTC) + timedelta(days=1))
    ids = []
    for number in range(30):
        ids.append(keep(engine, number))
        clock.advance(timedelta(days=1))
    return engine, ids


def judged(engine: Engine, frame: pl.DataFrame, snapshot: str = "") -> list[CheckResult]:
    past = collect_past(engine.workspace, "orders", CHECKS, snapshot)
    return run_checks(frame.lazy(), CHECKS, table="orders", past=Earlier.read(past)).results


def test_an_ordinary_day_passes_and_a_spoilt_one_is_named(history: tuple[Engine, list[str]]) -> None:
    engine, _ = history
    assert [result.passed for result in judged(engine, day(30))] == [True] * 5
    few, holes, dear, moved, recoloured = judged(
        engine,
        day(30)
        .head(200)
        .with_columns(amount=pl.col("amount") * 3, colour=pl.when(pl.int_range(200) % 2 == 0).then(pl.lit("mauve"))),
    )
    for result in (few, holes, dear, moved, recoloured):
        assert not result.passed
        assert result.value is not None
    assert few.low is not None
    assert few.high is not None
    assert 300 < few.low < 520 < few.high < 700
    assert "stability index" in moved.observed


def test_only_earlier_snapshots_count_and_eight_are_needed(history: tuple[Engine, list[str]]) -> None:
    engine, ids = history
    early = judged(engine, day(5), ids[5])
    assert [bool(result.skipped) for result in early] == [True, True, True, False, False]
    assert "there are 5" in early[0].observed
    assert early[0].passed
    assert all(result.skipped for result in judged(engine, day(0), ids[0]))
    assert collect_past(engine.workspace, "orders", [Check(kind="row_count", min=1)]) == {}
