"""The stream of true labels: deliveries checked whole before anything is kept, and how late the truth comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from core.contract.tasks import Task
from core.kernel.clock import utc_text
from core.kernel.errors import InputError, Problem
from core.monitoring.label_values import LABEL_KINDS
from core.monitoring.labels import key_text, label_rows
from core.monitoring.records import DayCoverage, DelayShare, LabelStream
from core.monitoring.times import TIME, utc_times

SHOWN = 3
WITHIN = {"1h": 1, "2h": 2, "6h": 6, "12h": 12, "1d": 24, "2d": 48, "7d": 168, "30d": 720}


class Delivery(NamedTuple):
    """What is new in a file of labels: ``rows`` (key columns, label, known_at), and what was not kept."""

    rows: pl.DataFrame
    repeated: int
    corrected: int
    empty: int


def check_delivery(
    new: pl.DataFrame,
    stored: pl.DataFrame | None,
    key: Sequence[str],
    *,
    known: pl.Series | None = None,
    now: datetime | None = None,
    task: Task = "binary",
) -> Delivery:
    """The rows of a file that say something new; rows said before are passed over, rows without a label too.

    Args:
        stored: all labels kept so far, in the same columns.
        known: key texts of the events there are; none means that any key is taken.
        now: a label cannot have become known later.

    Raises:
        InputError: all problems at once, each with the first rows (counted from 1) that have it: absent columns,
            keys that are empty or unknown, labels that the task does not have, times that are none or lie ahead, and
            labels that contradict another one of the same event and instant, in the file or among those kept.
    """
    absent = [name for name in (*key, "label", "known_at") if name not in new.columns]
    if absent:
        raise InputError("The labels lack columns", problems=[Problem(f"there is no column {name}") for name in absent])
    rows = _plain(new, key, task).with_row_index("row", offset=1)
    empty = int(new["label"].is_null().sum())
    rows = rows.filter(pl.Series(new["label"].is_not_null()))
    before = _plain(stored, key, task) if stored is not None else rows.head(0).drop("row", "keyless")
    problems = [*_bad_values(rows, new, now, task), *_unknown(rows, known), *_contradictions(rows, before)]
    if problems:
        raise InputError("The labels cannot be kept", remedy="Nothing was kept: correct the file", problems=problems)
    same = ["key", "known_at", "label"]
    fresh = rows.unique(same, keep="first", maintain_order=True).join(
        before, on=same, how="anti", maintain_order="left"
    )
    latest = before.sort("known_at").group_by("key").agg(pl.col("label").last().alias("before"))
    changed = fresh.join(latest, on="key", how="inner").filter(pl.col("label") != pl.col("before"))
    kept = new[(fresh["row"] - 1).to_list()].select(*key, "label", "known_at")
    return Delivery(
        kept.sort("known_at", *key, maintain_order=True), rows.height - fresh.height, changed["key"].n_unique(), empty
    )


def _plain(frame: pl.DataFrame, key: Sequence[str], task: Task) -> pl.DataFrame:
    return frame.select(
        key_text(frame, key).alias("key"),
        LABEL_KINDS[task].read.alias("label"),
        utc_times(frame, "known_at").alias("known_at"),
        pl.any_horizontal(pl.col(list(key)).is_null()).alias("keyless"),
    )


def _said(rows: pl.DataFrame, what: str, values: pl.Series | None = None) -> Problem:
    shown = rows["row"].head(SHOWN).to_list()
    told = [f"row {row}" + (f" ({values[row - 1]})" if values is not None else "") for row in shown]
    more = f" and {rows.height - SHOWN:,} more" if rows.height > SHOWN else ""
    return Problem(what.format(n=f"{rows.height:,}"), where=", ".join(told) + more)


def _bad_values(rows: pl.DataFrame, new: pl.DataFrame, now: datetime | None, task: Task) -> list[Problem]:
    out = []
    keyless = rows.filter("keyless")
    if keyless.height:
        out.append(_said(keyless, "{n} labels lack a key"))
    wrong = rows.filter(LABEL_KINDS[task].wrong)
    if wrong.height:
        out.append(_said(wrong, "{n} labels are " + LABEL_KINDS[task].words, new["label"]))
    timeless = rows.filter(pl.col("known_at").is_null())
    if timeless.height:
        out.append(_said(timeless, "{n} labels do not say when they became known", new["known_at"]))
    ahead = rows.filter(pl.col("known_at") > pl.lit(now, dtype=TIME)) if now is not None else rows.head(0)
    if ahead.height:
        out.append(_said(ahead, "{n} labels are said to become known only later than now", new["known_at"]))
    return out


def _unknown(rows: pl.DataFrame, known: pl.Series | None) -> list[Problem]:
    if known is None:
        return []
    strange = rows.filter(~pl.col("keyless") & ~pl.col("key").is_in(known.implode()))
    if not strange.height:
        return []
    problem = _said(strange, "{n} labels belong to no event that is known")
    first = strange["key"][0].replace("\x1f", ", ")
    return [Problem(problem.what, problem.where, f"such as {first}", "Correct the key, or give --allow-unknown")]


def _contradictions(rows: pl.DataFrame, before: pl.DataFrame) -> list[Problem]:
    out = []
    twice = rows.filter(pl.col("label").n_unique().over("key", "known_at") > 1)
    if twice.height:
        out.append(_said(twice, "{n} labels contradict another one of the same event and instant in the file"))
    kept = before.select("key", "known_at", pl.col("label").alias("kept"))
    against = rows.join(kept, on=["key", "known_at"], how="inner").filter(pl.col("label") != pl.col("kept"))
    if against.height:
        problem = _said(against, "{n} labels contradict what was kept for the same event and instant")
        out.append(Problem(problem.what, problem.where, "", "A correction needs its own, later known_at"))
    return out


def label_stream(
    labels: pl.DataFrame, events: pl.DataFrame, as_of: datetime, *, key: Sequence[str], time: str, task: Task = "binary"
) -> LabelStream:
    """How much of the truth was known at ``as_of``, day by day of the event, and how late it came.

    ``events`` has the key columns and ``time``; days begin at midnight UTC. Delays run from the event's time to
    the first label of it; shares are of the labelled events.
    """
    rows = label_rows(labels, key, task).filter(pl.col("known_at") <= pl.lit(as_of, dtype=TIME))
    first = rows.group_by("key").agg(
        pl.col("known_at").min().alias("first"),
        pl.col("label").n_unique().alias("values"),
        pl.len().alias("versions"),
    )
    happened = events.select(key_text(events, key).alias("key"), utc_times(events, time).alias("time"))
    happened = happened.filter(pl.col("time") <= pl.lit(as_of, dtype=TIME))
    both = happened.join(first, on="key", how="left")
    hours = (both["first"] - both["time"]).dt.total_seconds().drop_nulls() / 3600
    days = both.group_by(pl.col("time").dt.date().alias("day")).agg(
        pl.len().alias("events"), pl.col("first").is_not_null().sum().alias("labelled")
    )
    known = both.filter(pl.col("first").is_not_null())
    return LabelStream(
        as_of=utc_text(as_of),
        rows=rows.height,
        labelled=known.height,
        events=both.height,
        corrected=int((known["values"] > 1).sum()),
        orphans=first.join(happened, on="key", how="anti").height,
        median_hours=_number(hours.median()),
        longest_hours=_number(hours.max()),
        delays=[
            DelayShare(within=name, hours=limit, share=(hours <= limit).sum() / hours.len() if hours.len() else None)
            for name, limit in WITHIN.items()
        ],
        days=[
            DayCoverage(day=f"{day:%Y-%m-%d}", events=all_, labelled=some, share=some / all_)
            for day, all_, some in days.sort("day").iter_rows()
        ],
    )


def delay_curve(stream: LabelStream) -> pl.DataFrame:
    """The delays as a frame for a chart: ``hours`` after the event, ``share`` of labels known by then."""
    points = [(0.0, 0.0), *((float(one.hours), one.share) for one in stream.delays)]
    return pl.DataFrame(points, schema={"hours": pl.Float64, "share": pl.Float64}, orient="row")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
