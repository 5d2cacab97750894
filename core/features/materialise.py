"""Bringing an online store up to an instant: what became valid since the last time, and that once.

How far a view has come is kept by the store itself, in the same transaction as the rows. So a kill between
any two steps leaves a store that says truly what it holds, and the next materialisation goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import polars as pl

from core.features.definitions import changes, definition_digest
from core.features.online import newest_at, store_rows
from core.kernel.clock import utc_text
from core.kernel.digests import digest_bytes, digest_json
from core.kernel.progress import Progress
from core.kernel.records import Record
from core.project.schema import FeatureView
from core.serving.online_records import VERSIONS, FeatureStore, Held, Mark, Row, Step

HISTORY = timedelta(hours=1)  # a first load reaches back so far: requests under way ask for moments just past
BATCH = 50_000
Mode = Literal["first", "incremental", "replaced", "nothing"]


class MaterialisedView(Record):
    """What a materialisation of one view did. Times are RFC 3339.

    ``newest`` is when the newest value became valid, none for a static view.

    ``mode``: *first* load, *incremental*, *replaced* (``reason`` says why), or *nothing* new.
    """

    view: str
    mode: Mode
    reason: str
    rows: int
    entities: int
    before: str | None
    until: str
    newest: str | None
    version: str
    definition: dict[str, Any]


class Plan(Record):
    """What has to be written to bring a view to an instant."""

    mode: Mode
    reason: str
    name: str
    start: datetime | None


def bring_to(
    store: FeatureStore,
    name: str,
    view: FeatureView,
    definition: dict[str, Any],
    values: Path,
    until: datetime,
    progress: Progress,
    batch: int = BATCH,
) -> MaterialisedView:
    """Write what the store lacks of a view's values as of ``until`` (inclusive).

    Args:
        definition: what :func:`core.features.definitions.definition_of` gives.
        values: a file of :func:`core.features.online.write_view_values`.
        batch: rows written in one transaction.

    Raises:
        InputError: when values are neither numbers, text nor booleans. SystemFault: the store failed.
    """
    held = store.held().get(name, Held())
    before = utc_text(_moment(held.mark.until)) if held.mark else None
    state = newest_at(view, values, until)
    plan = plan_for(held, view, definition, values, until, state_digest(state))
    mark = _mark(held, plan, view, definition, state, until)
    rows = 0
    if plan.mode != "nothing":
        frame = _frame(view, values, plan, until)
        rows = _write(store, name, plan, mark, store_rows(name, view, frame), frame.height, progress, batch)
    return MaterialisedView(
        view=name,
        mode=plan.mode,
        reason=plan.reason,
        rows=rows,
        entities=state.height,
        before=before,
        until=utc_text(_moment(mark.until)),
        newest=utc_text(_moment(mark.newest)) if mark.newest is not None else None,
        version=mark.version,
        definition=definition,
    )


def plan_for(
    held: Held, view: FeatureView, definition: dict[str, Any], values: Path, until: datetime, state: str
) -> Plan:
    """Which rows the store lacks, and why. ``state`` is the digest of the newest values as of ``until``."""
    mark, version = held.mark, definition_digest(definition)
    mode, reason, start = _mode(mark, view, definition, version, values, until)
    name = digest_json([version, mode, start and utc_text(start), utc_text(until), state])
    return Plan(mode=mode, reason=reason, name=name, start=start)


def _mode(
    mark: Mark | None, view: FeatureView, definition: dict[str, Any], version: str, values: Path, until: datetime
) -> tuple[Mode, str, datetime | None]:
    if mark is None:
        return "first", "the store held nothing of this view", None
    if mark.version != version:
        words = "; ".join(change.line() for change in changes(mark.definition, definition))
        return "replaced", f"its definition changed: {words or 'it was another one'}", None
    reached = _moment(mark.until)
    if state_digest(newest_at(view, values, reached)) != mark.state:
        return "replaced", f"values from before {utc_text(reached)} changed: rows came late or were corrected", None
    if until <= reached:
        return "nothing", f"the store holds it up to {utc_text(reached)}", None
    return "incremental", "", reached


def _frame(view: FeatureView, values: Path, plan: Plan, until: datetime) -> pl.DataFrame:
    """The rows of a plan in their fixed order; of each entity no more than a store keeps."""
    lazy = pl.scan_parquet(values)
    start = plan.start or until - HISTORY
    inside = lazy.filter(pl.col("valid_from") > start, pl.col("valid_from") <= until).collect()
    if plan.start is None:
        inside = pl.concat([newest_at(view, values, start), inside])
    return inside.group_by(view.entity, maintain_order=True).tail(VERSIONS).select(inside.columns)


def _write(
    store: FeatureStore,
    name: str,
    plan: Plan,
    mark: Mark,
    rows: Iterator[Row],
    total: int,
    progress: Progress,
    batch: int,
) -> int:
    written, first = 0, 0
    while True:
        progress.check()
        part = list(islice(rows, batch))
        last = first + len(part) >= total
        step = Step(plan=plan.name, first=first, replace=plan.start is None, mark=mark if last else None)
        written += store.load(name, step, part)
        first += len(part)
        progress.step(first, max(total, 1), f"{name}: {first:,} of {total:,} values")
        if last:
            return written


def _mark(
    held: Held, plan: Plan, view: FeatureView, definition: dict[str, Any], state: pl.DataFrame, until: datetime
) -> Mark:
    if plan.mode == "nothing" and held.mark is not None:
        return held.mark
    newest = None if view.static else state.select(pl.col("valid_from").max().dt.epoch("us") / 1e6).item()
    since = held.mark.since if plan.mode == "incremental" and held.mark else (until - HISTORY).timestamp()
    return Mark(
        until=until.timestamp(),
        since=since,
        version=definition_digest(definition),
        state=state_digest(state),
        definition=definition,
        newest=newest,
    )


def mark_reached(
    store: FeatureStore, name: str, view: FeatureView, definition: dict[str, Any], values: Path, until: datetime
) -> None:
    """Note that everything up to ``until`` was written outside a plan, by somebody who wrote each update."""
    held = store.held().get(name, Held())
    if held.mark is None or held.mark.until >= until.timestamp():
        return
    start = _moment(held.mark.until)
    mark = _mark(
        held,
        Plan(mode="incremental", reason="", name="", start=start),
        view,
        definition,
        newest_at(view, values, until),
        until,
    )
    store.load(name, Step(plan=digest_json(["reached", mark.plain()]), first=0, mark=mark), [])


def state_digest(state: pl.DataFrame) -> str:
    """Digest of the newest values of all entities in their order, types included.

    The rows' hashes are Polars' own: with another version of it every digest is another, and a view is
    then written anew once.
    """
    kinds = [[name, str(kind)] for name, kind in state.schema.items()]
    rows = state.hash_rows(seed=1).to_numpy().tobytes() if state.height else b""
    return digest_json([kinds, digest_bytes(rows)])


def _moment(seconds: float) -> datetime:
    """The instant, to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(seconds * 1e6))
