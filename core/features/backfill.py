"""A view's values over a past period, partition by partition, so that a killed job goes on where it stopped.

Each partition is computed from the rows that matter to it alone: none that became available after it,
and none that no window reaches. What is recomputed therefore equals what was computed at the time,
as long as the table's past was not changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import ValidationError

from core.features.expressions import as_utc, computed
from core.features.views import availability, view_values
from core.kernel.clock import utc_text
from core.kernel.digests import digest_file
from core.kernel.durations import span
from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.kernel.records import Record
from core.project.schema import FeatureView

By = Literal["day", "month"]
DAYS = 62  # a longer period is cut by months where nothing else is asked for


class Partition(Record):
    """The values that begin to hold in [start, end), and the digest of the file that holds them."""

    start: str
    end: str
    rows: int
    digest: str


def backfill(
    name: str,
    view: FeatureView,
    table: Path,
    since: datetime,
    until: datetime,
    by: By | None,
    folder: Path,
    progress: Progress,
) -> list[Partition]:
    """Write one Parquet file for each partition of [since, until) into ``folder``; done ones are kept.

    Returns:
        The partitions in order of time; the file of each is :func:`partition_file`.

    Raises:
        InputError: when the period is empty, or the view has no past.
    """
    if view.static:
        raise InputError(f"View {name!r} is static: it has no past", where=f"features.views.{name}")
    periods = list(periods_of(since, until, by))
    folder.mkdir(parents=True, exist_ok=True)
    made, kept = [], 0
    for done, (start, end) in enumerate(periods):
        progress.check()
        progress.step(done, len(periods), f"{name}: {start:%d %B %Y}")
        known = _finished(folder, start, end)
        kept += known is not None
        made.append(known or _write(name, view, table, start, end, folder))
    if kept:
        progress.log(f"{kept} of {len(periods)} partitions were there already")
    progress.step(len(periods), len(periods), f"{sum(item.rows for item in made):,} values")
    return made


def periods_of(since: datetime, until: datetime, by: By | None) -> Iterator[tuple[datetime, datetime]]:
    """[since, until) cut at midnights or firsts of a month, UTC.

    Raises:
        InputError: when nothing lies between them.
    """
    if since >= until:
        raise InputError("The period ends before it begins", detail=f"{utc_text(since)} to {utc_text(until)}")
    daily = until - since <= timedelta(days=DAYS) if by is None else by == "day"
    start = since
    while start < until:
        midnight = datetime.combine(start.date(), time(), UTC)
        end = midnight + timedelta(days=1) if daily else (midnight.replace(day=28) + timedelta(days=4)).replace(day=1)
        yield start, min(end, until)
        start = end


def partition_file(folder: Path, start: str) -> Path:
    """Where the values of the partition that begins at ``start`` lie."""
    return folder / f"{start[:19].replace(':', '')}.parquet"


def values_between(name: str, view: FeatureView, table: Path, start: datetime, end: datetime) -> pl.LazyFrame:
    """The view's values with ``start <= valid_from < end``, from the rows that matter, in order of time and entity."""
    rows = pl.scan_parquet(table)
    known, back = availability(view), reach(view)
    rows = rows.filter(known < end)
    if back is not None:
        by_event = view.windows and view.clock == "event" and view.event_time
        aged = pl.max_horizontal(known, as_utc(view.event_time)) if by_event and view.event_time else known
        rows = rows.filter(aged > start - back)
    values = view_values(name, view, rows).filter(pl.col("valid_from").is_between(start, end, closed="left"))
    return values.sort("valid_from", *view.entity)


def reach(view: FeatureView) -> timedelta | None:
    """How long before a period a row can still matter to it; none: for ever."""
    every = span(view.refresh or ("1h" if view.windows else "0s"))
    if view.windows:
        overs = [window.over for window in view.windows.values()]
        if view.key and view.clock == "event":  # a correction may have moved a row out of every window
            return None
        return None if None in overs else max(span(over) for over in overs if over) + 2 * every
    late = view.key or view.available not in (None, view.event_time)
    return None if late else every + timedelta(microseconds=1)


def _write(name: str, view: FeatureView, table: Path, start: datetime, end: datetime, folder: Path) -> Partition:
    with computed(f"features.views.{name}"):
        values = values_between(name, view, table, start, end).collect()
    file = partition_file(folder, utc_text(start))
    part = file.with_suffix(".part")
    values.write_parquet(part, compression="zstd", compression_level=3)
    part.replace(file)
    made = Partition(start=utc_text(start), end=utc_text(end), rows=values.height, digest=digest_file(file))
    note = file.with_suffix(".new")
    note.write_text(made.model_dump_json())
    note.replace(file.with_suffix(".json"))  # the last act: a file without it is made again
    return made


def _finished(folder: Path, start: datetime, end: datetime) -> Partition | None:
    """A partition that an earlier, killed run wrote whole."""
    file = partition_file(folder, utc_text(start))
    note = file.with_suffix(".json")
    if not (note.is_file() and file.is_file()):
        return None
    try:
        made = Partition.model_validate_json(note.read_text())
    except ValidationError:
        return None
    return made if made.end == utc_text(end) and digest_file(file) == made.digest else None
