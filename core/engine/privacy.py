"""What is known of personal data: declared in the project, proposed by detection, decided by people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from core.engine.projects import last_loaded, read_version
from core.identity.privacy_key import fingerprint, privacy_secret
from core.kernel.errors import Refused
from core.project.schema import Project, Source
from core.store.tables import Report, Transition
from core.workspace.workspace import Workspace

COLUMN = "column"  # kind of the transitions that decide on a column: subject table.column, aspect personal
PERSONAL = "personal"
ERASED_SUBJECT = "erased subject"  # subject: a keyed digest; aspect: table.column
STATES = ("declared", "confirmed", "proposed", "rejected")


@dataclass(frozen=True)
class Tag:
    """What stands of one column. ``by`` and ``at`` are of the decision, or of the proposal."""

    table: str
    column: str
    state: str
    kind: str
    sort: str
    confidence: float | None
    reason: str
    by: str
    at: Any


def tags(session: Session, project: Project | None) -> list[Tag]:
    """All columns that were declared, proposed or decided on; the newest word on each."""
    found: dict[tuple[str, str], Tag] = {}
    for report in session.exec(select(Report).where(Report.kind == PERSONAL).order_by(col(Report.created_at))):
        for key in [key for key in found if key[0] == report.name]:
            del found[key]  # the newest look at a table counts
        for item in report.facts.get("findings", []):
            found[report.name, item["column"]] = _proposed(report, item)
    for name, source in project.sources.items() if project else ():
        for column in dict.fromkeys([*source.personal, *([source.subject] if source.subject else [])]):
            found[name, column] = _declared(name, column, found.get((name, column)))
    for row in _decisions(session):
        table, _, column = row.subject.partition(".")
        known = found.get((table, column))
        if known is None or known.state != "declared":
            found[table, column] = _decided(row, table, column, known)
    return [found[key] for key in sorted(found)]


def _decisions(session: Session) -> list[Transition]:
    query = select(Transition).where(Transition.kind == COLUMN, Transition.aspect == PERSONAL)
    newest = {row.subject: row for row in session.exec(query.order_by(col(Transition.order)))}
    return list(newest.values())


def _proposed(report: Report, item: dict[str, Any]) -> Tag:
    return Tag(
        report.name,
        item["column"],
        "proposed",
        item["kind"],
        item["sort"],
        item["confidence"],
        item["reason"],
        report.created_by,
        report.created_at,
    )


def _declared(table: str, column: str, known: Tag | None) -> Tag:
    kind, sort = (known.kind, known.sort) if known else ("", "direct")
    return Tag(table, column, "declared", kind, sort, None, "the project file says so", "", None)


def _decided(row: Transition, table: str, column: str, known: Tag | None) -> Tag:
    kind, sort, sure = (known.kind, known.sort, known.confidence) if known else ("", "direct", None)
    return Tag(table, column, row.state, kind, sort, sure, row.reason, row.created_by, row.created_at)


def masked_columns(session: Session, project: Project, table: str) -> list[str]:
    """The columns of a table whose values are not shown: all tags but the rejected ones.

    A derived table has those of the same name in any source besides its own.
    """
    derived = table not in project.sources
    rejected = {tag.column for tag in tags(session, project) if tag.table == table and tag.state == "rejected"}
    out = {
        tag.column
        for tag in tags(session, project)
        if tag.state != "rejected" and (tag.table == table or derived) and tag.column not in rejected
    }
    return sorted(out)


def tagged_columns(session: Session, table: str) -> list[str]:
    """As :func:`masked_columns` of the project loaded last, whichever that is."""
    version = last_loaded(session)
    return masked_columns(session, read_version(version, {}), table) if version else []


def protected(session: Session, project: Project) -> Project:
    """The project with confirmed columns among the declared ones: what a model's contract is made with."""
    confirmed: dict[str, set[str]] = {}
    for tag in tags(session, project):
        if tag.state in ("declared", "confirmed"):
            confirmed.setdefault(tag.table, set()).add(tag.column)
    sources = {
        name: source.model_copy(update={"personal": sorted({*source.personal, *confirmed.get(name, ())})})
        for name, source in project.sources.items()
    }
    return project.model_copy(update={"sources": sources})


def suppressed(session: Session, table: str) -> dict[str, list[str]]:
    """Keyed digests of erased subjects, by column of a table: their rows must not come back."""
    query = select(Transition).where(
        Transition.kind == ERASED_SUBJECT, col(Transition.aspect).startswith(table + ".", autoescape=True)
    )
    out: dict[str, set[str]] = {}
    for row in session.exec(query):
        out.setdefault(row.aspect.partition(".")[2], set()).add(row.subject)
    return {column: sorted(digests) for column, digests in sorted(out.items())}


def ingest_privacy(workspace: Workspace, session: Session, name: str, source: Source) -> dict[str, Any]:
    """Parameters of an ingestion that protect people; empty where nothing is hashed or suppressed.

    Holds the fingerprint of the secret, never the secret: jobs are kept in the store.

    Raises:
        Refused: when the secret is not the one under which subjects were erased.
    """
    gone, since = suppressed(session, name), _retained_since(session, name)
    hashes = any(rule.how == "hash" for rule in source.privacy_rules("ingest").values())
    if not gone and not hashes and not since:
        return {}
    secret = privacy_secret(workspace.info.id, make=not gone)
    made_with = session.exec(select(Transition).where(Transition.kind == "privacy key")).first()
    if secret is None or (gone and made_with is not None and made_with.subject != fingerprint(secret)):
        raise Refused(
            "The privacy secret of this workspace is not here, and erased subjects could not be recognised",
            where=f"sources.{name}",
            remedy="Put the secret back where it was: the keyring, or plimsoll/privacy in the user's state folder.",
        )
    return {"workspace": workspace.info.id, "key": fingerprint(secret), "suppressed": gone, "since": since}


def _retained_since(session: Session, table: str) -> list[str] | None:
    """The time column and the instant of the newest removal by retention, if there was one."""
    query = select(Transition).where(Transition.kind == "retention", Transition.subject == table)
    newest = session.exec(query.order_by(col(Transition.order).desc())).first()
    return [newest.aspect, newest.reason] if newest else None
