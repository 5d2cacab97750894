"""What is on record of online stores, as facts for gates and signals for alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from core.engine.freshness import Freshness, freshness_of
from core.kernel.durations import parse_duration
from core.monitoring.records import Signal
from core.project.schema import Project
from core.store.tables import ModelVersion, Report


def online_facts(session: Session, project: Project, at: datetime) -> dict[str, float | bool]:
    """Facts of gates: how far over its target the oldest view is, and what the newest parity report found.

    ``features.freshness.worst_ratio`` is age over target, at most 1 where every view is fresh; it is missing where
    no view with a target was materialised. ``features.parity.differing`` counts what differs.
    """
    held = [one for one in freshness_of(session, project, at) if one.age_s is not None]
    ratios = [one.age_s / parse_duration(one.target) for one in held if one.target and one.age_s is not None]
    facts: dict[str, float | bool] = {}
    if ratios:
        facts["features.freshness.worst_ratio"] = max(ratios)
        facts["features.freshness.stale"] = float(sum(one.state == "stale" for one in held))
    versions = select(ModelVersion.id).where(ModelVersion.model == project.project)
    parities = select(Report).where(Report.kind == "parity", col(Report.subject).in_(versions))
    newest = session.exec(parities.order_by(col(Report.created_at).desc())).first()
    if newest is not None:
        facts["features.parity.differing"] = float(len(newest.facts.get("problems", [])))
        facts["features.parity.passed"] = bool(newest.passed)
    return facts


def freshness_signals(project: str, found: Sequence[Freshness]) -> list[Signal]:
    """One signal for each view that is stale at a place: a missed objective like any other."""
    return [
        Signal(
            kind="slo",
            model=project,
            subject=f"freshness of {one.view} at {one.place}",
            severity="warning",
            summary=one.line(),
            value=one.age_s,
        )
        for one in found
        if one.state == "stale"
    ]
