"""A client that answers what a real workspace answered (``answers.json``, made by ``record.py``)."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from core.kernel.errors import NotFound, Refused

FILE = Path(__file__).parent / "answers.json"
TYPES = {"String": pl.String, "Int64": pl.Int64, "Float64": pl.Float64, "Boolean": pl.Boolean}
ROWS = 336_776
JOBS = [
    {
        "job": "job-1",
        "kind": "train",
        "title": "Train boosting",
        "state": "running",
        "done": 162,
        "total": 250,
        "message": "iteration 162",
        "started_at": "2026-11-23T01:50:00Z",
        "metrics": {"loss": [(1, 0.6), (2, 0.4213)], "valid_auc": [(2, 0.7481)]},
    },
    {
        "job": "job-0",
        "kind": "ingest",
        "title": "Ingest flights",
        "state": "done",
        "done": 1,
        "total": 1,
        "message": "336 776 rows",
        "started_at": "2026-11-23T01:47:00Z",
        "metrics": {},
    },
]


@lru_cache(maxsize=1)
def recorded() -> str:
    """The file's text."""
    return FILE.read_text("utf-8")


def answers() -> dict[str, Any]:
    """All recorded answers, with frames as frames; a fresh copy each time."""
    out = {name: framed(answer) for name, answer in json.loads(recorded()).items()}
    out.setdefault("runs_found", searched(out["runs"]))
    names = {"metrics": ["test.roc_auc", "validate.roc_auc"], "params": ["c"], "tags": [], "attributes": ["status"]}
    out.setdefault("run_names", names)
    views = [{"name": "good", "where": "metrics.test.roc_auc > 0.7", "columns": [], "order": ""}]
    return {"run_views": views, "run_completions": ["metrics.test.roc_auc"], **out}


def searched(runs: pl.DataFrame) -> pl.DataFrame:
    """The list of runs as a search gives it, made from a recording of before there was one."""
    figures = {"roc_auc": "metrics.test.roc_auc", "validate_auc": "metrics.validate.roc_auc", "state": "status"}
    return runs.rename({old: new for old, new in figures.items() if old in runs.columns})


def exceptions() -> pl.DataFrame:
    """Two exceptions from gates: one that stands and one that waits for a signature."""
    base = {
        "model": "flights",
        "run": "run-7c2k4m9q1x",
        "environment": "production",
        "requested_by": "ada",
        "requested_at": datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
        "expires_at": datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
        "why": "",
    }
    made = {
        "exception": "exc-5vq81kz0rt",
        "state": "granted",
        "stands": True,
        "rule": "weakest_slice",
        "observed": "slices.worst_auc is 0.561, not >= 0.57",
        "reason": "The morning slice is served by rule until the winter timetable is in the data",
        "signed_by": "Grace (demo reviewer)",
        "comment": "Looked at the slice; the rule covers it",
    }
    asked = {
        **made,
        "exception": "exc-m20xj7w4hd",
        "state": "requested",
        "stands": False,
        "rule": "calibrated",
        "observed": "calibration.ece is 0.054, not <= 0.05",
        "reason": "Two days over the holiday",
        "signed_by": "",
        "comment": "",
    }
    return pl.DataFrame([{**base, **made}, {**base, **asked}])


def compared(names: list[str], run: dict[str, Any]) -> dict[str, Any]:
    """Runs beside each other: the recorded one against itself with another setting."""
    values = [0.5 + number for number, _ in enumerate(names)]
    differ = {"parameters": ["c"], "inputs": [], "metrics": []}
    shown = [{"run": name, "name": f"{run['name']} {number}"} for number, name in enumerate(names)]
    return {"runs": shown, "parameters": {"c": values}, "inputs": {}, "metrics": {}, "differ": differ}


def framed(answer: Any) -> Any:
    """A frame from its rows and types; everything else as it is."""
    if not (isinstance(answer, dict) and set(answer) == {"frame", "types"}):
        return answer
    schema = {name: TYPES.get(kind, pl.String) for name, kind in answer["types"].items()}
    frame = pl.DataFrame(answer["frame"], schema=schema)
    times = [pl.col(n).str.to_datetime(time_zone="UTC") for n, kind in answer["types"].items() if kind == "Datetime"]
    return frame.with_columns(times)


class FakeClient:
    """Answers every question that the window asks; ``broken`` names questions that fail, ``bare`` empties all."""

    def __init__(self, actor: str = "grace", *, bare: bool = False, broken: tuple[str, ...] = ()) -> None:
        self.actor = actor
        self.bare = bare
        self.broken = broken
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.changed: list[tuple[str, dict[str, Any]]] = []
        self.cancelled: list[str] = []
        self.paused: list[tuple[str, bool]] = []
        self.threads: set[int] = set()
        self.seq = 1284
        self.closed = False
        self.answers = answers()

    def ask(self, name: str, /, **params: Any) -> Any:
        self.asked.append((name, params))
        self.threads.add(threading.get_ident())
        if name in self.broken:
            raise NotFound(
                "The answer is not there",
                detail=f"{name} has no rows in this workspace",
                where="workspace/store.duckdb",
                remedy="Ingest the sources first.",
            )
        answer = self._special(name, params)
        if not self.bare:
            return answer
        if name == "monitoring":
            return None
        return answer.clear() if isinstance(answer, pl.DataFrame) else {}

    def _special(self, name: str, params: dict[str, Any]) -> Any:
        """The recorded answer, fitted to what was asked."""
        if name == "snapshot_rows":
            return rows_of(params["offset"], params["limit"])
        if name == "exceptions":
            return exceptions()
        if name == "runs_compared":
            return compared(params["names"], self.answers["run"])
        answer = self.answers[name]
        if name == "release":
            return answer[params["id"]]
        if name == "snapshot":
            return {**answer, "snapshot": params["id"]}
        if name == "lineage" and params.get("node"):
            return around(answer, str(params["node"]), params["depth"], params.get("direction", "both"))
        if name == "ledger" and params.get("where"):
            return answer.filter(pl.col("kind").str.contains(params["where"], literal=True))
        return answer

    def change(self, name: str, request: dict[str, Any], *, passphrase: str | None = None) -> dict[str, Any]:
        self.changed.append((name, request))
        if passphrase != "correct horse":
            raise Refused("The passphrase does not open your key", remedy="Two tries are left.")
        self.seq += 1
        return {"ok": True}

    def jobs(self) -> list[dict[str, Any]]:
        return [] if self.bare else JOBS

    def cancel(self, job: str) -> None:
        self.cancelled.append(job)

    def pause_job(self, job: str, *, paused: bool) -> None:
        self.paused.append((job, paused))

    def changes_since(self, seq: int) -> int:
        return self.seq

    def close(self) -> None:
        self.closed = True


def rows_of(offset: int, limit: int) -> pl.DataFrame:
    """A page of a large table."""
    count = max(0, min(limit, ROWS - offset))
    return pl.DataFrame(
        {
            "row": np.arange(offset, offset + count),
            "carrier": ["UA", "B6", "EV", "DL"] * (count // 4) + ["AA"] * (count % 4),
            "time_hour": [datetime(2013, 7, 1, tzinfo=UTC)] * count,
            "arr_delay": [None if i % 35 == 0 else float(i % 90 - 20) for i in range(count)],
        }
    )


def around(graph: dict[str, Any], node: str, depth: int, direction: str) -> dict[str, Any]:
    """The part of the graph within some steps of a node."""
    kept = {node}
    for ends in ((0, 1), (1, 0)):
        near, reached = {node}, {node}
        if direction != "both" and (direction == "up") == (ends == (0, 1)):
            continue
        for _step in range(depth):
            near = {e[ends[1]] for e in graph["edges"] if e[ends[0]] in near} - reached
            reached |= near
        kept |= reached
    nodes = [n for n in graph["nodes"] if n["id"] in kept]
    edges = [e for e in graph["edges"] if e[0] in kept and e[1] in kept]
    return {"nodes": nodes, "edges": edges, "centre": node}
