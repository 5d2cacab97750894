"""Runs of every kind, searched: those trained here, those that clients log, those that were imported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import col, select

from core.engine.operations.run_curation import VIEW_KIND
from core.engine.questions.training import user_names
from core.engine.registry import question
from core.engine.run_language import PLURALS, completions, split_column, understood
from core.kernel.errors import InputError
from core.store.run_search import ATTRIBUTES, Search, known_names, search
from core.store.tables import ModelVersion, Transition

if TYPE_CHECKING:
    from core.engine.engine import Engine


FIRST_COLUMNS = 4  # metrics that a table shows where nobody chose any
LIKED = ("test.roc_auc", "validate.roc_auc", "test.brier", "test.rmse", "test.", "validate.", "auc", "accuracy", "loss")


@question("runs_found")
def runs_found(
    engine: Engine,
    where: str = "",
    columns: list[str] | None = None,
    order: str = "",
    lifecycle: str = "active",
    limit: int | None = None,
) -> pl.DataFrame:
    """Runs that fit, newest first or by ``order`` (``metrics.auc desc``).

    Columns: run, name, experiment, trainer, status, lifecycle, author, model, started_at, seconds, and one for each of
    ``columns`` (``metrics.auc``); without them, those of a few metrics that many runs have. ``lifecycle`` is active,
    deleted (archived) or all.
    """
    cursor = engine.workspace.database.cursor()
    names = {kind: known_names(cursor, kind) for kind in PLURALS}
    chosen = default_columns(names) if columns is None else columns
    wanted = Search(
        query=understood(where, names),
        lifecycle=lifecycle,
        columns=[split_column(one) for one in chosen],
        order=[_order(order)] if order else [],
        limit=limit,
    )
    frame = search(cursor, wanted)
    with engine.workspace.database.reading() as session:
        authors = user_names(session)
        models = {row.run: f"{row.model} v{row.version}" for row in session.exec(select(ModelVersion))}
    return frame.select(
        "run",
        "name",
        "experiment",
        "trainer",
        pl.col("status").str.to_lowercase().replace("finished", "done"),
        "lifecycle",
        pl.col("author").replace(authors),
        pl.col("run").replace_strict(models, default=None, return_dtype=pl.String).alias("model"),
        pl.from_epoch("start_time", "ms").dt.replace_time_zone("UTC").alias("started_at"),
        ((pl.col("end_time") - pl.col("start_time")) / 1000).alias("seconds"),
        *(pl.col(".".join(split_column(one))).alias(one) for one in chosen),
    )


def default_columns(names: dict[str, list[str]]) -> list[str]:
    """A few metrics worth a column where nobody chose any."""

    def rank(name: str) -> tuple[int, str]:
        return next((place for place, word in enumerate(LIKED) if word in name), len(LIKED)), name

    return [f"metrics.{one}" for one in sorted(names["metric"], key=rank)[:FIRST_COLUMNS]]


def _order(text: str) -> tuple[str, str, str]:
    name, _, direction = text.strip().rpartition(" ")
    if direction.lower() not in ("asc", "desc"):
        name, direction = text.strip(), "asc"
    if name.lower() in ATTRIBUTES:
        return "", name, direction
    return (*split_column(name), direction)


@question("run_names")
def run_names(engine: Engine) -> dict[str, list[str]]:
    """What can be searched for and shown: names of metrics, params and tags, and the attributes of every run."""
    cursor = engine.workspace.database.cursor()
    return {**{PLURALS[kind]: known_names(cursor, kind) for kind in PLURALS}, "attributes": sorted(ATTRIBUTES)}


@question("run_completions")
def run_completions(engine: Engine, text: str) -> list[str]:
    """What may follow a search that is being typed."""
    cursor = engine.workspace.database.cursor()
    return completions(text, {kind: known_names(cursor, kind) for kind in PLURALS})


@question("runs_grouped")
def runs_grouped(engine: Engine, by: str, value: str, where: str = "") -> pl.DataFrame:
    """Runs that fit, grouped: columns ``by``, runs, mean, least, most and best run of ``value`` (``metrics.auc``)."""
    columns = [one for one in dict.fromkeys((by, value)) if "." in one]
    frame = runs_found(engine, where=where, columns=columns)
    missing = [one for one in (by, value) if one not in frame.columns]
    if missing:
        raise InputError(f"Runs have no {missing[0]!r}", remedy="Columns: " + ", ".join(frame.columns) + ".")
    number = pl.col(value).cast(pl.Float64, strict=False)
    grouped = frame.group_by(by, maintain_order=True).agg(
        pl.len().alias("runs"),
        number.mean().alias("mean"),
        number.min().alias("least"),
        number.max().alias("most"),
        pl.col("run").get(number.arg_max()).alias("run with the most"),
    )
    return grouped.sort("mean", descending=True, nulls_last=True)


@question("run_views")
def run_views(engine: Engine) -> list[dict[str, Any]]:
    """Saved views: name, where, columns, order."""
    with engine.workspace.database.reading() as session:
        query = select(Transition).where(Transition.kind == VIEW_KIND).order_by(col(Transition.order))
        newest = {row.subject: row.state for row in session.exec(query)}
    return [{"name": name, **json.loads(state)} for name, state in sorted(newest.items()) if state]
