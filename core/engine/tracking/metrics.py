"""Calls about curves: the whole history of a metric, of one run or of many."""

from __future__ import annotations

from typing import Any

import polars as pl

from core.engine.tracking import forms
from core.engine.tracking.desk import Desk, Json, call
from core.engine.tracking.forms import json_number, text, whole
from core.engine.tracking.runs import run_id
from core.kernel.errors import InputError, NotFound
from core.store.tracked_read import history

PAGE = 25_000
BULK_RUNS, INTERVAL_RUNS, INTERVAL_POINTS = 100, 100, 2500


@call("GET", "metrics/get-history", run_id=(text, False), run_uuid=(text, False), metric_key=(text, True),
      max_results=(whole, False), page_token=(text, False))  # fmt: skip
def get_history(desk: Desk, asked: Json) -> Json:
    """All points of one metric, in pages where they are asked for."""
    id, key = run_id(asked), asked["metric_key"]
    if "max_results" in asked and asked["max_results"] < 1:
        raise forms.wrong("max_results", asked["max_results"], "It must be at least 1.")
    count, start = forms.page_of(asked, PAGE, 10**9)
    whole_history = "max_results" not in asked and "page_token" not in asked
    with desk.reading() as shelf:
        if id not in shelf.runs([id]):
            raise NotFound(f"Run with id={id} not found")
        points = history(shelf.connection, id, key, offset=start, most=None if whole_history else count)
    token = {} if whole_history else forms.next_token(points.height, count, start)
    return {"metrics": _points(key, points if whole_history else points.head(count)), **token}


def _points(key: str, points: pl.DataFrame, **more: Any) -> list[Json]:
    return [
        {"key": key, "value": json_number(value), "timestamp": ms, "step": step, **more}
        for value, step, ms in points.select("value", "step", "ms").iter_rows()
    ]


@call(
    "GET", "metrics/get-history-bulk", run_id=(forms.many, False), metric_key=(text, False), max_results=(whole, False)
)
def get_history_bulk(desk: Desk, asked: Json) -> Json:
    """One metric of several runs, run by run."""
    runs = asked.get("run_id", [])
    if not runs:
        raise InputError("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(runs) > BULK_RUNS:
        raise InputError(f"GetMetricHistoryBulk request cannot specify more than {BULK_RUNS} run_ids.")
    if not asked.get("metric_key"):
        raise InputError("GetMetricHistoryBulk request must specify a metric_key.")
    most, out = min(asked.get("max_results", PAGE), PAGE), []
    with desk.reading() as shelf:
        for id in sorted(runs):
            out += _points(asked["metric_key"], history(shelf.connection, id, asked["metric_key"]), run_id=id)
    return {"metrics": out[:most]}


@call("GET", "metrics/get-history-bulk-interval", run_ids=(forms.many, False), metric_key=(text, False),
      start_step=(whole, False), end_step=(whole, False), max_results=(whole, False))  # fmt: skip
def get_history_interval(desk: Desk, asked: Json) -> Json:
    """One metric of several runs at steps that are spread evenly between two."""
    runs, most = asked.get("run_ids", []), asked.get("max_results", INTERVAL_POINTS)
    _check_interval(asked, runs, most)
    with desk.reading() as shelf:
        curves = {id: history(shelf.connection, id, asked["metric_key"]) for id in sorted(runs, key=runs.index)}
    first, last = asked.get("start_step"), asked.get("end_step")
    out = []
    for id, curve in curves.items():
        part = curve.sort("step", "ms", "value")
        if first is not None and last is not None:
            part = part.filter(pl.col("step").is_between(first, last))
        out += _points(asked["metric_key"], part[sampled(part.height, most)], run_id=id)
    return {"metrics": out}


def _check_interval(asked: Json, runs: list[str], most: int) -> None:
    if not runs:
        raise InputError("Missing value for required parameter 'run_ids'.")
    if len(runs) > INTERVAL_RUNS:
        raise InputError(f"GetMetricHistoryBulkInterval request must specify at most {INTERVAL_RUNS} run_ids.")
    if not 1 <= most <= INTERVAL_POINTS:
        raise InputError(f"max_results must be between 1 and {INTERVAL_POINTS}.")
    if not asked.get("metric_key"):
        raise InputError("Missing value for required parameter 'metric_key'")
    first, last = asked.get("start_step"), asked.get("end_step")
    if (first is None) != (last is None):
        raise InputError("If either start step or end step are specified, both must be specified.")
    if first is not None and last is not None and first > last:
        raise InputError(f"end_step must be greater than start_step. Found start_step={first} and end_step={last}.")


def sampled(rows: int, most: int) -> list[int]:
    """At most ``most`` of a number of rows, evenly spaced, the first and the last among them."""
    if rows <= most:
        return list(range(rows))
    return [number * rows // most for number in range(most - 1)] + [rows - 1]
