"""Commits of work on tables."""

from __future__ import annotations

from typing import Any

from core.data.records import SchemaDrift
from core.engine.context import Context, Done
from core.engine.privacy import tagged_columns
from core.engine.registry import JobOutcome, job_kind
from core.kernel.digests import canonical_json, strict_json
from core.store.tables import Report, Snapshot

ROOMS = ("data", "measures", "contract", "project")


@job_kind("data.ingest", "data.ingest", "core.engine.work.data:ingest_source", rooms=("data", "project"))
def keep_source(context: Context, outcome: JobOutcome) -> Done:
    """Keep the snapshot of a source, how far it was taken, and how its columns drifted.

    Where nothing came, the snapshot before still holds and nothing new is kept.
    """
    value = outcome.value
    if value["unchanged"]:
        row = context.session.get_one(Snapshot, outcome.params["noted"]["former"]["snapshot"])
        summary = f"{row.name}: nothing new, {row.rows:,} rows"
        return Done(subject=row.id, summary=summary, result={"snapshot": row.id, "blob": row.blob, "rows": row.rows})
    done = keep_table(context, outcome, "source")
    drift = SchemaDrift.read(value["drift"])
    if drift.empty:
        return done
    keep_drift(context, done.result["snapshot"], outcome.params["name"], drift)
    return done.model_copy(update={"summary": f"{done.summary}; drift: {'; '.join(drift.lines())}"})


def keep_drift(context: Context, snapshot: str, name: str, drift: SchemaDrift) -> None:
    """Report how the columns of a source drifted from its snapshot before."""
    facts = drift.plain()
    blob = context.workspace.blobs.put_bytes(canonical_json(facts))
    summary = "; ".join(drift.lines())
    row = context.add(
        Report, "rep", kind="schema_drift", subject=snapshot, name=name, blob=blob, summary=summary, facts=facts
    )
    context.edge(snapshot, row.id, "reported on")


@job_kind("data.table", "data.ingest", "core.engine.work.data:derive_table", rooms=("data", "project"))
def keep_derived(context: Context, outcome: JobOutcome) -> Done:
    """Keep a derived table, with its lineage."""
    done = keep_table(context, outcome, "table")
    for snapshot in outcome.params["snapshots"]:
        context.edge(snapshot, done.result["snapshot"], "query")
    return done


def keep_table(context: Context, outcome: JobOutcome, kind: str) -> Done:
    """Store the table of a finished job as a snapshot."""
    value = outcome.value
    blob = context.workspace.blobs.put_table(outcome.folder)
    row = context.add(
        Snapshot,
        "snap",
        kind=kind,
        name=outcome.params["name"],
        rows=value["rows"],
        bytes=context.workspace.blobs.size(blob),
        blob=blob,
        source_digest=value["source_digest"],
        schema_digest=value["schema_digest"],
        columns={column["name"]: column["type"] for column in value["columns"]},
        detail={"seconds": round(outcome.seconds, 3), **_how_taken(value)},
    )
    return Done(
        subject=row.id,
        summary=f"{row.name}: {row.rows:,} rows × {len(row.columns)} columns",
        result={"snapshot": row.id, "blob": blob, "rows": row.rows},
    )


def _how_taken(value: dict[str, Any]) -> dict[str, Any]:
    names = ("rows_new", "rows_updated", "watermark", "definition", "notes")
    return {"ingest": {name: value[name] for name in names}} if "watermark" in value else {}


@job_kind("data.profile", "data.validate", "core.engine.work.data:profile_table", rooms=ROOMS)
def keep_profile(context: Context, outcome: JobOutcome) -> Done:
    """Keep a profile: the report, the state that merges, and the figures of the columns in the report's row."""
    value = outcome.value
    summary = f"{outcome.params['name']}: {value['rows']:,} rows, {value['columns']} columns"
    state = context.workspace.blobs.put_file(outcome.folder / "state.bin")
    hidden = set(tagged_columns(context.session, outcome.params["name"]))
    facts = {name: _without_values(figures) if name in hidden else figures for name, figures in value["facts"].items()}
    done = keep_report(context, outcome, "profile", None, summary, {"columns": facts, "state": state})
    return Done(subject=done.subject, summary=summary, result={**done.result, "facts": {}, "state": state})


def _without_values(figures: dict[str, float]) -> dict[str, float]:
    """Figures that are nobody's own value: rows of the store cannot be erased, and an extreme may be one person's."""
    return {name: value for name, value in figures.items() if name not in ("min", "max", "p01", "p99", "total")}


@job_kind("data.validate", "data.validate", "core.engine.work.data:validate_table", rooms=ROOMS)
def keep_validation(context: Context, outcome: JobOutcome) -> Done:
    """Keep the verdicts of a suite. A failed suite is a result, not a fault: what needs it will refuse."""
    value = outcome.value
    facts = {name: value[name] for name in ("checks", "failed", "warned", "first", "skipped", "by_check")}
    words = f"{value['checks']} checks, {value['failed']} failed, {value['warned']} warned"
    summary = f"{outcome.params['name']}: {words}" + (f", {value['skipped']} skipped" if value["skipped"] else "")
    done = keep_report(context, outcome, "validation", bool(value["passed"]), summary, facts)
    lean = {name: fact for name, fact in facts.items() if name != "by_check"}  # a step's result stays small
    return Done(subject=done.subject, summary=summary, result={**done.result, "facts": lean})


def keep_report(
    context: Context, outcome: JobOutcome, kind: str, passed: bool | None, summary: str, facts: dict[str, Any]
) -> Done:
    """Store ``report.json`` of a finished job as a report about ``params['subject']``."""
    blob = context.workspace.blobs.put_file(outcome.folder / "report.json")
    row = context.add(
        Report,
        "rep",
        kind=kind,
        subject=outcome.params["subject"],
        name=outcome.params["name"],
        blob=blob,
        passed=passed,
        summary=summary,
        facts=facts,
    )
    context.edge(row.subject, row.id, "reported on")
    return Done(
        subject=row.id,
        summary=summary,
        result={"report": row.id, "blob": blob, "passed": passed, "summary": summary, "facts": facts},
    )


def read_report(context_blobs: Any, row: Report) -> dict[str, Any]:
    """The body of a stored report."""
    body: dict[str, Any] = strict_json(context_blobs.path(row.blob).read_bytes())
    return body
