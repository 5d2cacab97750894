"""What is known of the truth: deliveries, the history of one event, coverage and delay, weak labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import col, select

from core.engine.operations.labels import label_snapshots, newest_table
from core.engine.projects import newest_version, read_version
from core.engine.registry import question
from core.kernel.clock import parse_utc, utc_text
from core.kernel.errors import InputError, NotFound
from core.monitoring.label_stream import delay_curve, label_stream
from core.monitoring.labels import key_text, label_rows
from core.project.schema import Project
from core.store.tables import Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

DELIVERIES: dict[str, pl.DataType | type[pl.DataType]] = {
    "snapshot": pl.String,
    "kind": pl.String,
    "source": pl.String,
    "rows": pl.Int64,
    "repeated": pl.Int64,
    "corrected": pl.Int64,
    "first_known": pl.String,
    "last_known": pl.String,
    "added_at": pl.Datetime("us", "UTC"),
}


@question("labels")
def labels(engine: Engine) -> pl.DataFrame:
    """Deliveries of true labels and runs of weak ones, newest first."""
    with engine.workspace.database.reading() as session:
        query = select(Snapshot).where(col(Snapshot.kind).in_(("labels", "weak_labels")))
        found = list(session.exec(query.order_by(col(Snapshot.created_at).desc())))
    rows = [
        (
            row.id,
            row.kind,
            row.detail.get("source", ""),
            row.rows,
            row.detail.get("repeated"),
            row.detail.get("corrected"),
            row.detail.get("first", ""),
            row.detail.get("last", ""),
            row.created_at,
        )
        for row in found
    ]
    return pl.DataFrame(rows, schema=DELIVERIES, orient="row")


@question("label_history")
def label_history(engine: Engine, key: str, as_of: str = "") -> dict[str, Any]:
    """Every label that one event ever had, oldest first, where each came from, and which one counts at ``as_of``.

    ``key`` is the value of the key column, or ``name=value`` for each, separated by commas.

    Raises:
        NotFound: when the event has no label. InputError: when the key is not complete.
    """
    project, parts = _parts(engine)
    names = project.events.key
    wanted = _key_text(key, names)
    found = []
    for row, frame in parts:
        mine = label_rows(frame, names, project.label.task).filter(pl.col("key") == wanted)
        found += [
            {
                "known_at": known,
                "label": int(label) if isinstance(label, bool) else label,
                "source": row.detail.get("source", ""),
                "snapshot": row.id,
            }
            for _, label, known in mine.rows()
        ]
    if not found:
        raise NotFound(f"There is no label of {key!r}", remedy="Look at `plimsoll labels list`.")
    found.sort(key=lambda one: one["known_at"])
    moment = parse_utc(as_of) if as_of else engine.workspace.clock.now()
    valid = [one for one in found if one["known_at"] <= moment]
    return {
        "key": wanted.replace("\x1f", ", "),
        "as_of": utc_text(moment),
        "label": valid[-1]["label"] if valid else None,
        "versions": len(found),
        "history": [{**one, "known_at": utc_text(one["known_at"])} for one in found],
    }


@question("label_stream")
def label_stream_summary(engine: Engine, as_of: str = "") -> dict[str, Any]:
    """Coverage by day of the event and the distribution of delays, as known at ``as_of`` (now if empty).

    Raises:
        NotFound: when there are no labels, or the events table was not made yet.
    """
    project, parts = _parts(engine)
    with engine.workspace.database.reading() as session:
        table = newest_table(session, project.events.table)
    if not parts or table is None:
        raise NotFound("There are no labels yet", remedy="Add some: `plimsoll labels add FILE`.")
    columns = list(dict.fromkeys([*project.events.key, project.events.time]))
    events = pl.read_parquet(engine.workspace.blobs.path(table.blob), columns=columns)
    whole = pl.concat([frame for _, frame in parts], how="vertical_relaxed")
    moment = parse_utc(as_of) if as_of else engine.workspace.clock.now()
    names, task = project.events.key, project.label.task
    stream = label_stream(whole, events, moment, key=names, time=project.events.time, task=task)
    return {**stream.plain(), "deliveries": len(parts), "curve": delay_curve(stream).to_dicts()}


@question("weak_labels")
def weak_labels(engine: Engine) -> dict[str, Any] | None:
    """The newest weak labels: functions, their agreement, and how the model and the majority do; none without."""
    with engine.workspace.database.reading() as session:
        query = select(Snapshot).where(Snapshot.kind == "weak_labels").order_by(col(Snapshot.created_at).desc())
        row = session.exec(query).first()
    return None if row is None else {"snapshot": row.id, "name": row.name, **row.detail}


def _parts(engine: Engine) -> tuple[Project, list[tuple[Snapshot, pl.DataFrame]]]:
    with engine.workspace.database.reading() as session:
        project = read_version(newest_version(session), {})
        rows = label_snapshots(session, f"{project.project}_labels")
    return project, [(row, pl.read_parquet(engine.workspace.blobs.path(row.blob))) for row in rows]


def _key_text(text: str, names: list[str]) -> str:
    """The key text of what a person typed."""
    values = {names[0]: text} if len(names) == 1 and not text.startswith(f"{names[0]}=") else _pairs(text)
    missing = [name for name in names if name not in values]
    if missing:
        raise InputError(f"The key lacks {', '.join(missing)}", remedy="Give it as name=value,name=value")
    frame = pl.DataFrame({name: [values[name]] for name in names}, schema=dict.fromkeys(names, pl.String))
    return str(frame.select(key_text(frame, names).alias("key")).item())


def _pairs(text: str) -> dict[str, str]:
    return {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in text.split(","))}
