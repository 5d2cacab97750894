"""Labels that arrive late and are corrected: every question is answered as of an instant.

A label table is append-only: the key columns, ``label`` and ``known_at`` (UTC). The newest label known
at ``as_of`` wins, later ones do not exist yet, and earlier ones stay for the history. So the quality of
a past window, asked as of a past day, is today what it was on that day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from core.contract.tasks import Task
from core.kernel.clock import utc_text
from core.kernel.errors import InputError, Problem
from core.monitoring.label_values import LABEL_KINDS
from core.monitoring.records import LabelCoverage
from core.monitoring.times import STAMP, TIME, utc_times


def key_text(frame: pl.DataFrame, names: Sequence[str]) -> pl.Expr:
    """The key columns as one text, equal whether a value came as JSON, a number or a time.

    ``name=value`` joined by a unit separator, in the order of names; whole floats read as integers,
    times (and ISO 8601 texts) as UTC seconds.
    """
    parts = [pl.lit(f"{name}=") + _value_text(frame, name).fill_null("") for name in sorted(names)]
    return pl.concat_str(parts, separator="\x1f")


def label_rows(labels: pl.DataFrame, key: Sequence[str], task: Task = "binary") -> pl.DataFrame:
    """Labels in their one form: ``key`` (text), ``label`` (bool, text or float), ``known_at`` (UTC), as they arrived.

    Raises:
        InputError: all at once: absent columns, labels that the task does not have, rows without known_at.
    """
    missing = [name for name in (*key, "label", "known_at") if name not in labels.columns]
    if missing:
        raise InputError(
            "The labels lack columns", problems=[Problem(f"there is no column {name}") for name in missing]
        )
    known = utc_times(labels, "known_at")
    kind = LABEL_KINDS[task]
    out = labels.select(key_text(labels, key).alias("key"), kind.read.alias("label"), known.alias("known_at"))
    out = out.filter(pl.col("label").is_not_null() | (labels["label"].is_not_null()))
    bad = out.filter(kind.wrong).height
    late = out["known_at"].null_count()
    problems = [Problem(f"{bad} labels are {kind.words}")] if bad else []
    problems += [Problem(f"{late} labels do not say when they became known", where="known_at")] if late else []
    if problems:
        raise InputError("The labels cannot be used", problems=problems)
    return out.with_columns(kind.final.alias("label"))


def join_labels(
    predictions: pl.DataFrame, labels: pl.DataFrame, as_of: datetime, *, key: Sequence[str], task: Task = "binary"
) -> pl.DataFrame:
    """``predictions`` with ``label``, ``label_known_at`` and ``label_versions`` as known at ``as_of``.

    Rows stay as many and in the same order; a row whose truth is not known yet has a null label.
    """
    known = _as_known(label_rows(labels, key, task), as_of)
    return predictions.join(known, on="key", how="left", maintain_order="left").with_columns(
        pl.col("label_versions").fill_null(0)
    )


def coverage(
    joined: pl.DataFrame,
    log: pl.DataFrame,
    labels: pl.DataFrame,
    as_of: datetime,
    *,
    key: Sequence[str],
    task: Task = "binary",
) -> LabelCoverage:
    """What :func:`join_labels` found for ``joined``, a window of it; orphans are counted against the whole ``log``."""
    known = _as_known(label_rows(labels, key, task), as_of)
    orphans = known.join(log.select("key"), on="key", how="anti").height
    labelled = joined.filter(pl.col("label").is_not_null())
    newest = labelled["label_known_at"].max()
    return LabelCoverage(
        as_of=utc_text(as_of),
        rows=joined.height,
        labelled=labelled.height,
        share=labelled.height / joined.height if joined.height else None,
        corrected=int((labelled["label_changes"] > 0).sum()),
        orphans=orphans,
        before_prediction=labelled.filter(pl.col("label_known_at") < pl.col("event_time")).height,
        newest_known_at=utc_text(newest) if isinstance(newest, datetime) else None,
    )


def label_history(labels: pl.DataFrame, key: Sequence[str], event: str) -> pl.DataFrame:
    """Every label that one event ever had (``event`` is its key text), oldest first."""
    return label_rows(labels, key).filter(pl.col("key") == event).sort("known_at", maintain_order=True)


def _as_known(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The newest label of each event that was known at ``as_of``, with how often it changed."""
    known = rows.filter(pl.col("known_at") <= pl.lit(as_of, dtype=TIME)).sort("known_at", maintain_order=True)
    changed = (pl.col("label") != pl.col("label").shift()).sum()
    return known.group_by("key", maintain_order=True).agg(
        pl.col("label").last(),
        pl.col("known_at").last().alias("label_known_at"),
        pl.len().cast(pl.Int64).alias("label_versions"),
        changed.cast(pl.Int64).alias("label_changes"),
    )


def _value_text(frame: pl.DataFrame, name: str) -> pl.Expr:
    column, dtype = pl.col(name), frame.schema[name]
    if dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        return pl.when(column == whole).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
    if isinstance(dtype, pl.Datetime):
        return utc_times(frame, name).dt.epoch("s").cast(pl.String)
    if dtype == pl.String:
        seconds = pl.when(column.str.contains(STAMP)).then(utc_times(frame, name)).dt.epoch("s")
        return pl.coalesce(seconds.cast(pl.String), column)
    return column.cast(pl.String)
