"""Gathering the facts for the five audit questions from the store."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, select

from core.contract.release import Dossier
from core.contract.schema import Contract
from core.engine.operations.models import gates_of
from core.engine.operations.releases import read_dossier, sign_offs, tally_of
from core.governance.records import AuditApproval, AuditFacts, AuditFeature, AuditSnapshot
from core.kernel.clock import utc_text
from core.kernel.digests import digest_json, strict_json
from core.kernel.envelope import Envelope
from core.measures.records import Estimate
from core.store.ledger import EntryBody
from core.store.tables import LedgerEntry, ModelVersion, Release, Report, SignOffRow, Snapshot, User
from core.workspace.workspace import Workspace


def audit_facts(workspace: Workspace, session: Session, version: ModelVersion) -> AuditFacts:
    """Everything on record about one version."""
    release = session.exec(
        select(Release).where(Release.model_version == version.id).order_by(col(Release.created_at).desc())
    ).first()
    dossier = read_dossier(release) if release else None
    contract = Contract.read(strict_json(workspace.blobs.path(version.contract).read_bytes()))
    evaluation = session.get_one(Report, version.detail["evaluation"])
    body = strict_json(workspace.blobs.path(evaluation.blob).read_bytes())
    return AuditFacts(
        model=version.model,
        version=version.version,
        release=release.id if release else "",
        as_of=utc_text(workspace.clock.now()),
        run=version.run,
        snapshots=_snapshots(session, version),
        contract_version=contract.version,
        features=[
            AuditFeature(
                name=item.name,
                origin=item.origin,
                expression=item.expression or f"view {item.view}",
                definition_digest=digest_json(item.plain()),
            )
            for item in contract.features
        ],
        evidence=dossier.evidence if dossier else [],
        metrics={name: Estimate.read(value) for name, value in body["metrics"].items()},
        gates=gates_of(session, workspace.blobs, version),
        approvals=_approvals(session, release) if release else [],
        **_agreed(dossier),
    )


def _agreed(dossier: Dossier | None) -> dict[str, Any]:
    if dossier is None:
        return {}
    return {
        "policy": dossier.policy,
        "policy_digest": dossier.policy_digest,
        "approvals_needed": dossier.approvals_needed,
        "previous": dossier.previous,
        "changes": dossier.changes,
    }


def _snapshots(session: Session, version: ModelVersion) -> list[AuditSnapshot]:
    training_set = version.detail["training_set"]
    ids = [*version.detail["snapshots"].values(), training_set]
    out = []
    for one in ids:
        row = session.get_one(Snapshot, one)
        report = version.detail["leakage"] if one == training_set else version.detail["validations"].get(row.name)
        validation = session.get_one(Report, report).summary if report else ""
        out.append(
            AuditSnapshot(
                table=row.name,
                snapshot=row.id,
                digest=row.blob,
                rows=row.rows,
                ingested_at=utc_text(row.created_at),
                schema_digest=row.schema_digest or digest_json(row.columns),
                validation=validation,
            )
        )
    return out


def _approvals(session: Session, release: Release) -> list[AuditApproval]:
    counted = tally_of(session, release)
    reasons = {item.key_id: item.reason for item in counted.ignored if item.key_id}
    out = []
    for row in sign_offs(session, release.id):
        said = Envelope.read(row.envelope).statement()
        user = session.get_one(User, row.signer)
        out.append(
            AuditApproval(
                name=said["signer_name"],
                person=user.person,
                meaning=said["meaning"],
                signed_at=said["signed_at"],
                comment=said["comment"],
                key_id=row.key,
                ledger_seq=entry_of(session, row),
                counts=row.key not in reasons,
                reason=reasons.get(row.key, ""),
            )
        )
    return out


def entry_of(session: Session, row: SignOffRow) -> int | None:
    """The ledger entry that wrote a sign-off."""
    query = select(LedgerEntry).where(LedgerEntry.kind == "release.sign", LedgerEntry.subject == row.release)
    for entry in session.exec(query):
        body = EntryBody.model_validate_json(entry.body)
        if any(written.id == row.id for written in body.rows):
            return entry.seq
    return None
