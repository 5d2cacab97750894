"""Releases, sign-offs, targets, deployments."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import Session, col, select

from core.contract.exceptions import GateException
from core.contract.release import Dossier
from core.engine.context import state_of
from core.engine.exceptions import release_problems
from core.engine.find import find
from core.engine.operations.releases import read_dossier, sign_offs, tally_of
from core.engine.questions.training import user_names
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.kernel.envelope import Envelope
from core.store.tables import Deployment, Package, Release, TargetRow

if TYPE_CHECKING:
    from core.engine.engine import Engine

RELEASES: dict[str, Any] = {
    "release": pl.String,
    "model": pl.String,
    "version": pl.Int64,
    "environment": pl.String,
    "state": pl.String,
    "author": pl.String,
    "proposed_at": pl.Datetime("us", "UTC"),
    "approvals": pl.Int64,
    "approvals_needed": pl.Int64,
    "changes": pl.String,
}


@question("releases")
def releases(engine: Engine) -> pl.DataFrame:
    """All releases, newest first."""
    with engine.workspace.database.reading() as session:
        names = user_names(session)
        rows = []
        for row in session.exec(select(Release).order_by(col(Release.created_at).desc())):
            dossier, counted = read_dossier(row), tally_of(session, row)
            rows.append(
                (
                    row.id,
                    dossier.model,
                    dossier.version,
                    row.environment,
                    state_of(session, "release", row.id),
                    names.get(dossier.author, dossier.author),
                    row.created_at,
                    len(counted.approved_by),
                    counted.needed,
                    "; ".join(dossier.changes[:3]),
                )
            )
    return pl.DataFrame(rows, schema=RELEASES, orient="row")


@question("release")
def release(engine: Engine, id: str) -> dict[str, Any]:
    """One release: the dossier, who signed what, what counts and why, where it runs."""
    with engine.workspace.database.reading() as session:
        row = find(session, Release, id)
        dossier, counted = read_dossier(row), tally_of(session, row)
        package = session.exec(select(Package).where(Package.release == row.id)).first()
        stopped = release_problems(session, row, engine.workspace.clock.now())
        return {
            "release": row.id,
            "state": state_of(session, "release", row.id),
            "dossier": dossier.plain(),
            "dossier_digest": row.dossier_digest,
            "dossier_intact": dossier.fingerprint() == row.dossier_digest,
            "author_name": user_names(session).get(dossier.author, dossier.author),
            "sign_offs": _signed(session, row, counted),
            "exceptions": _exceptions(dossier, stopped),
            "stopped": {rule: problem.line() for rule, problem in stopped.items()},
            "tally": counted.plain() | {"complete": counted.complete},
            "package": package.id if package else None,
            "package_digest": package.blob if package else None,
            "package_bytes": package.bytes if package else None,
            "deployments": [_deployment(one) for one in _deployments(session, row.id)],
            "model_version": row.model_version,
        }


def _exceptions(dossier: Dossier, stopped: Container[str]) -> list[dict[str, Any]]:
    """The exceptions that a dossier carries, and whether each lets its gate stand now."""
    said = [GateException.read(one.statement()) for one in dossier.exceptions]
    names = ("exception", "rule", "reason", "requested_by_person", "signer_name", "comment", "signed_at", "expires_at")
    return [{**{name: getattr(one, name) for name in names}, "stands": one.rule not in stopped} for one in said]


def _signed(session: Session, row: Release, counted: Any) -> list[dict[str, Any]]:
    reasons = {item.key_id: item.reason for item in counted.ignored if item.key_id}
    out = []
    for one in sign_offs(session, row.id):
        said = Envelope.read(one.envelope).statement()
        out.append(
            {
                "signer": user_names(session).get(one.signer, one.signer),
                "signer_name": said["signer_name"],
                "meaning": said["meaning"],
                "comment": said["comment"],
                "signed_at": said["signed_at"],
                "expires_at": said["expires_at"],
                "key_id": one.key,
                "ledger_head": said["ledger_head"],
                "valid": one.key not in reasons,
                "reason": reasons.get(one.key, ""),
            }
        )
    return out


@question("release_file")
def release_file(engine: Engine, id: str) -> str:
    """The path of a release's package in this workspace."""
    with engine.workspace.database.reading() as session:
        row = find(session, Release, id)
        package = session.exec(select(Package).where(Package.release == row.id)).first()
    return str(engine.workspace.blobs.path(package.blob)) if package else ""


def _deployments(session: Session, release: str) -> list[Deployment]:
    query = select(Deployment).where(Deployment.release == release).order_by(col(Deployment.created_at))
    return list(session.exec(query))


def _deployment(row: Deployment) -> dict[str, Any]:
    return {
        "deployment": row.id,
        "target": row.target,
        "strategy": row.strategy,
        "at": utc_text(row.created_at),
        "steps": row.detail["steps"],
        "seconds": row.detail["seconds"],
        "status": row.detail["status"],
    }


@question("targets")
def targets(engine: Engine) -> pl.DataFrame:
    """Targets with the release that runs on each, as far as this console knows."""
    with engine.workspace.database.reading() as session:
        newest: dict[str, TargetRow] = {}
        for row in session.exec(select(TargetRow).order_by(col(TargetRow.created_at))):
            newest[row.name] = row
        rows = [
            (
                name,
                row.spec["url"],
                row.spec["environment"],
                state_of(session, "target", name, "release"),
                state_of(session, "target", name),
                row.created_at,
            )
            for name, row in newest.items()
            if state_of(session, "target", name) != "removed"
        ]
    return pl.DataFrame(rows, schema=["name", "url", "environment", "release", "state", "checked_at"], orient="row")


@question("deployments")
def deployments(engine: Engine) -> pl.DataFrame:
    """All deployments, newest first."""
    with engine.workspace.database.reading() as session:
        rows = [
            (row.id, row.release, row.target, row.strategy, row.created_at, row.detail["seconds"], row.created_by)
            for row in session.exec(select(Deployment).order_by(col(Deployment.created_at).desc()))
        ]
    names = ["deployment", "release", "target", "strategy", "at", "seconds", "by"]
    return pl.DataFrame(rows, schema=names, orient="row")
