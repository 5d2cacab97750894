"""Releases: propose, sign, package."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import Field
from sqlmodel import Session, col, select

from core.contract.exceptions import GateException
from core.contract.release import Dossier, Evidence
from core.contract.signoffs import SignOffTally
from core.engine.context import Context, Done, state_of
from core.engine.evidence import evidence_outcomes
from core.engine.exceptions import about_run, exempt, release_problems, trusted_keys
from core.engine.find import find
from core.engine.gate_facts import priced, recorded_facts
from core.engine.jobs import submit
from core.engine.operations.models import champion_of, find_model, gates_of, metrics_of, move_stage
from core.engine.projects import newest_version, read_version
from core.engine.registry import JobOutcome, job_kind, operation
from core.evaluation.gates import apply_gates
from core.governance.dossier import build_dossier
from core.governance.policy import compare_policies, policy_digest
from core.governance.records import PreviousRelease, ReleaseFacts, Signer, StageFacts
from core.governance.signoff import make_sign_off, tally
from core.kernel.clock import parse_utc
from core.kernel.digests import canonical_json, digest_json, strict_json
from core.kernel.durations import parse_duration
from core.kernel.envelope import Envelope
from core.kernel.errors import Conflict, Problem, Refused
from core.kernel.ids import new_id
from core.kernel.records import Record
from core.project.schema import Policy
from core.store.ledger import head
from core.store.tables import (
    ModelVersion,
    Package,
    ProjectVersion,
    Release,
    Report,
    Run,
    SignOffRow,
    User,
)


class ProposeRelease(Record):
    """Freeze a version into a dossier that people can sign."""

    model: str
    environment: Literal["staging", "production"] = "production"


class SignRelease(Record):
    """Approve or reject a release, in one's own name."""

    release: str
    meaning: Literal["approve", "reject"]
    comment: str = ""
    evidence_opened: list[str] = Field(default_factory=list)


class PackageRelease(Record):
    """Build the file that travels."""

    release: str


@operation("release.propose", "release.propose", ProposeRelease)
def propose(context: Context, request: ProposeRelease) -> Done:
    """Freeze what is known about a version. A version has one open release for an environment."""
    session = context.session
    version = find_model(session, request.model)
    for row in session.exec(select(Release).where(Release.model_version == version.id)):
        if row.environment == request.environment and state_of(session, "release", row.id) not in ("rejected", "void"):
            raise Conflict(f"{version.model} v{version.version} is proposed already as {row.id}", where=row.id)
    run = session.get_one(Run, version.run)
    project = read_version(session.get_one(ProjectVersion, version.detail["project_version"]), {})
    release = new_id("rel")
    gates = [
        *gates_of(session, context.workspace.blobs, version),
        *evidence_outcomes(session, project.policy, version, context.now),
    ]
    refuse_by_policy_in_force(session, version)
    about = about_run(version.model, request.environment, run.id, project.policy)
    exceptions = exempt(session, project.policy, about, gates, context.now)
    dossier = build_dossier(
        release=release,
        project=version.model,
        environment=request.environment,
        facts=release_facts(session, version, run),
        payload=version.payload,
        author=context.actor.user,
        author_person=context.actor.person,
        proposed_at=context.now,
        gates=gates,
        evidence=[*_evidence(session, version), *map(_exception_evidence, exceptions.values())],
        policy=project.policy,
        makers=_makers(session, run),
        previous=_previous(session, version.model),
        exceptions=exceptions,
        demands_less=_demands_less(session, version.model, project.policy),
    )
    text = canonical_json(dossier.plain()).decode()
    context.add(
        Release,
        "rel",
        id=release,
        model_version=version.id,
        project=version.model,
        environment=request.environment,
        dossier=text,
        dossier_digest=dossier.fingerprint(),
    )
    context.transition("release", release, "proposed")
    context.edge(version.id, release, "proposed as")
    return Done(
        subject=release,
        summary=f"{version.model} v{version.version} for {request.environment}: "
        f"{dossier.approvals_needed} sign-offs needed",
        result={"release": release, "dossier_digest": dossier.fingerprint()},
    )


@operation("release.sign", "release.sign", SignRelease)
def sign(context: Context, request: SignRelease) -> Done:
    """Sign, if the rules allow it. The passphrase is asked for each time: logging in is not signing."""
    session = context.session
    row = find(session, Release, request.release)
    state = state_of(session, "release", row.id)
    if state not in ("proposed", "approved"):
        raise Refused(f"Release {row.id} is {state}; it takes no more sign-offs", where=row.id)
    if any(one.signer == context.actor.user for one in sign_offs(session, row.id)):
        raise Refused(f"{context.actor.name} has signed release {row.id} already", where=row.id)
    dossier = read_dossier(row)
    last = head(session)
    signer = Signer(
        user=context.actor.user, person=context.actor.person, name=context.actor.full_name, roles=context.actor.roles
    )
    policy = project_of(session, row).policy
    envelope = make_sign_off(
        dossier,
        request.meaning,
        request.comment,
        signer,
        context.signing_key(),
        f"{last.seq}:{last.hash}",
        context.now,
        timedelta(seconds=parse_duration(policy.sign_off_valid)),
        last_ledger_time=parse_utc(last.at) if last.at else None,
        evidence_opened=request.evidence_opened,
        exempt=_exempt_now(context, row, dossier),
    )
    key = envelope.signatures[0].key_id
    context.add(
        SignOffRow,
        "sig",
        release=row.id,
        signer=context.actor.user,
        key=key,
        meaning=request.meaning,
        envelope=envelope.plain(),
    )
    session.flush()
    counted = tally_of(session, row)
    if request.meaning == "reject":
        context.transition("release", row.id, "rejected", reason=request.comment)
    elif counted.complete and state != "approved":
        context.transition("release", row.id, "approved")
        version = session.get_one(ModelVersion, row.model_version)
        move_stage(context, version, "staging", StageFacts(gates_passed=True, content_unchanged=True))
    return Done(
        subject=row.id,
        summary=f"{context.actor.full_name}: {request.meaning} ({len(counted.approved_by)} of {counted.needed})",
        result={
            "release": row.id,
            "approved_by": counted.approved_by,
            "needed": counted.needed,
            "complete": counted.complete,
        },
        detail={"dossier": row.dossier_digest, "envelope": digest_json(envelope.plain())},
    )


@operation("release.package", "release.package", PackageRelease)
def package(context: Context, request: PackageRelease) -> Done:
    """Queue the building of the package of an approved release."""
    session = context.session
    row = find(session, Release, request.release)
    require_approved(session, row, context.now)
    version = session.get_one(ModelVersion, row.model_version)
    inputs = {f"payload:{path}": digest for path, digest in version.detail["files"].items()}
    envelopes = [one.envelope for one in sign_offs(session, row.id)]
    params = {"release": row.id, "dossier": strict_json(row.dossier), "signatures": envelopes}
    job = submit(context, "release.package", f"Package {row.id}", params=params, inputs=inputs)
    return Done(subject=row.id, summary=f"Packaging {row.id}", result={"job": job})


@job_kind(
    "release.package", "release.package", "core.engine.work.delivery:make_package", rooms=("delivery", "contract")
)
def keep_package(context: Context, outcome: JobOutcome) -> Done:
    """Keep a package; the same release packed again is the same file."""
    blobs = context.workspace.blobs
    blob = blobs.put_file(outcome.folder / "release.tar")
    release = outcome.params["release"]
    known = context.session.exec(select(Package).where(Package.release == release, Package.blob == blob)).first()
    size = blobs.path(blob).stat().st_size
    if known is None:
        known = context.add(Package, "pkg", release=release, blob=blob, bytes=size)
        context.edge(release, known.id, "packaged as")
    return Done(subject=known.id, summary=f"{size:,} bytes, {blob[:15]}…", result={"package": known.id, "blob": blob})


def require_approved(session: Session, row: Release, now: datetime | None = None) -> SignOffTally:
    """The tally of a release that may leave the house.

    Raises:
        Refused: when sign-offs are missing, void or expired, the content changed, a gate stops it because an
        exception expired or was revoked, or required evidence is too old by now.
    """
    counted = tally_of(session, row)
    now = datetime.now(UTC) if now is None else now
    if read_dossier(row).fingerprint() != row.dossier_digest:
        raise Refused(f"The dossier of {row.id} is not what was signed", where=row.id)
    if not counted.complete:
        missing = counted.needed - len(counted.approved_by)
        raise Refused(
            f"Release {row.id} is not approved: {len(counted.approved_by)} of {counted.needed} sign-offs",
            detail="; ".join(item.reason for item in counted.ignored),
            where=row.id,
            remedy=f"{missing} more reviewers must approve." if missing > 0 else "A reviewer rejected it.",
        )
    stopped = [*release_problems(session, row, now).values(), *_stale_evidence(session, row, now)]
    if stopped:
        raise Refused(f"Release {row.id} may not leave: a gate stops it now", where=row.id, problems=stopped)
    return counted


def _stale_evidence(session: Session, row: Release, now: datetime) -> list[Problem]:
    """Evidence that was there when the release was proposed, and is missing, failed or too old by now."""
    version = session.get_one(ModelVersion, row.model_version)
    exempt_then = {gate.rule for gate in read_dossier(row).gates if not gate.passed}  # exceptions speak for these
    return [
        Problem(f"{one.fact}: {one.why}", expected=f"{one.op} {one.expected}", remedy="Make the report anew.")
        for one in evidence_outcomes(session, project_of(session, row).policy, version, now)
        if one.severity == "block" and not one.passed and one.rule not in exempt_then
    ]


def _exempt_now(context: Context, row: Release, dossier: Dossier) -> list[str]:
    """Failed gates of a release whose exceptions stand at this moment."""
    stopped = release_problems(context.session, row, context.now)
    failed = [gate.rule for gate in dossier.gates if gate.severity == "block" and not gate.passed]
    return [rule for rule in failed if rule not in stopped]


def refuse_by_policy_in_force(session: Session, version: ModelVersion) -> None:
    """A model that was registered under an older policy must not slip past a gate that came since.

    Raises:
        Refused: with every gate of the policy in force that its recorded facts do not pass.
    """
    registered = read_version(session.get_one(ProjectVersion, version.detail["project_version"]), {}).policy
    project = read_version(newest_version(session, version.model), {})
    facts = recorded_facts(session, session.get_one(Run, version.run))
    if policy_digest(project.policy) == policy_digest(registered) or facts is None:
        return
    known = {rule.id: rule for rule in registered.gates}  # these were judged, and an exception may speak for one
    stopped = [
        Problem(f"The gate {gate.rule} blocks it: {gate.fact} is {gate.observed}", expected=gate.expected)
        for rule, gate in zip(project.policy.gates, apply_gates(project.policy, priced(facts, project)), strict=True)
        if gate.severity == "block" and not gate.passed and known.get(rule.id) != rule
    ]
    if stopped:
        raise Refused(
            f"The policy in force, v{project.policy.version}, stops {version.model} v{version.version}",
            where=version.id,
            remedy="It was registered under an older one. Train a model that passes, and propose that.",
            problems=stopped,
        )


def _demands_less(session: Session, model: str, policy: Policy) -> list[str]:
    """In what a policy is weaker than the one that the model in production was released under."""
    champion = champion_of(session, model)
    if champion is None:
        return []
    old = read_version(session.get_one(ProjectVersion, champion.detail["project_version"]), {}).policy
    return compare_policies(old, policy).weaker


def read_dossier(row: Release) -> Dossier:
    """The dossier of a release."""
    return Dossier.read(strict_json(row.dossier), where=row.id)


def sign_offs(session: Session, release: str) -> Sequence[SignOffRow]:
    """Sign-offs of a release, oldest first."""
    query = select(SignOffRow).where(SignOffRow.release == release).order_by(col(SignOffRow.created_at))
    return session.exec(query).all()


def tally_of(session: Session, row: Release) -> SignOffTally:
    """Who approved, and what does not count and why."""
    envelopes = [Envelope.read(one.envelope) for one in sign_offs(session, row.id)]

    return tally(read_dossier(row), envelopes, trusted_keys(session), datetime.now(UTC))


def project_of(session: Session, row: Release) -> Any:
    """The project as it was when the release's version was made."""
    version = session.get_one(ModelVersion, row.model_version)
    return read_version(session.get_one(ProjectVersion, version.detail["project_version"]), {})


def release_facts(session: Session, version: ModelVersion, run: Run) -> ReleaseFacts:
    """What a version is made of, for comparing releases."""
    return ReleaseFacts(
        model=version.model,
        version=version.version,
        run=run.id,
        inputs={name: str(value) for name, value in run.inputs.items()},
        features=list(version.detail.get("features", [])),
        parameters={"trainer": run.trainer, "seed": run.seed, **_flat(run.settings)},
        metrics=judged(session, version) | metrics_of(run),
    )


def judged(session: Session, version: ModelVersion) -> dict[str, float]:
    """The evaluation's figures: ``roc_auc`` with ``roc_auc.low`` and ``roc_auc.high``, and so on."""
    facts = session.get_one(Report, version.detail["evaluation"]).facts
    out = {}
    for name, value in facts.items():
        if name.startswith(("metrics.", "calibration.ece", "fairness.")) and isinstance(value, int | float):
            out[name.removeprefix("metrics.").removesuffix(".value")] = float(value)
    return out


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool) else str(value) for name, value in settings.items()
    }


def _previous(session: Session, model: str) -> PreviousRelease | None:
    champion = champion_of(session, model)
    if champion is None:
        return None
    query = select(Release).where(Release.model_version == champion.id).order_by(col(Release.created_at).desc())
    row = session.exec(query).first()
    if row is None:
        return None
    return PreviousRelease(release=row.id, facts=release_facts(session, champion, session.get_one(Run, champion.run)))


def _makers(session: Session, run: Run) -> list[str]:
    user = session.get(User, run.created_by)
    return [user.person] if user else []


def _evidence(session: Session, version: ModelVersion) -> list[Evidence]:
    ids = [
        version.detail["evaluation"],
        version.detail["gates"],
        version.detail["leakage"],
        *version.detail["validations"].values(),
    ]
    rows = [session.get_one(Report, one) for one in ids]
    return [Evidence(kind=row.kind, id=row.id, digest=row.blob, summary=row.summary) for row in rows]


def _exception_evidence(envelope: Envelope) -> Evidence:
    """A signed exception as a piece of evidence that reviewers open."""
    said = GateException.read(envelope.statement())
    words = f"{said.rule} may stand until {said.expires_at[:16]}: {said.fact} is {said.observed}. {said.reason}"
    return Evidence(kind="exception", id=said.exception, digest=digest_json(envelope.plain()), summary=words)
