"""Data sheets and Croissant metadata: facts from the store, prose from the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from core.contract.schema import ValidationReport
from core.engine.privacy import Tag, masked_columns, tags
from core.engine.projects import newest_version, read_version
from core.engine.questions.data import find_snapshot, report_body
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.kernel.errors import NotFound
from core.measures.records import TableProfile
from core.project.about import About
from core.project.schema import Project, Source
from core.store.tables import Edge, LedgerEntry, ProjectVersion, Report, Snapshot

if TYPE_CHECKING:
    from core.data.sheet_facts import SheetFacts, SheetSnapshot
    from core.engine.engine import Engine


@question("data_sheet")
def data_sheet(engine: Engine, id: str) -> str:
    """The data sheet of a snapshot, as Markdown. Values of personal columns are left out."""
    from core.data.records import ColumnType, IngestResult
    from core.data.sheet import data_sheet as sheet

    with engine.workspace.database.reading() as session:
        row = find_snapshot(session, id)
        profile = _body(engine, session, "profile", row.id)
        if profile is None:
            remedy = f"Run `plimsoll run --to profile:{row.name}`."
            raise NotFound(f"{row.name} has no profile", where=row.id, remedy=remedy)
        validation = _body(engine, session, "validation", row.id)
        version = newest_version(session)
        project = read_version(version, {})
        source = project.sources.get(row.name)
        hidden = masked_columns(session, project, row.name)
        facts = _facts(session, row, version, project)
    result = IngestResult(
        table=row.name,
        rows=row.rows,
        columns=[ColumnType(name=name, type=kind) for name, kind in row.columns.items()],
        source_digest=row.source_digest,
        schema_digest=row.schema_digest,
        size=row.bytes,
    )
    return sheet(
        result,
        TableProfile.read(profile),
        ValidationReport.read(validation) if validation else None,
        description=_described(project, row.name),
        path=source.path if source else "",
        key=source.key if source else [],
        personal=hidden,
        facts=facts,
    )


@question("croissant")
def croissant(engine: Engine, id: str, exported: dict[str, Any]) -> dict[str, Any]:
    """Croissant 1.1 metadata of a snapshot for the minimised copy that ``privacy.export`` has just written."""
    from core.data.croissant import CroissantFacts, ExportedFile
    from core.data.croissant import croissant as metadata
    from core.data.records import ColumnType

    with engine.workspace.database.reading() as session:
        row = find_snapshot(session, id)
        version = newest_version(session)
        project = read_version(version, {})
        about, prose = _about(project, version, row.name)
        source = project.sources.get(row.name)
    facts = CroissantFacts(
        table=row.name,
        title=f"{row.name} of {project.title}",
        description=_described(project, row.name),
        version=f"1.0.0+{row.id}",
        published=utc_text(row.created_at)[:10],
        licence=about.licence,
        citation=about.citation,
        url=about.url,
        creator=about.creator,
        key=source.key if source else [],
        minimised=exported["changed"],
        notes={**about.prose(), **prose},
    )
    columns = [ColumnType.read(column) for column in exported["types"]]
    file = ExportedFile(name=Path(exported["file"]).name, sha256=exported["sha256"], bytes=exported["bytes"])
    return metadata(facts, columns, file)


def _facts(session: Session, row: Snapshot, version: ProjectVersion, project: Project) -> SheetFacts:
    from core.data.sheet_facts import SheetFacts, SheetTag, schema_changes

    about, prose = _about(project, version, row.name)
    source, table = project.sources.get(row.name), project.tables.get(row.name)
    rows = session.exec(select(Snapshot).where(Snapshot.name == row.name).order_by(col(Snapshot.created_at))).all()
    past = [one for one in rows if one.created_at <= row.created_at]
    rules = _rules(source)
    found = [tag for tag in tags(session, project) if tag.table == row.name]
    return SheetFacts(
        about=about,
        prose=prose,
        kind=source.kind if source else "",
        sql=" ".join(table.sql.split()) if table else "",
        nulls=source.nulls if source else [],
        types=dict(source.types) if source else {},
        minimised=rules,
        tags=[SheetTag(**_told(tag), minimised=rules.get(tag.column, "")) for tag in found],
        anonymity=_anonymity(session, row),
        history=_history(session, past),
        schema_changes=schema_changes([(utc_text(one.created_at), dict(one.columns)) for one in past]),
        made_from=_neighbours(session, row.id, up=True),
        used_by=_neighbours(session, row.id, up=False),
        retention=_retention(source),
        erasures=_erasures(session, row),
        left=_left(session, row),
    )


def _about(project: Project, version: ProjectVersion, name: str) -> tuple[About, dict[str, str]]:
    from core.data.sheet_facts import read_prose

    stated = project.sources.get(name) or project.tables.get(name)
    about = (stated.about if stated else None) or About()
    return about, read_prose(Path(version.path).parent, name)


def _described(project: Project, name: str) -> str:
    stated = project.sources.get(name) or project.tables.get(name)
    return stated.description if stated else ""


def _rules(source: Source | None) -> dict[str, str]:
    if source is None:
        return {}
    words = {}
    for when in ("export", "ingest"):
        for name, rule in source.privacy_rules(when).items():
            words[name] = f"{rule.in_words()} at {when}"
    return words


def _told(tag: Tag) -> dict[str, str]:
    return {"column": tag.column, "state": tag.state, "kind": tag.kind, "reason": tag.reason}


def _anonymity(session: Session, row: Snapshot) -> str:
    query = select(Report).where(Report.kind == "personal", Report.subject == row.id)
    report = session.exec(query.order_by(col(Report.created_at).desc())).first()
    found = report.facts.get("anonymity") if report else None
    if not found:
        return ""
    return (
        f"Over {', '.join(found['columns'])} the smallest of {found['groups']:,} groups has {found['k']:,} rows; "
        f"{found['below']:,} rows are in groups of fewer than {found['threshold']}"
    )


def _history(session: Session, rows: list[Snapshot]) -> list[SheetSnapshot]:
    from core.data.sheet_facts import SheetSnapshot

    checks: dict[str, dict[str, Any]] = {}
    for report in session.exec(select(Report).where(Report.kind == "validation").order_by(col(Report.created_at))):
        checks[report.subject] = report.facts
    out = []
    for row in rows:
        facts = checks.get(row.id, {})
        counts = {name: facts.get(name) for name in ("checks", "failed", "warned")}
        out.append(SheetSnapshot(snapshot=row.id, at=utc_text(row.created_at), rows=row.rows, **counts))
    return out


def _neighbours(session: Session, snapshot: str, *, up: bool) -> list[str]:
    here, there = (Edge.result, Edge.source) if up else (Edge.source, Edge.result)
    ids = session.exec(select(there, Edge.role).where(here == snapshot)).all()
    out = []
    for other, role in ids:
        named = session.get(Snapshot, other)
        out.append(f"{named.name} ({other}), {role}" if named else f"{other}, {role}")
    return sorted(set(out))


def _retention(source: Source | None) -> str:
    rule = source.retain if source else None
    return f"Rows are kept for {rule.keep} by {rule.by}" if rule else ""


def _erasures(session: Session, row: Snapshot) -> list[str]:
    reports = session.exec(select(Report).where(Report.kind == "erasure").order_by(col(Report.created_at)))
    return [
        f"{utc_text(report.created_at)}: {report.facts['tables'][row.id]:,} rows, proof {report.id}"
        for report in reports
        if row.id in report.facts["tables"]
    ]


def _left(session: Session, row: Snapshot) -> list[str]:
    query = select(LedgerEntry).where(LedgerEntry.kind == "privacy.export", LedgerEntry.subject == row.id)
    entries = session.exec(query.order_by(col(LedgerEntry.seq)))
    return [utc_text(entry.at) for entry in entries if '"columns"' in entry.body]


def _body(engine: Engine, session: Session, kind: str, subject: str) -> dict[str, Any] | None:
    found = report_body(engine, session, kind, subject)
    return {key: value for key, value in found.items() if key not in ("report", "passed")} if found else None
