"""How old the values are that online stores hold, against each view's target; stale since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlmodel import Session, col, select

from core.kernel.clock import parse_utc, utc_text
from core.kernel.durations import parse_duration
from core.kernel.errors import InputError
from core.kernel.records import Record
from core.project.schema import Project
from core.store.tables import Report

State = Literal["fresh", "stale", "no target", "not materialised"]


class Freshness(Record):
    """One view at one place. Times are RFC 3339; ``age_s`` is how long ago the newest value became valid.

    The values of a static view have no time of their own: they are as old as the materialisation.
    """

    view: str
    place: str
    target: str
    state: State
    age_s: float | None = None
    newest: str | None = None
    until: str | None = None
    stale_since: str | None = None
    entities: int | None = None
    version: str = ""
    materialised_at: str | None = None

    def line(self) -> str:
        """In words."""
        return f"{self.view} at {self.place} is stale since {(self.stale_since or '')[:19]} (target {self.target})"


def freshness_of(session: Session, project: Project, at: datetime) -> list[Freshness]:
    """Every view of the project at every place that holds it, as of ``at``; one line for a view that none holds."""
    newest = newest_materialisations(session, project.project)
    out = []
    for name, view in project.features.views.items():
        places = {place: row for (one, place), row in newest.items() if one == name}
        if not places:
            out.append(Freshness(view=name, place="", target=view.freshness or "", state="not materialised"))
        out += [_one(name, place, view.freshness, row, at) for place, row in places.items()]
    return out


def newest_materialisations(session: Session, project: str) -> dict[tuple[str, str], Report]:
    """The newest materialisation of each (view, place) of a project."""
    query = select(Report).where(Report.kind == "materialisation").order_by(col(Report.created_at))
    start = f"view:{project}/"
    return {(row.name, row.facts["place"]): row for row in session.exec(query) if row.subject.startswith(start)}


def _one(name: str, place: str, target: str | None, row: Report, at: datetime) -> Freshness:
    facts = row.facts
    newest = parse_utc(facts["newest"] or facts["until"])
    age = max(0.0, (at - newest).total_seconds())
    state, since = _state(newest, target, at)
    return Freshness(
        view=name,
        place=place,
        target=target or "",
        state=state,
        age_s=age,
        newest=facts["newest"],
        until=facts["until"],
        stale_since=since,
        entities=facts["entities"],
        version=facts["version"],
        materialised_at=utc_text(row.created_at),
    )


def _state(newest: datetime, target: str | None, at: datetime) -> tuple[State, str | None]:
    if target is None:
        return "no target", None
    due = newest + timedelta(seconds=parse_duration(target))
    return ("stale", utc_text(due)) if at > due else ("fresh", None)


def instant(text: str) -> datetime:
    """An instant as people write it; without an offset it is UTC.

    Raises:
        InputError: when it is none.
    """
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        remedy = "Write it like 2013-07-01 or 2013-07-01T06:00:00Z"
        raise InputError(f"{text!r} is not an instant", remedy=remedy) from error
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
