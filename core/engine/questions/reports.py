"""Runs by any of their names, runs beside each other, gates as they were decided, and reports as pages."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from core.engine.find import find
from core.engine.operations.models import find_model
from core.engine.questions.training import newest_report
from core.engine.registry import question
from core.engine.tracking.told import tracked_named, tracked_run
from core.kernel.clock import utc_text
from core.kernel.digests import strict_json
from core.kernel.errors import InputError, NotFound
from core.store.tables import Report, Run, StepResult

if TYPE_CHECKING:
    from core.engine.engine import Engine
    from core.evaluation.document import Document


def run_named(session: Session, name: str) -> Run:
    """A run by id, prefix, ``latest``, its candidate's name (the newest one), or a model that it became.

    Raises:
        NotFound: when nothing fits.
    """
    named = session.exec(select(Run).where(Run.name == name).order_by(col(Run.created_at).desc())).first()
    if named is not None:
        return named
    try:
        return find(session, Run, name)
    except NotFound:
        report = session.exec(select(Report).where(col(Report.id).startswith(name, autoescape=True))).all()
        if name and len(report) == 1 and report[0].kind in ("evaluation", "gates"):
            return session.get_one(Run, report[0].subject)
    try:
        return session.get_one(Run, find_model(session, name).run)
    except NotFound as error:
        raise NotFound(f"There is no run or model {name!r}", remedy="List them with `plimsoll runs list`.") from error


@question("run_id")
def run_id(engine: Engine, name: str) -> str:
    """The id of the run that a person named."""
    with engine.workspace.database.reading() as session:
        tracked = tracked_named(session, name)
        return tracked if tracked is not None else run_named(session, name).id


@question("gates")
def gates(engine: Engine, name: str) -> dict[str, Any]:
    """The newest verdict of the gates about a run or model."""
    with engine.workspace.database.reading() as session:
        run = run_named(session, name)
        row = newest_report(session, "gates", run.id)
        if row is None:
            raise NotFound(f"No gates were applied to {run.name} yet", where=run.id)
        outcomes = strict_json(engine.workspace.blobs.path(row.blob).read_bytes())
    return {
        "run": run.id,
        "name": run.name,
        "passed": row.passed,
        "summary": row.summary,
        "policy_digest": row.facts["policy"],
        "decided_at": utc_text(row.created_at),
        "gates": outcomes,
        "report": row.id,
    }


@question("runs_compared")
def runs_compared(engine: Engine, names: list[str]) -> dict[str, Any]:
    """Figures, settings and inputs of several runs, one value a run; ``differ`` lists what is unequal."""
    with engine.workspace.database.reading() as session:
        rows = [_side(session, name) for name in names]
    parts = {part: [row[part] for row in rows] for part in ("metrics", "parameters", "inputs")}
    out: dict[str, Any] = {"runs": [{"run": row["run"], "name": row["name"]} for row in rows]}
    for part, values in parts.items():
        out[part] = {name: [item.get(name) for item in values] for name in sorted(set().union(*values))}
    out["differ"] = {
        part: [name for name, item in out[part].items() if any(value != item[0] for value in item)] for part in parts
    }
    return out


def _side(session: Session, name: str) -> dict[str, Any]:
    """One side of a comparison: a run of a client, or one that was trained here."""
    tracked = tracked_named(session, name)
    if tracked is not None:
        return tracked_run(session, tracked)
    row = run_named(session, name)
    return {
        "run": row.id,
        "name": row.name,
        "metrics": row.metrics,
        "parameters": {"trainer": row.trainer, "seed": row.seed, **row.settings},
        "inputs": row.inputs,
    }


@question("report_html")
def report_html(engine: Engine, name: str) -> str:
    """The page of an evaluation with the newest verdict of the gates; as it was stored when it cannot be drawn anew."""
    drawn = _document(engine, name)
    if isinstance(drawn, str):
        return drawn
    from core.evaluation.html import document_html

    return document_html(drawn)


@question("report_document")
def report_document(engine: Engine, name: str) -> dict[str, Any]:
    """An evaluation as cards, pictures and tables in order, for those who draw it elsewhere (a PDF is).

    Raises:
        NotFound: when it was stored by an earlier version whose record cannot be read any more.
    """
    drawn = _document(engine, name)
    if isinstance(drawn, str):
        raise NotFound("This evaluation was stored by an earlier version", remedy="Evaluate again, or take its page.")
    from core.evaluation.html import document_plain

    return document_plain(drawn)


def _search(engine: Engine, name: str) -> dict[str, Any] | None:
    """The newest search of that name, if no evaluated run has it, or the one whose report's id begins so."""
    with engine.workspace.database.reading() as session:
        query = select(Report).where(Report.kind == "tuning").order_by(col(Report.created_at).desc())
        row = session.exec(query.where(col(Report.id).startswith(name, autoescape=True))).first() if name else None
        if row is None:
            row = session.exec(query.where(Report.name == name)).first()
            runs = select(Run.id).where(Run.name == name)
            judged = select(Report).where(Report.kind == "evaluation", col(Report.subject).in_(runs))
            if row is None or session.exec(judged).first() is not None:
                return None
        body: dict[str, Any] = strict_json(engine.workspace.blobs.path(row.blob).read_bytes())
        return {**body, "name": row.name}


def _document(engine: Engine, name: str) -> Document | str:
    """The document, or the stored page when the record is of an earlier version."""
    searched = _search(engine, name)
    if searched is not None:
        from core.evaluation.search_document import search_document

        return search_document(searched)
    from core.contract.release import GateOutcome
    from core.evaluation.html import document_of, read_report

    with engine.workspace.database.reading() as session:
        report = newest_report(session, "evaluation", run_named(session, name).id)
        if report is None:
            raise NotFound(f"{name!r} was not evaluated yet")
        steps = session.exec(select(StepResult).where(col(StepResult.step).startswith("evaluate:")))
        page = next((row.outputs["html"] for row in steps if row.outputs.get("report") == report.id), None)
        gates = newest_report(session, "gates", report.subject)
    if page is None:
        raise NotFound(f"The evaluation {report.id} was stored without a page", where=report.id)
    blobs = engine.workspace.blobs
    stored = blobs.path(str(page)).read_text(encoding="utf-8")
    try:
        record = read_report(strict_json(blobs.path(report.blob).read_bytes()))
    except InputError:
        return stored
    title = unescape(stored.partition("<title>")[2].partition("</title>")[0])
    outcomes = strict_json(blobs.path(gates.blob).read_bytes()) if gates else []
    return document_of(record, title, [GateOutcome.read(one) for one in outcomes])
