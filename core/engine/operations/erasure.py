"""Erasure of a person and retention of rows: search, decide with a signature, remove."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field
from sqlmodel import col, select

from core.data.erasing_records import ErasePlan, Replaced
from core.engine.context import Context, Done
from core.engine.erasure import (
    ERASURE,
    KEY,
    PLAN,
    PROOF_TYPE,
    build_request,
    held_in_store,
    read_plan,
    record,
    refuse_live_work,
    requests_folder,
)
from core.engine.erasure_places import OPEN, PLACE, UNTRIED, places, sealed_file
from core.engine.find import find
from core.engine.jobs import submit
from core.engine.operations.privacy import project_of
from core.engine.registry import JobOutcome, job_kind, operation
from core.identity.files import write_private
from core.identity.privacy_key import fingerprint, privacy_secret, write_sealed
from core.kernel.clock import utc_text
from core.kernel.digests import PREFIX, canonical_json, digest_json, strict_json
from core.kernel.envelope import sign_statement
from core.kernel.errors import Conflict, InputError, NotFound, Refused
from core.kernel.ids import new_id
from core.kernel.records import Record
from core.store.tables import Report, Transition


class SearchSubject(Record):
    """Look for a person. The request is not recorded: the value never enters job or ledger."""

    table: str
    column: str
    value: str = Field(min_length=1)
    dry_run: bool = False


class SearchExpired(Record):
    """Look for rows of a table that are older than its retention allows."""

    table: str
    dry_run: bool = False


class Erase(Record):
    """Carry out what a search found."""

    plan: str
    reason: str = Field(min_length=1)


@operation("privacy.search", "privacy.erase", SearchSubject)
def search_subject(context: Context, request: SearchSubject) -> Done:
    """Queue the search for a person in every file of the workspace."""
    project = _project(context)
    source = project.sources.get(request.table)
    if source is None:
        raise NotFound(
            f"There is no source {request.table!r}",
            detail="A person is looked for from a source: " + ", ".join(project.sources),
        )
    rule = source.privacy_rules("ingest").get(request.column)
    if rule is not None and rule.how not in ("hash",):
        raise InputError(
            f"{request.table}.{request.column} is stored {rule.how}ed: its values tell nobody apart",
            remedy="Name a column that identifies the person as it is stored, such as the table's key.",
        )
    return _queue(context, request.table, request.column, [request.value], "", request.dry_run)


@operation("privacy.search_expired", "privacy.erase", SearchExpired)
def search_expired(context: Context, request: SearchExpired) -> Done:
    """Queue the search for rows that have expired by the table's rule."""
    source = _project(context).sources.get(request.table)
    if source is None or source.retain is None:
        raise NotFound(
            f"{request.table} has no rule of retention", remedy=f"State sources.{request.table}.retain in the project."
        )
    before = utc_text(source.retain.before(context.now))
    return _queue(context, request.table, source.retain.by, [], before, request.dry_run)


def _queue(context: Context, table: str, column: str, named: list[str], before: str, dry_run: bool) -> Done:
    workspace = context.workspace
    secret = privacy_secret(workspace.info.id, make=True)
    known = context.session.exec(select(Transition).where(Transition.kind == KEY)).first()
    if secret is None or (known is not None and known.subject != fingerprint(secret)):
        raise Refused(
            "The privacy secret of this workspace is not the one that earlier erasures were made with",
            remedy="Put it back where it was: the keyring, or plimsoll/privacy in the user's state folder.",
        )
    asked = build_request(
        workspace,
        context.session,
        _project(context),
        table=table,
        column=column,
        named=named,
        before=before,
        prepare=not dry_run,
    )
    if not any(found.name == table for found in asked.tables):
        raise NotFound(f"There is no snapshot of {table}", remedy=f"Run `plimsoll data ingest {table}`.")
    search = new_id("era")
    file = requests_folder(workspace) / f"{search}.json"
    write_private(file, json.dumps(asked.plain()).encode())
    params = {
        "request": str(file),
        "erasure": search,
        "name": table,
        "column": column,
        "before": before,
        "seen": digest_json(sorted(asked.blobs)),
        "prepare": not dry_run,
    }
    title = f"Look for {'a person' if named else 'expired rows'} of {table}"
    job = submit(context, PLAN_JOB, title, params=params, inputs={})
    return Done(subject=search, summary=f"Queued: {title}", result={"job": job, "erasure": search})


PLAN_JOB = "privacy.search"
OPEN_WORDS = "open when this was signed; a proof of its own says when it was done"


@job_kind(PLAN_JOB, "privacy.erase", "core.engine.work.erasure:search", rooms=("data",))
def keep_plan(context: Context, outcome: JobOutcome) -> Done:
    """Keep the plan and the files that will take the place of others. Nothing is replaced yet."""
    params, blobs = outcome.params, context.workspace.blobs
    private = requests_folder(context.workspace) / f"{params['erasure']}.json"
    learned = strict_json(private.read_bytes())
    texts = learned["texts"]
    _seal(context, params, learned["order"])
    private.unlink()
    plan = ErasePlan.read(strict_json((outcome.folder / "plan.json").read_bytes()))
    plan = _with_states(context, plan)
    before = set(blobs.names())
    for item in plan.replaced:
        if item.new is not None:
            blobs.adopt(outcome.folder / "new" / item.new.removeprefix(PREFIX), item.new)
    blob = blobs.put_bytes(canonical_json(plan.plain()))
    facts: dict[str, Any] = {
        "column": params["column"],
        "before": params["before"],
        "rows": plan.rows,
        "tables": {table.snapshot: table.rows for table in plan.tables if table.rows},
        "files": len(plan.replaced),
        "removed": sum(item.new is None for item in plan.replaced),
        "seen": params["seen"],
        "added": sorted(set(blobs.names()) - before - {blob}),
        "held": held_in_store(context.session, texts),
        "prepared": params["prepare"],
    }
    words = f"{plan.rows:,} rows in {len(facts['tables'])} snapshots, {len(plan.replaced)} files"
    row = context.add(
        Report, "rep", kind=PLAN, subject=params["erasure"], name=params["name"], blob=blob, summary=words, facts=facts
    )
    listed = [
        {"table": table.name, "snapshot": table.snapshot, "rows": table.rows} for table in plan.tables if table.rows
    ]
    result = {"plan": row.id, "rows": plan.rows, "tables": listed, "files": facts["files"], "held": facts["held"]}
    return Done(subject=params["erasure"], summary=f"{params['name']}: {words}", result=result)


def _seal(context: Context, params: dict[str, Any], order: dict[str, Any]) -> None:
    """Keep whom to forget for the places outside the blobs, if there are any."""
    secret = privacy_secret(context.workspace.info.id)
    if params["prepare"] and secret is not None and places(context.workspace, context.session):
        write_sealed(sealed_file(context.workspace, params["erasure"]), json.dumps(order).encode(), secret)


def _with_states(context: Context, plan: ErasePlan) -> ErasePlan:
    """The plan with the mergeable states of profiles of what is touched: packed sketches keep frequent values."""
    touched = [table.snapshot for table in plan.tables if table.rows]
    named = {item.old for item in plan.replaced}
    query = select(Report).where(Report.kind == "profile", col(Report.subject).in_(touched))
    states = {row.facts["state"] for row in context.session.exec(query) if row.facts.get("state")} - named
    here = [state for state in sorted(states) if context.workspace.blobs.has(state)]
    more = [Replaced(old=state, new=None, what="file") for state in here]
    return plan.model_copy(update={"replaced": plan.replaced + more})


@operation("privacy.erase", "privacy.erase", Erase)
def erase(context: Context, request: Erase) -> Done:
    """Decide an erasure: signed proof, marks, and what becomes of each file. The files go right after."""
    refuse_live_work(context.session)
    row = find(context.session, Report, request.plan)
    if row.kind != PLAN or not row.facts["prepared"]:
        raise InputError("This is not the plan of a search that prepared an erasure", where=request.plan)
    blobs = context.workspace.blobs
    now = set(blobs.names()) - {*row.facts["added"], row.blob}
    if digest_json(sorted(now)) != row.facts["seen"]:
        raise Conflict("The workspace changed since the search", where=row.id, remedy="Search again.")
    plan = read_plan(context.workspace, row)
    erasure = row.subject
    runs = record(context, erasure, plan)
    secret = privacy_secret(context.workspace.info.id)
    if secret is None:
        raise Refused("The privacy secret of this workspace is not here", remedy="Put it back where it was.")
    if context.session.exec(select(Transition).where(Transition.kind == KEY)).first() is None:
        context.transition(KEY, fingerprint(secret), "in use")
    if row.facts["before"]:
        context.transition("retention", row.name, "applied", reason=row.facts["before"], aspect=row.facts["column"])
    elsewhere = sorted(places(context.workspace, context.session))
    if elsewhere and not sealed_file(context.workspace, erasure).exists():
        raise Conflict("A store or target came up since the search", where=row.id, remedy="Search again.")
    for place in elsewhere:
        context.transition(PLACE, erasure, OPEN, reason=UNTRIED, aspect=place)
    statement = _statement(context, request, row, plan, runs, fingerprint(secret))
    statement["places"] = dict.fromkeys(elsewhere, OPEN_WORDS)
    envelope = sign_statement(PROOF_TYPE, statement, context.signing_key())
    proof = blobs.put_bytes(canonical_json(envelope.plain()))
    facts = {name: row.facts[name] for name in ("column", "before", "rows", "tables", "files", "removed", "held")}
    words = f"{row.name}: {row.summary} erased"
    report = context.add(
        Report,
        "rep",
        kind=ERASURE,
        subject=erasure,
        name=row.name,
        blob=proof,
        passed=not row.facts["held"],
        summary=words,
        facts={**facts, "runs": runs},
    )
    context.transition(ERASURE, erasure, "decided", reason=request.reason)
    return Done(
        subject=erasure,
        summary=words,
        result={
            "erasure": erasure,
            "proof": report.id,
            "rows": plan.rows,
            "files": len(plan.replaced),
            "runs": runs,
            "held": row.facts["held"],
            "places": elsewhere,
            "sources": [row.name],
        },
        detail={"reason": request.reason, "proof_digest": proof},
    )


def _statement(
    context: Context, request: Erase, row: Report, plan: ErasePlan, runs: list[str], key: str
) -> dict[str, Any]:
    """What is signed: counts and digests, never whom it was about."""
    return {
        "workspace": context.workspace.info.id,
        "erasure": row.subject,
        "at": utc_text(context.now),
        "by": {"user": context.actor.user, "name": context.actor.full_name, "person": context.actor.person},
        "reason": request.reason,
        "table": row.name,
        "column": row.facts["column"],
        "before": row.facts["before"],
        "subject": plan.subject,
        "privacy_key": key,
        "searched": {"snapshots": len(plan.tables), "parts": plan.parts, "blobs": plan.blobs, "store": True},
        "tables": [table.plain() for table in plan.tables if table.rows],
        "files": [item.plain() for item in plan.replaced],
        "caches": "all job folders and the workers' log",
        "held": row.facts["held"],
        "trained": runs,
    }


def _project(context: Context) -> Any:
    project = project_of(context)
    if project is None:
        raise NotFound("No project was loaded into this workspace", remedy="Run `plimsoll run` in its folder.")
    return project
