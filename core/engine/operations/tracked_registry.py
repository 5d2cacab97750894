"""What clients change in the registry: models, versions, aliases, stages. Promotions obey the gates."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlmodel import Session, col, select

from core.engine.actors import check_permission
from core.engine.context import Context, Done
from core.engine.operations.models import champion_of, gates_of, move_stage, stage_of
from core.engine.operations.releases import refuse_by_policy_in_force, require_approved
from core.engine.operations.tracking import Note
from core.engine.registry import operation
from core.engine.tracking.draft import Draft
from core.engine.tracking.registered import FOREIGN_STAGES, Registry
from core.engine.tracking.shelf import REGISTERED, VERSION, Shelf
from core.evaluation.gates import blocked
from core.governance.records import StageFacts
from core.kernel.errors import Conflict, InputError, Refused
from core.kernel.ids import new_id
from core.kernel.records import Record
from core.store.tables import Decision, ModelVersion, Release, Transition

PROMOTIONS = ("champion", "production")  # aliases that say: this one serves


class CreateModel(Record):
    """A name for versions."""

    name: str
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class CreateVersion(Record):
    """The next version under a name: where its files are, and what made it."""

    name: str
    source: str
    run: str = ""
    run_link: str = ""
    model: str = ""
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class NoteRegistered(Record):
    """Notes about a registered model, or about one version of it."""

    name: str
    version: int | None = None
    notes: list[Note]


class MoveVersion(Record):
    """Another stage: None, Staging, Production or Archived."""

    name: str
    version: int
    stage: str
    archive_others: bool = False


class SetAlias(Record):
    """A name of one version; without a version the alias goes."""

    name: str
    alias: str
    version: int | None = None


@operation("registry.create_model", "model.register", CreateModel)
def create_model(context: Context, request: CreateModel) -> Done:
    """Add a registered model."""
    registry = Registry(Shelf(context.session))
    if registry.find(request.name) is not None:
        raise Conflict(f"Registered Model (name={request.name}) already exists.")
    draft, id = Draft(context), new_id("rm")
    draft.thing(REGISTERED, id, name=request.name)
    draft.note(id, "state", "lifecycle", "active")
    draft.note(id, "state", "description", request.description)
    for name, value in request.tags.items():
        draft.note(id, "tag", name, value)
    draft.keep()
    return Done(subject=id, summary=f"Registered model {request.name}")


@operation("registry.create_version", "model.register", CreateVersion)
def create_version(context: Context, request: CreateVersion) -> Done:
    """Add a version. It is a candidate like any other: what makes it serve is decided elsewhere."""
    registry = Registry(Shelf(context.session))
    model = registry.model(request.name)
    if model["trained"]:
        raise Refused(
            f"{request.name} is a model of this workspace: its versions come from its pipeline",
            where=request.name,
            remedy="Register under another name, or train it with `plimsoll run`.",
        )
    number = registry.next_number(request.name)
    draft, id = Draft(context), f"{model['id']}/{number}"
    detail = {"source": request.source, "run": request.run, "run_link": request.run_link, "model": request.model}
    draft.thing(VERSION, id, parent=model["id"], name=str(number), detail=detail)
    draft.note(id, "state", "description", request.description)
    for name, value in request.tags.items():
        draft.note(id, "tag", name, value)
    draft.keep()
    return Done(subject=id, summary=f"{request.name} version {number}", result={"version": number})


@operation("registry.note", "model.register", NoteRegistered)
def note_registered(context: Context, request: NoteRegistered) -> Done:
    """Tags, descriptions, another name, out of sight."""
    registry = Registry(Shelf(context.session))
    held = registry.model(request.name)
    subject = held["id"]
    if request.version is not None:
        held = registry.version(request.name, request.version)
        subject = held["id"]
    draft = Draft(context)
    for note in request.notes:
        if held["trained"] and note.kind == "state" and note.name != "description":
            raise Refused(
                f"{request.name} is a model of this workspace: only tags and words can be added", where=subject
            )
        if note.removed and note.name not in held["tags"]:
            continue
        draft.note(subject, note.kind, note.name, note.value, removed=note.removed)
    draft.keep()
    return Done(subject=subject, summary=f"Noted of {request.name} {request.version or ''}".strip())


@operation("registry.alias", "model.register", SetAlias)
def set_alias(context: Context, request: SetAlias) -> Done:
    """Point an alias at a version. ``champion`` is a promotion, and needs what a promotion needs."""
    registry = Registry(Shelf(context.session))
    model, promotes = registry.model(request.name), request.alias.lower() in PROMOTIONS
    draft = Draft(context)
    if request.version is None:
        if promotes and model["trained"]:
            raise Refused("A champion is replaced by another, or rolled back", where=request.name)
        if request.alias in model["aliases"]:
            draft.note(model["id"], "alias", request.alias, "", removed=True)
            draft.keep()
        return Done(subject=model["id"], summary=f"{request.name} has no {request.alias} any more")
    version = registry.version(request.name, request.version)
    if promotes:
        _promote(context, version, request.alias)
    if not (promotes and version["trained"]):
        draft.note(model["id"], "alias", request.alias, str(request.version))
        draft.keep()
    return Done(subject=version["id"], summary=f"{request.alias} of {request.name} is version {request.version}")


@operation("registry.move", "model.register", MoveVersion)
def move_version(context: Context, request: MoveVersion) -> Done:
    """Move a version to another stage, if the gates and signatures allow it."""
    registry = Registry(Shelf(context.session))
    version = registry.version(request.name, request.version)
    if version["trained"]:
        _move_trained(context, version, request.stage)
        return Done(subject=version["id"], summary=f"{request.name} version {request.version}: {request.stage}")
    if request.stage == "Production":
        _promote(context, version, "Production")
    draft = Draft(context)
    draft.note(version["id"], "state", "stage", request.stage)
    if request.archive_others:
        for other in registry.versions(request.name):
            if other["stage"] == request.stage and other["number"] != request.version:
                draft.note(other["id"], "state", "stage", "Archived")
    draft.keep()
    return Done(subject=version["id"], summary=f"{request.name} version {request.version}: {request.stage}")


def _move_trained(context: Context, version: dict[str, Any], stage: str) -> None:
    row = context.session.get_one(ModelVersion, version["id"])
    if stage == "Production":
        _promote(context, version, stage)
    elif stage == "Archived":
        move_stage(context, row, "archived", StageFacts(reason=f"Archived by {context.actor.name} through the door"))
    elif stage == "Staging":
        refuse_by_policy_in_force(context.session, row)
        move_stage(context, row, "staging", StageFacts(gates_passed=_passed(context, row), content_unchanged=True))
    elif stage_of(context.session, row.id) != "candidate":
        raise Refused("A version does not go back to being a candidate", where=row.id)


def _passed(context: Context, row: ModelVersion) -> bool:
    return not blocked(gates_of(context.session, context.workspace.blobs, row))


def _promote(context: Context, version: dict[str, Any], to: str) -> None:
    """Let a version become the champion: with an approved release, by who may deploy, as on every other way.

    Raises:
        Refused: saying what is missing and how to get it.
    """
    label = f"{version['model']} version {version['number']}"
    if not version["trained"]:
        raise Refused(
            f"{label} cannot become {to}: it has no approved release",
            where=version["id"],
            detail="It was registered by a client: no gate judged it and nobody signed it.",
            remedy="Train it with the project's pipeline, then `plimsoll release propose`, sign and deploy.",
        )
    row, session = context.session.get_one(ModelVersion, version["id"]), context.session
    if stage_of(session, row.id) == "production":
        return
    check_permission(context.actor, "deploy.switch")
    query = select(Release).where(Release.model_version == row.id, Release.environment == "production")
    release = session.exec(query.order_by(col(Release.created_at).desc())).first()
    if release is None:
        raise Refused(
            f"{label} cannot become {to}: it has no approved release",
            where=row.id,
            remedy="Propose it with `plimsoll release propose`, and have it signed.",
        )
    require_approved(session, release, context.now)  # sign-offs, and gates with their exceptions
    before = champion_of(session, row.model)
    if before is not None:
        move_stage(context, before, "archived", StageFacts(reason=f"Replaced by v{row.version}"))
    facts = StageFacts(
        gates_passed=True,
        approved=True,
        content_unchanged=True,
        was_in_production=_was_in_production(session, row),
        reason="Promoted by a tracking client",
    )
    move_stage(context, row, "production", facts)
    evidence = {"release": release.id, "replaces": before.id if before else "", "asked by": "tracking client"}
    context.add(Decision, "dec", kind="promotion", subject=row.id, verdict="production", evidence=evidence)


def _was_in_production(session: Session, row: ModelVersion) -> bool:
    query = select(Transition).where(Transition.kind == "model", Transition.subject == row.id)
    return session.exec(query.where(Transition.aspect == "stage", Transition.state == "production")).first() is not None


def check_stage(text: str) -> str:
    """A stage in its one spelling.

    Raises:
        InputError: for any other word.
    """
    found = next((stage for stage in FOREIGN_STAGES if stage.lower() == text.lower()), None)
    if found is None:
        raise InputError(f"Invalid Model Version stage: {text}. Value must be one of {', '.join(FOREIGN_STAGES)}.")
    return found
