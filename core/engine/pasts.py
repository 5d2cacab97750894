"""Collects what earlier snapshots of a table say, for the worker that checks the next one."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, select

from core.contract.definitions import check_name
from core.contract.schema import Check
from core.engine.find import find
from core.engine.work.past import Cells, PastRecord, Point
from core.kernel.clock import utc_text
from core.kernel.digests import strict_json
from core.measures.records import ColumnProfile, TableProfile
from core.store.tables import Report, Snapshot
from core.workspace.workspace import Workspace

MOST = 1_000  # newest snapshots that a history goes back to
_FIGURES = {"row_count": "rows", "sum": "total", "median": "p50"}
_QUANTILES = {0.01: "p01", 0.05: "p05", 0.25: "p25", 0.5: "p50", 0.75: "p75", 0.95: "p95", 0.99: "p99"}


def collect_past(workspace: Workspace, table: str, checks: list[Check], snapshot: str = "") -> dict[str, Any]:
    """Histories and baselines that ``checks`` ask for, from the snapshots before ``snapshot`` (or from all).

    Empty when none of them asks.
    """
    asked = [check for check in checks if check.kind in ("anomaly", "distribution")]
    if not asked:
        return {}
    with workspace.database.reading() as session:
        rows = list(session.exec(select(Snapshot).where(Snapshot.name == table).order_by(col(Snapshot.created_at))))
        ids = [row.id for row in rows]
        this = rows[ids.index(snapshot)] if snapshot in ids else None
        earlier = rows[: ids.index(snapshot)] if this is not None else rows
        past = PastRecord(
            at=utc_text(this.created_at if this is not None else workspace.clock.now()),
            history={check_name(c): _history(session, earlier[-MOST:], c) for c in asked if c.kind == "anomaly"},
            baselines={
                check_name(check): cells
                for check in asked
                if check.kind == "distribution" and (cells := _baseline(workspace, session, earlier, check)) is not None
            },
        )
    return past.plain()


def newest_report(session: Session, kind: str, snapshot: str) -> Report | None:
    """The newest report of a kind about a snapshot."""
    return session.exec(
        select(Report).where(Report.kind == kind, Report.subject == snapshot).order_by(col(Report.created_at).desc())
    ).first()


def _history(session: Session, earlier: list[Snapshot], check: Check) -> list[Point]:
    values = [(row, _value(session, row, check)) for row in earlier]
    return [Point(at=utc_text(row.created_at), value=value) for row, value in values if value is not None]


def _value(session: Session, row: Snapshot, check: Check) -> float | None:
    """A figure of the profile; of some rows only, what the same check saw then."""
    if check.where:
        validation = newest_report(session, "validation", row.id)
        told = (validation.facts.get("by_check") or {}).get(check_name(check)) if validation is not None else None
        return told["value"] if told else None
    if check.statistic == "row_count":
        return float(row.rows)
    profile = newest_report(session, "profile", row.id)
    figures = ((profile.facts.get("columns") or {}) if profile is not None else {}).get(check.columns[0])
    return _figure(figures, check) if figures else None


def _figure(figures: dict[str, float], check: Check) -> float | None:
    if check.statistic == "quantile":
        return figures.get(_QUANTILES.get(check.quantile or 0.0, ""))
    if check.statistic == "distinct_share":
        known = figures["rows"] - figures["nulls"]
        return figures["distinct"] / known if known and "distinct" in figures else None
    return figures.get(_FIGURES.get(str(check.statistic), str(check.statistic)))


def _baseline(workspace: Workspace, session: Session, earlier: list[Snapshot], check: Check) -> Cells | None:
    if check.baseline in ("previous", "first"):
        ordered = earlier if check.baseline == "first" else earlier[::-1]
    else:
        ordered = [find(session, Snapshot, check.baseline)]
    for row in ordered:
        report = newest_report(session, "profile", row.id)
        if report is not None and workspace.blobs.has(report.blob):
            profile = TableProfile.read(strict_json(workspace.blobs.path(report.blob).read_bytes()))
            names = [column.name for column in profile.columns]
            return _cells(profile.column(check.columns[0])) if check.columns[0] in names else None
    return None


def _cells(column: ColumnProfile) -> Cells | None:
    absent = column.nulls + column.nan
    if column.kind == "number" and column.histogram is not None:
        return Cells(edges=column.histogram.edges, counts=column.histogram.counts, nulls=absent)
    if column.kind in ("text", "bool") and column.top:
        counts = [item.count for item in column.top]
        others = column.rows - absent - sum(counts)
        return Cells(levels=[item.value for item in column.top], counts=counts, others=others, nulls=absent)
    return None
