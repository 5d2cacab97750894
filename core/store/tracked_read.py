"""Reading what clients track: things by id, the notes that hold now, and the latest and all points of metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import polars as pl

Connection = duckdb.DuckDBPyConnection
# The latest point of a curve, as clients count: the greatest step, then time, then value (decision 0045).
LATEST = "arg_max({'value': value, 'step': step, 'ms': ms}, {'step': step, 'ms': coalesce(ms, 0), 'value': value})"


def things(connection: Connection, kind: str, ids: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Things of a kind as they were made: id, parent, name, ms, author, detail (JSON text); in their order."""
    columns = "id, parent, name, ms, author, detail"
    if ids is None:
        query, values = f"SELECT {columns} FROM tracked WHERE kind = $kind ORDER BY seq", {"kind": kind}
        return connection.execute(query, values).pl().to_dicts()
    return (
        connection.execute(
            f"""SELECT {columns} FROM tracked JOIN (SELECT DISTINCT unnest($ids) AS id) USING (id)
            WHERE kind = $kind ORDER BY seq""",
            {"kind": kind, "ids": list(ids)},
        )
        .pl()
        .to_dicts()
    )


def notes(connection: Connection, subjects: Iterable[str], kinds: Iterable[str] = ()) -> pl.DataFrame:
    """The notes that hold: columns subject, kind, name, value, ms (when it was noted)."""
    wanted = list(kinds)
    return connection.execute(
        f"""SELECT subject, kind, name, arg_max(value, seq) AS value, max(ms) AS ms
        FROM tracked_note JOIN (SELECT DISTINCT unnest($subjects) AS subject) USING (subject)
        {"WHERE list_contains($kinds, kind)" if wanted else ""}
        GROUP BY subject, kind, name HAVING NOT arg_max(removed, seq) ORDER BY min(seq)""",
        {"subjects": list(subjects), **({"kinds": wanted} if wanted else {})},
    ).pl()


def subjects_with(connection: Connection, kind: str, name: str, value: str) -> list[str]:
    """Subjects of which the note of that name holds that value now."""
    found = connection.execute(
        """SELECT subject FROM tracked_note WHERE kind = $kind AND name = $name
        GROUP BY subject HAVING NOT arg_max(removed, seq) AND arg_max(value, seq) = $value""",
        {"kind": kind, "name": name, "value": value},
    )
    return [str(row[0]) for row in found.fetchall()]


def latest_points(connection: Connection, runs: Iterable[str], *, models: bool = False) -> pl.DataFrame:
    """The latest point of each metric: columns run (or, by ``models``, model), name, value, step, ms, dataset."""
    by = "model" if models else "run"
    return connection.execute(
        f"""SELECT {by}, name, p.value AS value, p.step AS step, p.ms AS ms, run_of, dataset
        FROM (SELECT {by}, name, {LATEST} AS p, any_value(run) AS run_of, any_value(dataset) AS dataset
              FROM metric_point JOIN (SELECT DISTINCT unnest($ids) AS {by}) USING ({by}) GROUP BY {by}, name)
        ORDER BY {by}, name""",
        {"ids": list(runs)},
    ).pl()


def history(connection: Connection, run: str, name: str, *, offset: int = 0, most: int | None = None) -> pl.DataFrame:
    """All points of one metric in the order of time: columns value, step, ms. A point sent twice counts once."""
    limit = "" if most is None else f"LIMIT {most + 1} OFFSET {offset}"
    return connection.execute(
        f"""SELECT DISTINCT value, step, coalesce(ms, 0) AS ms FROM metric_point
        WHERE run = $run AND name = $name ORDER BY ms, step, value {limit}""",
        {"run": run, "name": name},
    ).pl()
