"""Erasing a person: what a search looks through, what is on record, and the removal that always comes to its end.

An erasure is decided in one transaction: the proof, the marks and, for each file, what takes its place. The
files go afterwards, by those records alone, and again at each start until nothing of them is left: a kill at
any moment leaves the workspace either before the decision, with everything, or after it, with nothing.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlmodel import Session, SQLModel, col, select

from core.data.erasing_records import ErasePlan, EraseRequest, EraseTable
from core.data.erasing_texts import Needles
from core.engine.actors import ENGINE
from core.engine.context import Context, Done, state_of
from core.engine.dispatcher import Dispatcher
from core.engine.erasure_places import drop_sealed, entity_columns, reach_jobs
from core.kernel.errors import NotFound, PlimsollError, Refused
from core.project.schema import Project
from core.store.tables import FACTS, Edge, LedgerEntry, Report, Snapshot, Transition
from core.workspace.workspace import Workspace

ERASURE, PLAN, BLOB = "erasure", "erasure plan", "blob"
PROOF_TYPE = "application/vnd.plimsoll.erasure+json"
KEY = "privacy key"
LIVE = ("queued", "running")
logger = logging.getLogger(__name__)


def requests_folder(workspace: Workspace) -> Path:
    """Where a search keeps whom it looks for, as long as it runs."""
    folder = workspace.root / "erasures"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def build_request(
    workspace: Workspace,
    session: Session,
    project: Project,
    *,
    table: str,
    column: str,
    named: list[str],
    before: str = "",
    prepare: bool = True,
) -> EraseRequest:
    """Everything that a search is to look through: all snapshots with their lineage, and all other blobs."""
    return EraseRequest(
        workspace=workspace.info.id,
        table=table,
        column=column,
        named=named,
        before=before,
        keys={name: source.key for name, source in project.sources.items() if source.key},
        event_key=project.events.key,
        hashed=_hash_scopes(project),
        views=entity_columns(session),
        tables=_tables(workspace, session, project),
        blobs=list(workspace.blobs.names()),
        folder=str(workspace.blobs.root),
        prepare=prepare,
    )


def _hash_scopes(project: Project) -> list[str]:
    """The keys that columns are hashed with: '' is the workspace's, a name the table's own."""
    rules = [(name, rule) for name, s in project.sources.items() for rule in s.privacy_rules("ingest").values()]
    return sorted({"" if rule.salt == "workspace" else name for name, rule in rules if rule.how == "hash"})


def _tables(workspace: Workspace, session: Session, project: Project) -> list[EraseTable]:
    rows = list(session.exec(select(Snapshot).order_by(col(Snapshot.created_at))))
    above = _ancestors(session, {row.id: row.name for row in rows})
    people = sorted({source.subject for source in project.sources.values() if source.subject})
    events = [name for name, source in project.sources.items() if source.key and source.key == project.events.key]
    out = []
    for row in rows:
        source = project.sources.get(row.name)
        try:
            if row.kind == "files":  # no table: its chunks are searched as the files that they are
                continue
            parts = workspace.blobs.parts(row.blob)
        except NotFound:  # its file was erased or collected as a whole
            continue
        found = EraseTable(snapshot=row.id, name=row.name, source=source is not None, parts=parts)
        if source is not None:
            more = {"subject": source.subject, "key": source.key, "who": [source.subject] if source.subject else []}
            out.append(found.model_copy(update={**more, "keyed": [row.name]}))
        else:
            keyed = sorted({*above.get(row.id, ()), *events} & set(project.sources))
            out.append(found.model_copy(update={"who": people, "keyed": keyed}))
    return out


def _ancestors(session: Session, names: dict[str, str]) -> dict[str, set[str]]:
    """For each snapshot the names of the tables that it was made from, however far back."""
    made_of: dict[str, set[str]] = {}
    for edge in session.exec(select(Edge)):
        made_of.setdefault(edge.result, set()).add(edge.source)
    out = {}
    for start in names:
        seen, todo = set[str](), [start]
        while todo:
            for source in made_of.get(todo.pop(), ()):
                if source not in seen:
                    seen.add(source)
                    todo.append(source)
        out[start] = {names[one] for one in seen if one in names}
    return out


def refuse_live_work(session: Session, own: str = "") -> None:
    """Refuse while jobs or walks run: they hold copies of what is to be erased.

    Raises:
        Refused: naming what runs.
    """
    newest: dict[str, str] = {}
    query = select(Transition).where(col(Transition.kind).in_(("job", "pipeline"))).order_by(col(Transition.order))
    for row in session.exec(query):
        newest[row.subject] = row.state
    reaching = reach_jobs(session)  # these hold no copy of any table
    live = sorted(one for one, state in newest.items() if state in LIVE and one != own and one not in reaching)
    if live:
        raise Refused(
            "Nobody can be erased while work runs on the data",
            detail=", ".join(live),
            remedy="Wait for it to end, or cancel it.",
        )


def held_in_store(session: Session, texts: Iterable[str]) -> list[str]:
    """Rows and ledger entries that name the person: they cannot be changed, so the proof says so."""
    needles = Needles(set(texts))
    out = []
    for table in FACTS:
        for row in session.exec(select(table)):
            if _names(row, needles):
                out.append(f"{table.__tablename__} {row.id}")
    out += [f"ledger {entry.seq}" for entry in session.exec(select(LedgerEntry)) if _names(entry, needles)]
    return out


def _names(row: SQLModel, needles: Needles) -> bool:
    text = json.dumps(row.model_dump(mode="json"), ensure_ascii=False)
    return needles.cleaned(text) != text


def replacements(session: Session) -> dict[str, str]:
    """For each erased file what took its place; '' where nothing did."""
    query = select(Transition).where(Transition.kind == BLOB, Transition.state == "erased")
    return {row.subject: row.reason for row in session.exec(query.order_by(col(Transition.order)))}


def record(context: Context, erasure: str, plan: ErasePlan) -> list[str]:
    """Write what becomes of each file and snapshot, and the marks; returns the runs that were trained on the rows."""
    for item in plan.replaced:
        context.transition(BLOB, item.old, "erased", reason=item.new or "")
    touched = {table.snapshot: table.rows for table in plan.tables if table.rows}
    for snapshot, rows in touched.items():
        context.transition("snapshot", snapshot, "erased", reason=f"{rows} rows by {erasure}", aspect=ERASURE)
    for place, digests in plan.marks.items():
        for digest in digests:
            context.transition("erased subject", digest, "kept out", reason=erasure, aspect=place)
    query = select(Edge).where(Edge.role == "trained on", col(Edge.source).in_(list(touched)))
    runs = sorted({edge.result for edge in context.session.exec(query)})
    for run in runs:
        context.transition("run", run, "trained on erased rows", reason=erasure, aspect=ERASURE)
    return runs


def complete(workspace: Workspace) -> list[str]:
    """Remove every file that an erasure named, with caches and logs; returns erasures that were not complete yet.

    Only the owner may call this, and only while no job runs. A second call finds nothing to do.
    """
    with workspace.database.reading() as session:
        gone = replacements(session)
        rows = session.exec(select(Report).where(Report.kind == ERASURE)).all() if gone else []
        unfinished = [row.subject for row in rows if state_of(session, ERASURE, row.subject) != "complete"]
        reaching = reach_jobs(session) if unfinished else set()
    workspace.blobs.replaced = gone
    workspace.blobs.remove(gone)
    shutil.rmtree(workspace.root / "erasures", ignore_errors=True)
    if unfinished:
        drop_sealed(workspace)
        for folder in workspace.jobs.iterdir():
            if folder.name not in reaching:
                shutil.rmtree(folder)
        (workspace.root / "workers.log").unlink(missing_ok=True)
    return unfinished


def finish_erasures(workspace: Workspace, dispatcher: Dispatcher) -> None:
    """Bring every decided erasure to its end, and record that it got there."""
    unfinished = complete(workspace)
    if not unfinished:
        return

    def function(context: Context) -> Done:
        for erasure in unfinished:
            context.transition(ERASURE, erasure, "complete")
        return Done(subject=unfinished[0], summary=f"Removed all that {', '.join(unfinished)} named")

    try:
        dispatcher.carry_out("privacy.complete", "read", ENGINE, function)
    except Refused as refusal:  # the clock was set back: the files are gone, the next start says so
        logger.warning("The end of an erasure could not be recorded: %s", refusal)


def sweep(workspace: Workspace) -> None:
    """Remove what a killed search or ingestion may have left: requests, prepared files, scratch with raw values."""
    shutil.rmtree(workspace.root / "erasures", ignore_errors=True)
    drop_sealed(workspace)
    for scratch in workspace.jobs.glob("*/.*.plain*"):
        scratch.unlink(missing_ok=True)
    for folder in workspace.jobs.glob("*"):
        if _holds_people(folder):
            shutil.rmtree(folder)


def _holds_people(folder: Path) -> bool:
    """Whether a job left a prepared erasure, or fetched pages of a source whose columns are minimised."""
    try:
        spec: dict[str, Any] = json.loads((folder / "job.json").read_text())
    except (OSError, ValueError):
        return False
    search = spec.get("work") == "core.engine.work.erasure:search"
    return search or bool(spec.get("params", {}).get("source", {}).get("privacy"))


def read_plan(workspace: Workspace, row: Report) -> ErasePlan:
    """The plan of a search.

    Raises:
        NotFound: when it was removed.
    """
    try:
        return ErasePlan.read(json.loads(workspace.blobs.file(row.blob).read_text()))
    except PlimsollError as error:
        raise NotFound("The plan of this search is gone", where=row.id, remedy="Search again.") from error
