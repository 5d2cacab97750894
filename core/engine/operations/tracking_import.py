"""Importing from MLflow: a worker reads, one transaction keeps, and what is here already is left as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl

from core.engine.context import Context, Done
from core.engine.jobs import submit
from core.engine.registry import JobOutcome, job_kind, operation
from core.engine.tracking.draft import Draft
from core.engine.tracking.shelf import EXPERIMENT, RUN, Shelf
from core.kernel.digests import PREFIX
from core.kernel.errors import InputError
from core.kernel.records import Record
from core.training.mlflow_import import FILES


class ImportMlflow(Record):
    """A folder ``mlruns`` or a file ``mlflow.db`` on this machine."""

    path: str


@operation("tracking.import", "track.log", ImportMlflow)
def start_import(context: Context, request: ImportMlflow) -> Done:
    """Queue the reading."""
    path = Path(request.path)
    if not path.exists():
        raise InputError("There is nothing here", where=request.path)
    params = {"path": str(path.resolve())}
    job = submit(context, "tracking.read_mlflow", f"Import {path.name}", params=params, inputs={})
    return Done(subject=job, summary=f"Importing {path}", result={"job": job})


@job_kind("tracking.read_mlflow", "track.log", "core.engine.work.tracking:read_mlflow", rooms=("training", "blobs"))
def keep_import(context: Context, outcome: JobOutcome) -> Done:
    """Keep experiments and runs that are not here yet, under ids that say where they come from."""
    runs, notes, points = (pl.read_parquet(outcome.folder / f"{name}.parquet") for name in ("runs", "notes", "points"))
    shelf, draft = Shelf(context.session), Draft(context)
    known = set(shelf.ids(RUN))
    fresh = [row for row in runs.to_dicts() if run_id(row["run"]) not in known]
    homes = _experiments(shelf, draft, [row["experiment"] for row in fresh])
    for row in fresh:
        _keep_run(draft, row, homes[row["experiment"]], outcome.params["path"])
    ids = {row["run"]: run_id(row["run"]) for row in fresh}
    starts = {row["run"]: int(row["start"]) for row in fresh}
    for run, kind, name, value in notes.filter(pl.col("run").is_in(list(ids))).iter_rows():
        draft.note(ids[run], kind, name, value, ms=starts[run])
    kept = points.filter(pl.col("run").is_in(list(ids)))
    if kept.height:
        draft.points(kept.with_columns(pl.col("run").replace(ids)))
    for file in sorted((outcome.folder / FILES).iterdir()):
        context.workspace.blobs.adopt(file, PREFIX + file.name)
    draft.keep()
    counts = {"runs": len(fresh), "here already": runs.height - len(fresh), "points": kept.height}
    return Done(
        subject=outcome.params["path"],
        summary=f"{counts['runs']} runs and {counts['points']:,} points; {counts['here already']} were here already",
        result=counts,
    )


def run_id(theirs: str) -> str:
    """Our id of a run of theirs: the same each time it is imported.

    Raises:
        InputError: for one that is no id.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w\-]{0,200}", theirs):
        raise InputError(f"{theirs[:80]!r} is no id of a run")
    return theirs if theirs.startswith("run-") else f"run-{theirs}"


def _experiments(shelf: Shelf, draft: Draft, names: list[str]) -> dict[str, str]:
    """Experiments by their names; those that are missing are made."""
    held = {one["name"]: one["id"] for one in shelf.stock(EXPERIMENT)}
    number = max((int(one) for one in held.values()), default=0)
    for name in dict.fromkeys(names):
        if name not in held:
            number += 1
            held[name] = str(number)
            draft.thing(EXPERIMENT, held[name], name=name, detail={"location": ""})
    return held


def _keep_run(draft: Draft, row: dict[str, Any], experiment: str, path: str) -> None:
    id, start = run_id(row["run"]), int(row["start"])
    detail = {"user": row["user"], "imported": path} if row["user"] else {"imported": path}
    draft.thing(RUN, id, parent=experiment, name=row["name"], ms=start, detail=detail)
    draft.note(id, "state", "status", row["status"], ms=start)
    draft.note(id, "state", "lifecycle", row["lifecycle"], ms=start)
    if row["end"] is not None:
        draft.note(id, "state", "end_time", str(row["end"]), ms=start)
