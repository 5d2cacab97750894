"""Required evidence: which reports must exist about a version and what it was made from, and how old they may be."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from core.contract.release import GateOutcome
from core.kernel.clock import utc_text
from core.kernel.durations import parse_duration
from core.project.schema import Policy, RequiredEvidence
from core.store.tables import ModelVersion, Report, Run

PREFIX = "evidence_"


def evidence_outcomes(session: Session, policy: Policy, version: ModelVersion, now: datetime) -> list[GateOutcome]:
    """One outcome for each kind of evidence that the policy asks for, in its order.

    A report counts when it is about this very version, its run, or the tables that it was made from, when it did not
    fail, and when it is young enough. Of several about one subject the newest counts; of checks, those of every table.
    """
    return [_outcome(session, wanted, version, now) for wanted in policy.evidence]


def _outcome(session: Session, wanted: RequiredEvidence, version: ModelVersion, now: datetime) -> GateOutcome:
    found = _reports(session, wanted.kind, version)
    why = _problem(found, wanted, now)
    return GateOutcome(
        rule=f"{PREFIX}{wanted.kind}",
        severity=wanted.severity,
        passed=not why,
        fact=f"evidence.{wanted.kind}",
        op="within" if wanted.within else "exists",
        expected=wanted.within or "at any age",
        observed=", ".join(f"{row.id} of {utc_text(row.created_at)[:16]}" for row in found) or "none",
        why=" ".join(part for part in (why, wanted.why) if part),
    )


def _reports(session: Session, kind: str, version: ModelVersion) -> list[Report]:
    """The newest report of each subject that says something of the version."""
    run = session.get_one(Run, version.run)
    subjects = {version.id, run.id, str(version.detail["training_set"])}
    if kind == "validation":
        named = list(version.detail["validations"].values())
        subjects = {row.subject for row in session.exec(select(Report).where(col(Report.id).in_(named)))}
    if kind == "freshness":
        subjects = {f"project:{version.model}"}
    query = select(Report).where(Report.kind == kind, col(Report.subject).in_(subjects))
    newest = {row.subject: row for row in session.exec(query.order_by(col(Report.created_at)))}
    return [newest[subject] for subject in sorted(newest)]


def _problem(found: list[Report], wanted: RequiredEvidence, now: datetime) -> str:
    if not found:
        return f"There is no {wanted.kind} report about this version."
    failed = [row.id for row in found if row.passed is False]
    if failed:
        return f"{', '.join(failed)} did not pass."
    limit = timedelta(seconds=parse_duration(wanted.within)) if wanted.within else None
    old = [row.id for row in found if limit is not None and now - row.created_at > limit]
    return f"{', '.join(old)} is older than {wanted.within}." if old else ""
