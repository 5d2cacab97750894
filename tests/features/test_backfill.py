"""Backfill: partitions hold what the whole computation says, survive SIGKILL, and equal their first computation."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.workfolder import write_job
from core.features.backfill import Partition, backfill, partition_file, periods_of, values_between
from core.features.views import view_values
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.schema import FeatureView, Project, Window

from .brute import START, Row, table_of
from .test_windows import tables, windows

JUNE, JULY = datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 7, 1, tzinfo=UTC)
KILLS = 10


@settings(max_examples=40, deadline=None)
@given(
    tables(),
    st.one_of(st.none(), windows()),
    st.sampled_from(["1h", "3h"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["available", "event"]),
)
def test_partitions_hold_what_the_whole_says(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    chosen: dict[str, Window] | None,
    every: str,
    keyed: bool,
    late: bool,
    clock: str,
) -> None:
    view = FeatureView(
        table="t",
        entity=["who"],
        event_time="happened",
        available="known" if late else None,
        refresh=every,
        key=["key"] if keyed else [],
        clock=clock,  # type: ignore[arg-type]
        columns={} if chosen else {"whole": "whole", "text": "text"},
        windows=chosen or {},
    )
    table = tmp_path_factory.mktemp("table") / "t.parquet"
    table_of(rows).write_parquet(table)
    whole = view_values("view", view, table).sort("valid_from", "who").collect()
    for number in range(5):
        start, end = START + timedelta(hours=7 * number), START + timedelta(hours=7 * (number + 1))
        wanted = whole.filter(pl.col("valid_from").is_between(start, end, closed="left"))
        got = values_between("view", view, table, start, end).collect()
        assert got.select("valid_from", "who").equals(wanted.select("valid_from", "who"))
        for name in got.columns:
            close = got[name].is_close(wanted[name], rel_tol=1e-9) if got[name].dtype.is_float() else None
            assert got[name].equals(wanted[name]) or (close is not None and close.fill_null(value=True).all()), name


@pytest.mark.parametrize("name", ["weather", "origin_delays", "route_delays"])
def test_a_month_of_flights_by_days_equals_the_whole(
    flights_project: Project, flights_tables: dict[str, Path], tmp_path: Path, name: str
) -> None:
    view = flights_project.features.views[name]
    made = backfill(name, view, flights_tables[view.table], JUNE, JULY, "day", tmp_path / "first", Silent())
    assert len(made) == 30
    inside = pl.col("valid_from").is_between(JUNE, JULY, closed="left")
    whole = (
        view_values(name, view, flights_tables[view.table]).filter(inside).sort("valid_from", *view.entity).collect()
    )
    assert joined(tmp_path / "first", made).equals(whole)
    assert whole.height > 2_000
    again = backfill(name, view, flights_tables[view.table], JUNE, JULY, "day", tmp_path / "again", Silent())
    assert again == made


def joined(folder: Path, made: list[Partition]) -> pl.DataFrame:
    return pl.read_parquet([partition_file(folder, item.start) for item in made])


def test_periods_are_cut_at_midnights_and_firsts() -> None:
    since, until = datetime(2024, 1, 30, 12, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC)
    days = list(periods_of(since, until, None))
    assert days[0] == (since, datetime(2024, 1, 31, tzinfo=UTC))
    assert [end for _, end in days] == [datetime(2024, 1, 31, tzinfo=UTC) + timedelta(days=n) for n in range(32)]
    months = list(periods_of(since, until, "month"))
    assert [start.strftime("%m-%d %H") for start, _ in months] == ["01-30 12", "02-01 00", "03-01 00"]
    assert months[-1][1] == until
    with pytest.raises(InputError):
        list(periods_of(until, since, None))


def test_a_static_view_has_no_past(flights_project: Project, flights_tables: dict[str, Path], tmp_path: Path) -> None:
    view = flights_project.features.views["aircraft"]
    with pytest.raises(InputError, match="static"):
        backfill("aircraft", view, flights_tables["planes"], JUNE, JULY, None, tmp_path, Silent())


def test_a_half_written_partition_is_made_again(
    flights_project: Project, flights_tables: dict[str, Path], tmp_path: Path
) -> None:
    view = flights_project.features.views["weather"]
    until = JUNE + timedelta(days=3)
    made = backfill("weather", view, flights_tables["weather"], JUNE, until, "day", tmp_path, Silent())
    files = [partition_file(tmp_path, item.start) for item in made]
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].with_suffix(".json").unlink()
    files[2].with_suffix(".json").write_text("{")
    assert backfill("weather", view, flights_tables["weather"], JUNE, until, "day", tmp_path, Silent()) == made


def test_killed_at_seeded_moments_it_loses_and_doubles_nothing(
    flights_project: Project, flights_tables: dict[str, Path], tmp_path: Path
) -> None:
    """The worker itself is killed; each time a new one takes up the folder, as the owner does."""
    draw = random.Random(11)
    view = flights_project.features.views["route_delays"]
    params = {
        "name": "route_delays",
        "view": view.plain(),
        "since": "2013-03-01T00:00:00Z",
        "until": "2013-04-20T00:00:00Z",
        "by": "day",
    }
    folder, table = tmp_path / "job", flights_tables[view.table]
    seen: list[set[str]] = []
    for _ in range(KILLS):
        work(folder, params, table, draw.randint(1, 6), draw.uniform(0.0, 0.2))
        seen.append({file.stem for file in (folder / "partitions").glob("*.json")})
    assert all(before <= after for before, after in pairwise(seen))
    assert len({len(done) for done in seen}) > 4, "the kills fell on different moments"
    work(folder, params, table, None, 0.0)
    outcome = json.loads((folder / "outcome.json").read_text())
    since, until = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 4, 20, tzinfo=UTC)
    whole = view_values("route_delays", view, table).filter(
        pl.col("valid_from").is_between(since, until, closed="left")
    )
    assert joined(folder / "partitions", [Partition.read(item) for item in outcome["partitions"]]).equals(
        whole.sort("valid_from", "route").collect()
    )
    assert outcome["rows"] == whole.collect().height


def work(folder: Path, params: dict[str, object], table: Path, steps: int | None, after: float) -> None:
    """A worker on the folder, killed ``after`` seconds beyond so many steps; or left to end."""
    write_job(folder, "core.engine.work.backfill:backfill_view", params, {"table": table})
    process = subprocess.Popen(
        [sys.executable, "-m", "core.engine.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"folder": str(folder)}) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] in ("done", "failed"):
            assert event["event"] == "done", event
            break
        if steps is not None and event["event"] == "step":
            steps -= 1
            if steps == 0:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=after)
                process.send_signal(signal.SIGKILL)
                break
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()
