"""Tags, retention and collection: what is referred to stays, what goes is written down, a kill harms nothing."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlmodel import select

from core.data.parts import cut_table
from core.data.writing import columns_of
from core.engine.actors import ENGINE
from core.engine.context import Context, Done
from core.engine.engine import Engine
from core.engine.jobs import submit
from core.engine.operations.data import keep_table
from core.engine.operations.projects import LoadProject
from core.engine.operations.projects import load as load_project_now
from core.engine.questions.data import find_snapshot, snapshot, snapshot_rows, snapshots
from core.engine.questions.governance import ledger_verify
from core.engine.questions.snapshots import garbage, snapshot_changes
from core.engine.registry import JobOutcome
from core.kernel.clock import FixedClock
from core.kernel.errors import Conflict, InputError, NotFound
from core.kernel.progress import Silent
from core.store.tables import Edge, PipelineRun, Run, Snapshot, StepResult

OpenAt = Callable[[datetime], tuple[Engine, FixedClock]]
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
PROJECT = (Path(__file__).parents[1] / "faults" / "orders.yaml").read_text()
RULES = "\nretention:\n  orders: {newest: 2, within: 3d}\n"


def table(day: int, rows: int = 20_000) -> pl.DataFrame:
    """A table that grows by 1,000 rows a day."""
    rng = np.random.default_rng(5)
    whole = pl.DataFrame({"k": range(rows + 60_000), "x": rng.normal(size=rows + 60_000)})
    return whole[: rows + 1000 * day]


def keep(engine: Engine, frame: pl.DataFrame, name: str = "orders", kind: str = "source") -> str:
    """Commit a table as a finished job does, with the step's result for the cache."""
    folder = engine.workspace.root / "jobs" / "made"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    frame.write_parquet(folder / "table.parquet")
    cut_table(folder, Silent())
    columns = [column.plain() for column in columns_of(frame.schema)]
    value = {"rows": frame.height, "source_digest": "", "schema_digest": "", "columns": columns}
    outcome = JobOutcome("job-x", "", folder, {}, {"name": name}, value, 0.1, {})

    def commit(context: Context) -> Done:
        done = keep_table(context, outcome, kind)
        context.add(StepResult, "sr", step=name, key=f"k{frame.height}", seconds=0.1, outputs=done.result)
        return done

    return str(do(engine, commit)["snapshot"])


def do(engine: Engine, function: Callable[[Context], Done]) -> dict[str, Any]:
    return engine.dispatcher.carry_out("test.do", "read", ENGINE, function)


def change(engine: Engine, name: str, **request: Any) -> dict[str, Any]:
    return engine.dispatcher.change(name, request, ENGINE)


def load(engine: Engine, text: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "plimsoll.yaml").write_text(text)
    do(engine, lambda context: load_project_now(context, LoadProject(path=str(folder))))


def row(engine: Engine, name: str) -> Snapshot:
    with engine.workspace.database.reading() as session:
        return find_snapshot(session, name)


def ten_days(open_at: OpenAt, folder: Path) -> tuple[Engine, list[str]]:
    """Ten daily snapshots under a rule that keeps the newest two and those of three days."""
    engine, clock = open_at(NOON)
    made = []
    for day in range(10):
        made.append(keep(engine, table(day)))
        clock.advance(timedelta(days=1 if day < 9 else 0))
    load(engine, PROJECT + RULES, folder)
    return engine, made


def test_without_a_rule_nothing_goes_but_what_nothing_names(engine: Engine) -> None:
    made = [keep(engine, table(day)) for day in range(3)]
    orphan = engine.workspace.blobs.put_bytes(b"left by a kill")
    plan = garbage(engine)
    assert (plan["snapshots"], list(plan["blobs"])) == ([], [orphan])
    assert plan["reasons"][orphan] == "named by nothing"
    assert change(engine, "data.collect")["blobs"] == 1
    assert not engine.workspace.blobs.has(orphan)
    assert change(engine, "data.collect") == {"snapshots": 0, "blobs": 0, "bytes": 0, "report": ""}
    assert all(snapshot_rows(engine, one).height == 256 for one in made)
    assert ledger_verify(engine)["problems"] == []


def test_a_rule_retires_old_snapshots_and_the_others_keep_every_row(engine_at: OpenAt, tmp_path: Path) -> None:
    engine, made = ten_days(engine_at, tmp_path / "project")
    change(engine, "snapshot.tag", snapshot=made[2], tag="january")
    plan = garbage(engine)
    gone = [one["snapshot"] for one in plan["snapshots"]]
    assert sorted(gone) == sorted(set(made[:7]) - {made[2]})
    assert {one["snapshot"]: one["reason"] for one in plan["kept"]}[made[2]] == "tagged january"
    blobs = engine.workspace.blobs
    before = sum(path.stat().st_size for path in blobs.root.glob("??/*"))
    assert garbage(engine) == plan  # a dry run changes nothing
    done = change(engine, "data.collect")
    after = sum(path.stat().st_size for path in blobs.root.glob("??/*"))
    assert (done["snapshots"], done["bytes"]) == (6, plan["bytes"])
    assert before - after == pytest.approx(done["bytes"], abs=20_000)  # less the report of the collection
    for day in (2, 7, 8, 9):
        assert pl.read_parquet(blobs.path(row(engine, made[day]).blob)).equals(table(day))
    with pytest.raises(NotFound, match="collected"):
        snapshot_rows(engine, made[0])
    assert snapshot(engine, made[0])["content"] == "collected"
    report = ledger_verify(engine)
    assert report["problems"] == []
    assert row(engine, made[0]).blob in report["collected_blobs"]
    listed = {one["snapshot"]: one for one in snapshots(engine).to_dicts()}
    assert (listed[made[2]]["tags"], listed[made[1]]["content"]) == ("january", "collected")


def test_the_cache_forgets_what_was_collected_and_the_same_table_may_come_again(
    engine_at: OpenAt, tmp_path: Path
) -> None:
    engine, made = ten_days(engine_at, tmp_path / "project")
    change(engine, "data.collect")
    assert engine.pipelines._known("k20000") is None
    assert engine.pipelines._known("k29000") is not None
    again = keep(engine, table(0))
    assert pl.read_parquet(engine.workspace.blobs.path(row(engine, again).blob)).equals(table(0))
    assert engine.pipelines._known("k20000") is not None
    assert ledger_verify(engine)["problems"] == []
    with pytest.raises(NotFound, match="collected"):
        snapshot_rows(engine, made[0])


def test_what_is_referred_to_stays(engine_at: OpenAt, tmp_path: Path) -> None:
    engine, made = ten_days(engine_at, tmp_path / "project")
    training_set = keep(engine, table(1, 9000), "features", "training_set")

    def refer(context: Context) -> Done:
        context.edge(made[0], training_set, "features")
        context.add(
            Run, "run", name="r", project="p", trainer="t", seed=1, started_at=context.now, seconds=1.0,
            inputs={"training_set": training_set},
        )  # fmt: skip
        job = submit(context, "data.profile", "t", params={}, inputs={"table": row(engine, made[1]).blob})
        return Done(summary="referred", result={"job": job})

    do(engine, refer)
    plan = garbage(engine)
    assert made[0] not in [one["snapshot"] for one in plan["snapshots"]]
    reasons = {one["snapshot"]: one["reason"] for one in plan["kept"]}
    assert "made from it" in reasons[made[0]]
    assert "job" in reasons[made[1]]
    change(engine, "data.collect")
    for day in (0, 1):
        assert pl.read_parquet(engine.workspace.blobs.path(row(engine, made[day]).blob)).equals(table(day))
    with engine.workspace.database.reading() as session:
        assert session.exec(select(Edge)).all()


def test_nothing_is_collected_while_a_pipeline_runs(engine: Engine) -> None:
    def start(context: Context) -> Done:
        run = context.add(PipelineRun, "pipe", project_version="none")
        context.transition("pipeline", run.id, "running")
        return Done(summary="running")

    do(engine, start)
    with pytest.raises(Conflict, match="pipeline"):
        change(engine, "data.collect")


def test_tags_are_found_move_and_go(engine: Engine) -> None:
    first, second = keep(engine, table(0)), keep(engine, table(1))
    change(engine, "snapshot.tag", snapshot=first, tag="release-1")
    assert row(engine, "release-1").id == first
    assert change(engine, "snapshot.tag", snapshot=second, tag="release-1")["before"] == first
    assert row(engine, "release-1").id == second
    for taken in ("orders", "latest", "snap-1"):
        with pytest.raises(Conflict):
            change(engine, "snapshot.tag", snapshot=first, tag=taken)
    with pytest.raises(InputError):
        change(engine, "snapshot.tag", snapshot=first, tag="../x")
    change(engine, "snapshot.untag", tag="release-1")
    with pytest.raises(NotFound):
        row(engine, "release-1")
    with pytest.raises(NotFound):
        change(engine, "snapshot.untag", tag="release-1")


def test_rows_that_differ_come_in_pages_with_their_cells(engine: Engine) -> None:
    before = table(0)
    after = before.with_columns(x=pl.when(pl.col("k") % 1000 == 7).then(-1.0).otherwise("x"))[:-3]
    a, b = keep(engine, before), keep(engine, pl.concat([after, pl.DataFrame({"k": [10**9], "x": [5.0]})]))
    rows = snapshot_changes(engine, a, b, ["k"], 0, 100)
    assert [one["change"] for one in rows] == ["changed"] * 20 + ["removed"] * 3 + ["added"]
    old = before.filter(pl.col("k") == 7)["x"].item()
    assert rows[0] == {
        "change": "changed", "key": {"k": "7"}, "cells": [{"column": "x", "before": str(old), "after": "-1.0"}]
    }  # fmt: skip
    assert rows[-1]["cells"] == [{"column": "x", "before": None, "after": "5.0"}]
    assert snapshot_changes(engine, a, b, ["k"], 18, 3) == rows[18:21]
    with pytest.raises(InputError):
        snapshot_changes(engine, a, b, ["x", "nope"])


KILLED = """
import os, signal, sys
from pathlib import Path
from core.blobs import store
from core.engine.actors import ENGINE
from core.engine.engine import Engine
from core.kernel.clock import FixedClock
from datetime import datetime, UTC
left = [int(sys.argv[2])]
real = Path.unlink
def unlink(self, missing_ok=False):
    if len(self.name) == 62:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
    real(self, missing_ok)
engine = Engine(Path(sys.argv[1]), slots=0, clock=FixedClock(datetime(2030, 1, 10, 13, tzinfo=UTC)))
Path.unlink = unlink
engine.dispatcher.change("data.collect", {}, ENGINE)
"""


def test_kills_while_files_are_removed_are_made_good_by_the_next_collection(workspace: Path, tmp_path: Path) -> None:
    clock = FixedClock(NOON)
    engine, made = ten_days(lambda at: (Engine(workspace, slots=0, clock=clock), clock), tmp_path / "project")
    plan = garbage(engine)
    engine.close()
    for files in (0, 1, 4):
        words = [sys.executable, "-c", KILLED, str(workspace), str(files)]
        killed = subprocess.run(words, timeout=120, capture_output=True)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    clock.advance(timedelta(hours=2))
    opened = Engine(workspace, slots=0, clock=clock)
    try:
        assert ledger_verify(opened)["problems"] == []
        assert set(garbage(opened)["blobs"]) < set(plan["blobs"])
        assert change(opened, "data.collect")["blobs"] == len(plan["blobs"]) - 5
        assert ledger_verify(opened)["problems"] == []
        assert garbage(opened)["blobs"] == {}
        for day in (7, 8, 9):
            assert pl.read_parquet(opened.workspace.blobs.path(row(opened, made[day]).blob)).equals(table(day))
    finally:
        opened.close()
