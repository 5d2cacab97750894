"""Searching runs: a query's tree becomes SQL over everything that is known of runs, trained here or by clients.

A condition looks only at the rows of its own metric, parameter or tag, so a run with 12,000 metric names costs a
search for one of them nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from core.kernel.clock import parse_utc
from core.kernel.errors import InputError, Problem
from core.store.run_query import Both, Comparison, Negation, Query

BASE = """
states AS MATERIALIZED (
    SELECT subject, arg_max(value, seq) FILTER (WHERE name = 'status') AS status,
        arg_max(value, seq) FILTER (WHERE name = 'end_time') AS end_time,
        arg_max(value, seq) FILTER (WHERE name = 'lifecycle') AS lifecycle,
        arg_max(value, seq) FILTER (WHERE name = 'name') AS name
    FROM tracked_note WHERE kind = 'state' GROUP BY subject),
runs AS (
    SELECT t.id AS run, t.parent AS experiment_id, coalesce(e.name, t.parent) AS experiment,
        coalesce(s.name, t.name) AS name, 'client' AS trainer, coalesce(s.status, 'RUNNING') AS status,
        coalesce(s.lifecycle, 'active') AS lifecycle, t.ms AS start_time, TRY_CAST(s.end_time AS BIGINT) AS end_time,
        t.author AS author
    FROM tracked t LEFT JOIN states s ON s.subject = t.id
    LEFT JOIN (SELECT x.id, coalesce(n.name, x.name) AS name FROM tracked x LEFT JOIN states n ON n.subject = x.id
               WHERE x.kind = 'experiment') e ON e.id = t.parent
    WHERE t.kind = 'run'
    UNION ALL
    SELECT r.id, 'project:' || r.project, r.project, coalesce(s.name, r.name), r.trainer, 'FINISHED',
        coalesce(s.lifecycle, 'active'), epoch_ms(r.started_at),
        epoch_ms(r.started_at) + CAST(1000 * r.seconds AS BIGINT), r.created_by
    FROM run r LEFT JOIN states s ON s.subject = r.id)"""
ATTRIBUTES: dict[str, tuple[str, str]] = {
    "run": ("run", "text"),
    "run_id": ("run", "text"),
    "name": ("name", "text"),
    "run_name": ("name", "text"),
    "experiment": ("experiment", "text"),
    "experiment_id": ("experiment_id", "text"),
    "trainer": ("trainer", "text"),
    "status": ("status", "text"),
    "state": ("status", "text"),
    "lifecycle": ("lifecycle", "text"),
    "author": ("author", "text"),
    "user": ("author", "text"),
    "user_id": ("author", "text"),
    "start_time": ("start_time", "time"),
    "started_at": ("start_time", "time"),
    "created": ("start_time", "time"),
    "end_time": ("end_time", "time"),
    "duration": ("(end_time - start_time) / 1000.0", "number"),
    "seconds": ("(end_time - start_time) / 1000.0", "number"),
}
SHOWN = (
    "run",
    "name",
    "experiment",
    "experiment_id",
    "trainer",
    "status",
    "lifecycle",
    "start_time",
    "end_time",
    "author",
)
CURVES = """SELECT run AS id, arg_max(value, step::HUGEINT * 18446744073709551616 + coalesce(ms, 0)) AS v
    FROM metric_point WHERE name = %s GROUP BY run"""
NOTED = """SELECT subject AS id, arg_max(value, seq) AS v FROM tracked_note
    WHERE kind = {kind} AND name = {name} GROUP BY subject HAVING NOT arg_max(removed, seq)"""
KEPT = "SELECT id, {column} ->> {path} AS v FROM run WHERE ({column} ->> {path}) IS NOT NULL"


@dataclass
class Statement:
    """SQL in the making: its bound values, and the names of authors by which people ask."""

    values: dict[str, Any] = field(default_factory=dict)
    columns: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """A place for a value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def column(self, kind: str, name: str) -> str:
        """The name of a relation (id, v): a metric's latest value, a parameter or a tag of every run that has it.

        However often a search names it, in conditions, columns and order, it is computed once.
        """
        if (kind, name) not in self.columns:
            self.columns[kind, name] = (f"c{len(self.columns)}", self._select(kind, name))
        return self.columns[kind, name][0]

    def relations(self) -> str:
        """The text that defines them."""
        return "".join(f", {alias} AS MATERIALIZED ({text})" for alias, text in self.columns.values())

    def _select(self, kind: str, name: str) -> str:
        bound = self.bind(name)
        if kind == "metric":
            return f"{CURVES % bound}{_finals(self._kept('metrics', name), bound)}"
        noted = NOTED.format(kind=self.bind(kind), name=bound)
        kept = self._kept("settings", name) if kind == "param" else ""
        return f"{noted} UNION ALL ({kept})" if kept else noted

    def _kept(self, column: str, name: str) -> str:
        """What the runs that were trained here keep under a name, in a column of JSON."""
        return "" if '"' in name else KEPT.format(column=column, path=self.bind(f'$."{name}"'))


def _finals(kept: str, name: str) -> str:
    """The figures of runs that were trained here, but for those whose curve of that name counts already."""
    if not kept:
        return ""
    curves = f"SELECT run FROM metric_point WHERE name = {name}"
    return f" UNION ALL (SELECT id, TRY_CAST(v AS DOUBLE) AS v FROM ({kept}) WHERE id NOT IN ({curves}))"


def condition(query: Query, statement: Statement) -> str:
    """The SQL of a query's tree over the relation ``runs``.

    Raises:
        InputError: for names and comparisons that make no sense, all at once.
    """
    problems: list[Problem] = []
    text = _condition(query, statement, problems)
    if problems:
        raise InputError("Invalid filter: this search cannot be done", problems=problems)
    return text


def _condition(query: Query, statement: Statement, problems: list[Problem]) -> str:
    if isinstance(query, Both):
        return "(" + f" {query.word} ".join(_condition(part, statement, problems) for part in query.parts) + ")"
    if isinstance(query, Negation):
        return f"(NOT coalesce({_condition(query.part, statement, problems)}, false))"
    if query.kind in ("", "attribute"):
        return _attribute(query, statement, problems)
    if query.kind == "dataset":
        return _dataset(query, statement)
    if query.operator in ("is null", "is not null"):
        word = "NOT IN" if query.operator == "is null" else "IN"
        return f"run {word} (SELECT id FROM {statement.column(query.kind, query.name)})"
    if query.kind == "metric":  # what is not a number fits no comparison; DuckDB holds it for the greatest of all
        test = _test("nullif(v, 'NaN'::DOUBLE)", query, statement, "number", problems)
    else:
        test = _test("v", query, statement, "text", problems)
    return f"run IN (SELECT id FROM {statement.column(query.kind, query.name)} WHERE {test})"


def _attribute(query: Comparison, statement: Statement, problems: list[Problem]) -> str:
    known = ATTRIBUTES.get(query.name.lower())
    if known is None:
        problems.append(Problem(f"There is nothing named {query.name!r}", expected=", ".join(ATTRIBUTES)))
        return "false"
    column, type_ = known
    if column == "status" and query.operator in ("=", "!=", "in", "not in"):
        values = tuple("FINISHED" if str(one).lower() == "done" else str(one).upper() for one in query.values)
        query = Comparison(query.kind, query.name, query.operator, values, query.place)
    return _test(column, query, statement, type_, problems)


def _dataset(query: Comparison, statement: Statement) -> str:
    """``dataset.name``, ``dataset.digest`` or ``dataset.context`` of what was logged as a run's input."""
    field_ = {"name": "'$.dataset.name'", "digest": "'$.dataset.digest'", "context": "'$.context'"}.get(query.name)
    if field_ is None:
        raise InputError(
            f"Invalid filter: a dataset has no {query.name!r}", remedy="Ask for its name, digest or context."
        )
    test = _test("v", query, statement, "text", [])
    inputs = f"SELECT subject AS id, value ->> {field_} AS v FROM tracked_note WHERE kind = 'input'"
    return f"run IN (SELECT id FROM ({inputs}) WHERE {test})"


def _test(column: str, query: Comparison, statement: Statement, type_: str, problems: list[Problem]) -> str:
    """One comparison of a column of a type: number, text or time."""
    name, operator, values = query.name, query.operator, query.values
    if operator in ("is null", "is not null"):
        return f"{column} {operator.upper()}"
    if operator in ("like", "ilike"):
        if type_ != "text":
            problems.append(Problem(f"{name} is a {type_}: 'like' is for texts"))
        return f"{column} {operator.upper()} {statement.bind(str(values[0]))}"
    read = {"number": _number, "time": _time, "text": _text}[type_]
    try:
        wanted = [read(name, value) for value in values]
    except InputError as error:
        problems.append(Problem(error.headline, expected=error.detail))
        return "false"
    if type_ == "text" and any(isinstance(one, float) for one in wanted):
        column = f"TRY_CAST({column} AS DOUBLE)"
        wanted = [float(one) for one in wanted if isinstance(one, float)]
    if operator in ("in", "not in"):
        return f"{column} {operator.upper()} ({', '.join(statement.bind(one) for one in wanted)})"
    return f"{column} {operator} {statement.bind(wanted[0])}"


def _number(name: str, value: str | float) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise InputError(f"{name} is compared with a number, not with {value!r}", detail="a number") from error


def _text(_name: str, value: str | float) -> str | float:
    return value


def _time(name: str, value: str | float) -> int:
    """Milliseconds since 1970, of a number or a date."""
    if isinstance(value, float):
        return int(value)
    try:
        return int(value) if value.isdigit() else int(_moment(value).timestamp() * 1000)
    except ValueError as error:
        raise InputError(
            f"{name} is compared with a time, not with {value!r}", detail="milliseconds or a date such as '2026-11-01'"
        ) from error


def _moment(text: str) -> datetime:
    return parse_utc(text if "T" in text or " " in text else f"{text}T00:00:00Z")


@dataclass(frozen=True)
class Search:
    """What to look for, what to show of it, and in which order.

    ``columns`` are pairs of kind and name (metric, auc); ``order`` triples with the direction: 'asc' or 'desc'.
    """

    query: Query | None = None
    experiments: Sequence[str] | None = None
    lifecycle: str = "active"
    columns: Sequence[tuple[str, str]] = ()
    order: Sequence[tuple[str, str, str]] = ()
    limit: int | None = None
    offset: int = 0


def search(cursor: duckdb.DuckDBPyConnection, wanted: Search) -> pl.DataFrame:
    """Runs that fit: the columns of :data:`SHOWN`, then ``kind.name`` for each column that was asked for."""
    statement = Statement()
    where = [condition(wanted.query, statement)] if wanted.query is not None else []
    if wanted.experiments is not None:
        where.append(f"list_contains({statement.bind(list(wanted.experiments))}, experiment_id)")
    if wanted.lifecycle != "all":
        where.append(f"lifecycle = {statement.bind(wanted.lifecycle)}")
    shown = [f"{statement.column(kind, name)}.v AS {_quoted(f'{kind}.{name}')}" for kind, name in wanted.columns]
    order = [_ordered(statement, *one) for one in wanted.order]
    needed = [*wanted.columns, *((kind, name) for kind, name, _ in wanted.order if kind not in ("", "attribute"))]
    aliases = [statement.column(kind, name) for kind, name in dict.fromkeys(needed)]
    joins = " ".join(f"LEFT JOIN {alias} ON {alias}.id = run" for alias in aliases)
    page = "" if wanted.limit is None else f"LIMIT {int(wanted.limit)} OFFSET {int(wanted.offset)}"
    text = f"""WITH {BASE}{statement.relations()} SELECT {", ".join((*SHOWN, *shown))} FROM runs {joins}
        {"WHERE " + " AND ".join(where) if where else ""}
        ORDER BY {", ".join((*order, "start_time DESC", "run"))} {page}"""
    return cursor.execute(text, statement.values).pl()


def _ordered(statement: Statement, kind: str, name: str, direction: str) -> str:
    if kind in ("", "attribute"):
        known = ATTRIBUTES.get(name.lower())
        if known is None:
            raise InputError(f"Invalid order_by: there is nothing named {name!r}", detail=", ".join(ATTRIBUTES))
        return f"{known[0]} {direction} NULLS LAST"
    alias = statement.column(kind, name)
    if kind == "metric":  # what is not a number comes after all numbers, what is missing at the end
        return f"CASE WHEN {alias}.v IS NULL THEN 2 WHEN isnan({alias}.v) THEN 1 ELSE 0 END, {alias}.v {direction}"
    return f"{alias}.v {direction} NULLS LAST"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def known_names(cursor: duckdb.DuckDBPyConnection, kind: str) -> list[str]:
    """All names of metrics, parameters or tags that any run has, sorted."""
    found: Callable[[str], list[str]] = lambda text: [str(row[0]) for row in cursor.execute(text).fetchall()]  # noqa: E731
    if kind == "metric":
        names = found("SELECT DISTINCT name FROM metric_point UNION SELECT unnest(json_keys(metrics)) FROM run")
    elif kind == "param":
        names = found(
            """SELECT DISTINCT n.name FROM tracked_note n WHERE n.kind = 'param'
            UNION SELECT unnest(json_keys(settings)) FROM run"""
        )
    else:
        names = found("SELECT DISTINCT name FROM tracked_note WHERE kind = 'tag'")
    return sorted(names)
