"""Targets and deployments."""

from __future__ import annotations

import base64
from typing import Any, Literal

from pydantic import Field
from sqlmodel import Session, col, select

from core.contract.release import TRUST_ROOT_TYPE, TrustRoot
from core.delivery.records import TargetSpec
from core.engine.context import Context, Done, state_of
from core.engine.erasure_places import queue_reach
from core.engine.exceptions import trusted_keys
from core.engine.find import find
from core.engine.jobs import submit
from core.engine.operations.models import champion_of, move_stage
from core.engine.operations.releases import project_of, read_dossier, require_approved
from core.engine.registry import JobOutcome, job_kind, operation
from core.governance.records import StageFacts
from core.kernel.clock import utc_text
from core.kernel.envelope import sign_statement
from core.kernel.errors import NotFound, Refused
from core.kernel.records import Record
from core.store.tables import Collection, Decision, Deployment, ModelVersion, Package, Release, Snapshot, TargetRow


class AddTarget(Record):
    """A host to deliver to, with the host key that a person compared."""

    spec: TargetSpec


class NamedTarget(Record):
    """A target by its name."""

    target: str


class Deploy(Record):
    """Bring an approved, packaged release to a target and switch to it."""

    release: str
    target: str
    strategy: Literal["replace"] = "replace"
    switch: bool = True


class RollBack(Record):
    """Go back to the release before on a target."""

    target: str
    reason: str = Field(min_length=1)


@operation("target.add", "target.add", AddTarget)
def add_target(context: Context, request: AddTarget) -> Done:
    """Add a target, or a new version of a target's entry; the newest entry of a name counts."""
    row = context.add(TargetRow, "tgt", name=request.spec.name, spec=request.spec.plain())
    context.transition("target", request.spec.name, "added")
    return Done(subject=row.id, summary=f"{row.name}: {request.spec.url}", result={"target": row.id})


@operation("target.remove", "target.remove", NamedTarget)
def remove_target(context: Context, request: NamedTarget) -> Done:
    """Forget a target; its past stays on record."""
    row = target_row(context.session, request.target)
    context.transition("target", row.name, "removed")
    return Done(subject=row.id, summary=f"Removed {row.name}")


@operation("deploy.start", "deploy.switch", Deploy)
def start_deploy(context: Context, request: Deploy) -> Done:
    """Queue a deployment. The sign-offs are counted again here, and once more on the target."""
    session = context.session
    release = find(session, Release, request.release)
    require_approved(session, release, context.now)
    target = target_row(session, request.target)
    spec = TargetSpec.read(target.spec)
    if spec.environment != release.environment:
        raise Refused(
            f"Release {release.id} is for {release.environment}, {spec.name} is {spec.environment}",
            where=release.id,
            remedy="Propose the version for that environment.",
        )
    package = session.exec(select(Package).where(Package.release == release.id)).first()
    if package is None:
        raise NotFound("The release is not packaged yet", remedy=f"Run `plimsoll release package {release.id}`.")
    trust = trust_root(context, release, spec)
    params = {
        "release": release.id,
        "target": target.spec,
        "trust": sign_statement(TRUST_ROOT_TYPE, trust.plain(), context.workspace.station).plain(),
        "actor": context.actor.name,
        "switch": request.switch,
    }
    title = f"Deploy {release.id} to {target.name}"
    job = submit(context, "deploy.run", title, params=params, inputs={"package": package.blob})
    return Done(subject=release.id, summary=title, result={"job": job})


@job_kind(
    "deploy.run", "deploy.switch", "core.engine.work.delivery:deploy", rooms=("delivery", "serving"), timeout_s=900
)
def keep_deployment(context: Context, outcome: JobOutcome) -> Done:
    """Record what each step saw, and that the version is now in production."""
    session = context.session
    release = session.get_one(Release, outcome.params["release"])
    target = target_row(session, outcome.params["target"]["name"])
    row = context.add(
        Deployment,
        "dep",
        release=release.id,
        target=target.name,
        strategy="replace",
        detail={**outcome.value, "seconds": round(outcome.seconds, 2)},
    )
    context.edge(release.id, row.id, "deployed as")
    queue_reach(context, f"target:{target.name}")
    if outcome.params["switch"]:
        context.transition("target", target.name, release.id, aspect="release")
        context.transition("release", release.id, "deployed")
        if release.environment == "production":
            _promote(context, session.get_one(ModelVersion, release.model_version))
    steps = ", ".join(step["step"] for step in outcome.value["steps"])
    return Done(
        subject=row.id,
        summary=f"{release.id} on {target.name}: {steps}",
        result={"deployment": row.id, **outcome.value},
    )


def _promote(context: Context, version: ModelVersion) -> None:
    before = champion_of(context.session, version.model)
    if before is not None and before.id != version.id:
        move_stage(context, before, "archived", StageFacts(reason=f"Replaced by v{version.version}"))
    facts = StageFacts(gates_passed=True, approved=True, content_unchanged=True, reason="Deployed")
    move_stage(context, version, "production", facts)
    context.add(
        Decision,
        "dec",
        kind="promotion",
        subject=version.id,
        verdict="production",
        evidence={"replaces": before.id if before else ""},
    )


@operation("deploy.rollback", "deploy.rollback", RollBack)
def start_rollback(context: Context, request: RollBack) -> Done:
    """Queue a rollback."""
    target = target_row(context.session, request.target)
    title = f"Roll back {target.name}"
    params = {"target": target.spec, "reason": request.reason, "actor": context.actor.name}
    job = submit(context, "deploy.roll_back", title, params=params, inputs={})
    return Done(subject=target.id, summary=f"{title}: {request.reason}", result={"job": job})


@job_kind("deploy.roll_back", "deploy.rollback", "core.engine.work.delivery:roll_back", rooms=("delivery", "serving"))
def keep_rollback(context: Context, outcome: JobOutcome) -> Done:
    """Record a rollback; the version that runs again is production again."""
    target = target_row(context.session, outcome.params["target"]["name"])
    now = outcome.value["status"]["current"]
    context.transition("target", target.name, str(now), aspect="release", reason=outcome.params["reason"])
    context.add(
        Decision,
        "dec",
        kind="rollback",
        subject=target.name,
        verdict=str(now),
        evidence={"before": outcome.value["before"], "reason": outcome.params["reason"]},
    )
    if outcome.value["before"] and now:
        _restore(context, str(outcome.value["before"]), str(now), outcome.params["reason"])
    return Done(subject=target.id, summary=f"{target.name} runs {now} again", result=outcome.value)


def _restore(context: Context, gone: str, back: str, reason: str) -> None:
    session = context.session
    for release, stage in ((gone, "archived"), (back, "production")):
        row = session.get(Release, release)
        if row is not None:
            facts = StageFacts(
                gates_passed=True, approved=True, content_unchanged=True, was_in_production=True, reason=reason
            )
            move_stage(context, session.get_one(ModelVersion, row.model_version), stage, facts)  # type: ignore[arg-type]


@operation("monitor.collect", "monitor.collect", NamedTarget)
def start_collect(context: Context, request: NamedTarget) -> Done:
    """Queue the fetching of new prediction log lines."""
    target = target_row(context.session, request.target)
    params = {"target": target.spec, "offsets": offsets_of(context.session, target.name)}
    job = submit(context, "monitor.collect", f"Collect from {target.name}", params=params, inputs={})
    return Done(subject=target.id, summary=f"Collecting from {target.name}", result={"job": job})


@job_kind("monitor.collect", "monitor.collect", "core.engine.work.delivery:collect", rooms=("delivery", "monitoring"))
def keep_collection(context: Context, outcome: JobOutcome) -> Done:
    """Keep fetched rows with the offsets that they end at: in one transaction, so that no line counts twice."""
    session, blobs, value = context.session, context.workspace.blobs, outcome.value
    target = outcome.params["target"]["name"]
    if offsets_of(session, target) != outcome.params["offsets"]:
        raise Refused(f"Somebody else collected from {target} meanwhile", remedy="Collect again.")
    queue_reach(context, f"target:{target}")
    if value["rows"] == 0:
        return Done(subject=target, summary=f"{target}: nothing new", result={"rows": 0, "more": False})
    blob = blobs.put_table(outcome.folder)
    snapshot = context.add(
        Snapshot,
        "snap",
        kind="predictions",
        name=f"{target}_predictions",
        rows=value["rows"],
        bytes=blobs.size(blob),
        blob=blob,
        columns=dict.fromkeys(value["columns"], ""),
    )
    deployment = newest_deployment(session, target)
    if deployment is not None:
        context.edge(deployment.id, snapshot.id, "served")
    row = context.add(
        Collection, "col", target=target, snapshot=snapshot.id, rows=value["rows"], offsets=value["offsets"]
    )
    return Done(
        subject=row.id,
        summary=f"{target}: {value['rows']:,} predictions",
        result={"collection": row.id, "rows": value["rows"], "more": value["more"], "snapshot": snapshot.id},
    )


def newest_deployment(session: Session, target: str) -> Deployment | None:
    """What was brought to a target last."""
    query = select(Deployment).where(Deployment.target == target).order_by(col(Deployment.created_at).desc())
    return session.exec(query).first()


def offsets_of(session: Session, target: str) -> dict[str, int]:
    """Byte offsets up to which a target's logs were collected."""
    query = select(Collection).where(Collection.target == target).order_by(col(Collection.created_at).desc())
    newest = session.exec(query).first()
    return dict(newest.offsets) if newest else {}


def target_row(session: Session, name: str) -> TargetRow:
    """The newest entry of a target.

    Raises:
        NotFound: when there is none, or it was removed.
    """
    query = select(TargetRow).where(TargetRow.name == name).order_by(col(TargetRow.created_at).desc())
    row = session.exec(query).first()
    if row is None or state_of(session, "target", name) == "removed":
        raise NotFound(f"There is no target {name!r}", remedy="List them with `plimsoll target list`.")
    return row


def trust_root(context: Context, release: Release, spec: TargetSpec) -> TrustRoot:
    """Whom this target shall believe: the reviewers' keys, signed for by this console."""
    policy = project_of(context.session, release).policy
    dossier = read_dossier(release)
    station = next(iter(context.workspace.station_public.values()))
    return TrustRoot(
        version=context.ledger_seq(),
        project=dossier.project,
        environment=spec.environment,
        approvals=policy.approvals,
        approver_roles=policy.approver_roles,
        keys=[key for key in trusted_keys(context.session) if set(key.roles) & set(policy.approver_roles)],
        console_key=base64.b64encode(station).decode(),
        issued_at=utc_text(context.now),
    )


def deployment_steps(row: Deployment) -> list[dict[str, Any]]:
    """What each step of a deployment saw."""
    steps: list[dict[str, Any]] = row.detail["steps"]
    return steps
