"""Commits of tables that the project's own Python makes."""

from __future__ import annotations

from core.engine.context import Context, Done
from core.engine.operations.data import keep_table
from core.engine.registry import JobOutcome, job_kind


@job_kind(
    "features.python", "data.ingest", "core.engine.work.python_tables:make_table", rooms=("features", "data", "project")
)
def keep_python_table(context: Context, outcome: JobOutcome) -> Done:
    """Keep the table, with its lineage and the digest of its code."""
    done = keep_table(context, outcome, "table")
    for snapshot in outcome.params["snapshots"]:
        context.edge(snapshot, done.result["snapshot"], "python")
    return done
