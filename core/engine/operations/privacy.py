"""Personal data: proposals kept, decisions of people, copies that leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from sqlmodel import select

from core.engine.context import Context, Done
from core.engine.jobs import submit
from core.engine.operations.data import ROOMS, keep_report
from core.engine.privacy import COLUMN, PERSONAL, masked_columns, tags
from core.engine.projects import last_loaded, read_version
from core.engine.questions.data import find_snapshot
from core.engine.references import STATE, withdrawn_states
from core.engine.registry import JobOutcome, job_kind, operation
from core.identity.privacy_key import privacy_secret
from core.kernel.errors import InputError, NotFound
from core.kernel.records import Record
from core.project.privacy import Minimise
from core.project.schema import Project
from core.store.tables import Report


class DecideColumn(Record):
    """Confirm or reject that a column holds personal data."""

    table: str
    column: str
    verdict: str = Field(pattern="^(confirmed|rejected)$")
    reason: str = Field(min_length=1)


class ExportTable(Record):
    """Write a minimised Parquet copy of a table; what is tagged and has no rule is masked."""

    table: str
    file: str


@job_kind("data.personal", "data.validate", "core.engine.work.privacy:find_personal", rooms=ROOMS)
def keep_personal(context: Context, outcome: JobOutcome) -> Done:
    """Keep the proposals: names, reasons and counts, never a value."""
    value = outcome.value
    named = ", ".join(finding["column"] for finding in value["findings"])
    summary = f"{outcome.params['name']}: " + (f"personal data proposed in {named}" if named else "none proposed")
    return keep_report(context, outcome, PERSONAL, None, summary, value)


@operation("privacy.decide", "privacy.tag", DecideColumn)
def decide_column(context: Context, request: DecideColumn) -> Done:
    """Record what a person says of a column: who, when and why are the transition's."""
    snapshot = find_snapshot(context.session, request.table)
    if request.column not in snapshot.columns:
        known = [tag for tag in tags(context.session, project_of(context)) if tag.table == snapshot.name]
        if request.column not in {tag.column for tag in known}:
            raise NotFound(
                f"{snapshot.name} has no column {request.column!r}", detail="Columns: " + ", ".join(snapshot.columns)
            )
    project = project_of(context)
    source = project.sources.get(snapshot.name) if project else None
    if request.verdict == "rejected" and source and request.column in source.personal:
        raise InputError(
            f"{request.column} is declared personal in the project file",
            where=f"sources.{snapshot.name}.personal",
            remedy="Take it out of the file; that change is on record as well.",
        )
    subject = f"{snapshot.name}.{request.column}"
    context.transition(COLUMN, subject, request.verdict, reason=request.reason, aspect=PERSONAL)
    if request.verdict == "confirmed":
        _withdraw_states(context, snapshot.name)
    return Done(
        subject=subject,
        summary=f"{subject}: {request.verdict} as personal data",
        result={"table": snapshot.name, "column": request.column, "state": request.verdict},
        detail={"reason": request.reason},
    )


def _withdraw_states(context: Context, table: str) -> None:
    """Remove the mergeable states of a table's profiles: they were made when the column's values could be kept."""
    known = withdrawn_states(context.session)
    query = select(Report).where(Report.kind == "profile", Report.name == table)
    states = {row.facts["state"] for row in context.session.exec(query) if row.facts.get("state")} - known
    for state in sorted(states):
        context.transition(STATE, state, "removed", reason=f"a column of {table} was confirmed as personal")
    context.afterwards.append(lambda: context.workspace.blobs.remove(states))


@operation("privacy.export", "privacy.export", ExportTable)
def export_table(context: Context, request: ExportTable) -> Done:
    """Queue the copy. That personal data left, when, by whom and in what form, is on record."""
    file = Path(request.file)
    if not file.is_absolute() or not file.parent.is_dir():
        raise InputError("The copy needs a whole path in a folder that is there", where=request.file)
    snapshot = find_snapshot(context.session, request.table)
    project = project_of(context)
    source = project.sources.get(snapshot.name) if project else None
    rules: dict[str, Any] = {}
    if project is not None:
        rules = {name: {"how": "mask"} for name in masked_columns(context.session, project, snapshot.name)}
    for name in source.privacy_rules("ingest") if source else ():
        rules.pop(name, None)  # it is stored in that form already
    if source:
        rules |= {name: rule.plain() for name, rule in source.privacy_rules("export").items()}
    rules = {name: rule for name, rule in rules.items() if name in snapshot.columns}
    if any(rule["how"] == "hash" for rule in rules.values()):
        privacy_secret(context.workspace.info.id, make=True)
    params = {
        "name": snapshot.name,
        "subject": snapshot.id,
        "file": str(file),
        "rules": rules,
        "quasi": source.quasi if source else [],
        "workspace": context.workspace.info.id,
    }
    title = f"Export {snapshot.name}"
    job = submit(context, "privacy.export", title, params=params, inputs={"table": snapshot.blob})
    return Done(subject=snapshot.id, summary=f"Queued: {title}", result={"job": job})


@job_kind("privacy.export", "privacy.export", "core.engine.work.privacy:export_table", rooms=("data", "measures"))
def keep_export(context: Context, outcome: JobOutcome) -> Done:
    """Record what left: columns, rows, and what was done to which column."""
    value, rules = outcome.value, outcome.params["rules"]
    context.edge(outcome.params["subject"], outcome.job, "exported")
    how = {name: Minimise.read(rule).in_words() for name, rule in rules.items()}
    changed = ", ".join(f"{name} {word}" for name, word in how.items()) or "nothing changed"
    return Done(
        subject=outcome.params["subject"],
        summary=f"{outcome.params['name']} left: {value['rows']:,} rows; {changed}",
        result={**value, "file": outcome.params["file"], "changed": how},
        detail={"columns": value["columns"], "changed": how},
    )


def project_of(context: Context) -> Project | None:
    """The project loaded last, if any."""
    version = last_loaded(context.session)
    return read_version(version, {}) if version else None
