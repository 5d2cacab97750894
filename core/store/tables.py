"""The tables of the metadata store.

Every table but the ledger's own holds *facts*: rows that are written once and never changed. What
changes over time (the state of a job, the stage of a model) is the newest row of ``transition``.
DuckDB's foreign keys refuse updates of referenced rows, so references are plain ids and
``core.store.verify`` checks them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, DateTime, Double, Integer, Text
from sqlmodel import JSON, Field, SQLModel


def _moment() -> Any:
    return Field(sa_type=DateTime(timezone=True))


def _json() -> Any:
    return Field(default_factory=dict, sa_type=JSON)


def _large() -> Any:
    return Field(default=0, sa_type=BigInteger)


class Fact(SQLModel):
    """Columns that every fact has: its id, when it was made, and by whom."""

    id: str = Field(primary_key=True)
    created_at: datetime = _moment()
    created_by: str


class WorkspaceFact(Fact, table=True):
    """What is true of the whole workspace: its id and the owner's name."""

    __tablename__: ClassVar[str] = "workspace"
    detail: dict[str, Any] = _json()


class User(Fact, table=True):
    """A named account. ``person`` tells apart people, not accounts: one person may hold several."""

    __tablename__: ClassVar[str] = "user"
    name: str
    full_name: str
    person: str


class UserKey(Fact, table=True):
    """A public signing key of a user. The id is the key's own id."""

    __tablename__: ClassVar[str] = "user_key"
    user: str
    public_key: str


class RoleGrant(Fact, table=True):
    """A role given to a user, or taken away. The newest row of a pair holds."""

    __tablename__: ClassVar[str] = "role_grant"
    user: str
    role: str
    granted: bool
    reason: str = ""


class Transition(Fact, table=True):
    """A new state of something. The newest row of (kind, subject, aspect) holds."""

    __tablename__: ClassVar[str] = "transition"
    kind: str
    subject: str
    aspect: str = "state"
    state: str
    reason: str = ""
    order: int = Field(sa_column=Column("order", BigInteger, nullable=False))


class ProjectVersion(Fact, table=True):
    """One version of a project's ``plimsoll.yaml``, whole."""

    __tablename__: ClassVar[str] = "project_version"
    name: str
    path: str
    digest: str
    text: str = Field(sa_type=Text)


class Snapshot(Fact, table=True):
    """An immutable table: a source, a derived table, a training set, predictions or labels."""

    __tablename__: ClassVar[str] = "snapshot"
    kind: str
    name: str
    rows: int = _large()
    bytes: int = _large()
    blob: str
    source_digest: str = ""
    schema_digest: str = ""
    columns: dict[str, Any] = _json()
    detail: dict[str, Any] = _json()


class Report(Fact, table=True):
    """A report about something: profile, validation, leakage, evaluation, gates, drift, audit."""

    __tablename__: ClassVar[str] = "report"
    kind: str
    subject: str
    name: str
    blob: str
    passed: bool | None = None
    summary: str = ""
    facts: dict[str, Any] = _json()


class Run(Fact, table=True):
    """One training run with everything that decided its outcome."""

    __tablename__: ClassVar[str] = "run"
    name: str
    project: str
    trainer: str
    seed: int = Field(sa_type=Integer)
    settings: dict[str, Any] = _json()
    inputs: dict[str, Any] = _json()
    environment: dict[str, Any] = _json()
    metrics: dict[str, Any] = _json()
    resources: dict[str, Any] = _json()
    artefacts: dict[str, Any] = _json()
    started_at: datetime = _moment()
    seconds: float = Field(sa_type=Double)


class MetricBatch(Fact, table=True):
    """A batch of metric points; ``digest`` covers all of its points, in order."""

    __tablename__: ClassVar[str] = "metric_batch"
    run: str
    points: int = _large()
    digest: str


class MetricPoint(SQLModel, table=True):
    """One point of a metric's curve. Covered by the digest of its batch."""

    __tablename__: ClassVar[str] = "metric_point"
    batch: str = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=Integer)
    run: str
    name: str
    step: int = Field(sa_type=BigInteger)
    value: float = Field(sa_type=Double)
    ms: int | None = Field(default=None, sa_type=BigInteger)  # milliseconds since 1970, where a client told it
    model: str | None = None
    dataset: str | None = None


class LogBatch(Fact, table=True):
    """One commit of what clients track; ``digest`` covers its rows of the two tables below and its points."""

    __tablename__: ClassVar[str] = "log_batch"
    things: int = _large()
    notes: int = _large()
    points: int = _large()
    digest: str


class Tracked(SQLModel, table=True):
    """An experiment, run, logged model, or registered model or version, as it was made. Covered by its batch."""

    __tablename__: ClassVar[str] = "tracked"
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    batch: str
    id: str
    kind: str
    parent: str
    name: str
    ms: int = Field(sa_type=BigInteger)
    author: str
    detail: str


class TrackedNote(SQLModel, table=True):
    """What was noted about something tracked: a parameter, tag, state, input or file. The newest of a name holds."""

    __tablename__: ClassVar[str] = "tracked_note"
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    batch: str
    subject: str
    kind: str
    name: str
    value: str
    removed: bool
    ms: int = Field(sa_type=BigInteger)


class ModelVersion(Fact, table=True):
    """A registered version of a named model."""

    __tablename__: ClassVar[str] = "model_version"
    model: str
    version: int = Field(sa_type=Integer)
    run: str
    onnx: str
    contract: str
    payload: str
    detail: dict[str, Any] = _json()


class Release(Fact, table=True):
    """A frozen dossier. ``dossier`` is the canonical JSON text that people sign the digest of."""

    __tablename__: ClassVar[str] = "release"
    model_version: str
    project: str
    environment: str
    dossier: str = Field(sa_type=Text)
    dossier_digest: str


class SignOffRow(Fact, table=True):
    """A signed envelope by one reviewer about one release."""

    __tablename__: ClassVar[str] = "sign_off"
    release: str
    signer: str
    key: str
    meaning: str
    envelope: dict[str, Any] = _json()


class Package(Fact, table=True):
    """The file that travels to targets."""

    __tablename__: ClassVar[str] = "package"
    release: str
    blob: str
    bytes: int = _large()


class TargetRow(Fact, table=True):
    """A host that packages are pushed to, with its pinned host key."""

    __tablename__: ClassVar[str] = "target"
    name: str
    spec: dict[str, Any] = _json()


class Deployment(Fact, table=True):
    """One release brought to one target, with what each step saw."""

    __tablename__: ClassVar[str] = "deployment"
    release: str
    target: str
    strategy: str
    detail: dict[str, Any] = _json()


class Job(Fact, table=True):
    """A piece of work for a worker process. Its states are transitions."""

    __tablename__: ClassVar[str] = "job"
    kind: str
    title: str
    step: str = ""
    key: str = ""
    spec: dict[str, Any] = _json()


class StepResult(Fact, table=True):
    """The outcome of a pipeline step, found again by the digest of everything it depends on."""

    __tablename__: ClassVar[str] = "step_result"
    step: str
    key: str
    seconds: float = Field(sa_type=Double)
    outputs: dict[str, Any] = _json()
    summary: str = ""


class PipelineRun(Fact, table=True):
    """One walk through a project's pipeline."""

    __tablename__: ClassVar[str] = "pipeline_run"
    project_version: str
    reason: str = ""
    options: dict[str, Any] = _json()


class Decision(Fact, table=True):
    """Why something was promoted, refused, triggered or rolled back, and under which policy."""

    __tablename__: ClassVar[str] = "decision"
    kind: str
    subject: str
    verdict: str
    policy: str = ""
    evidence: dict[str, Any] = _json()


class Alert(Fact, table=True):
    """A signal that went over its limit. Alerts of one cause share an incident."""

    __tablename__: ClassVar[str] = "alert"
    incident: str
    cause: str
    severity: str
    headline: str
    detail: dict[str, Any] = _json()


class Incident(Fact, table=True):
    """Something that people attend to, with its playbook."""

    __tablename__: ClassVar[str] = "incident"
    cause: str
    title: str
    severity: str
    playbook: str
    subject: str = ""


class Collection(Fact, table=True):
    """A batch of prediction log rows fetched from a target, exactly once by offset."""

    __tablename__: ClassVar[str] = "collection"
    target: str
    snapshot: str
    rows: int = _large()
    offsets: dict[str, Any] = _json()


class Schedule(Fact, table=True):
    """An operation that the engine dispatches on a cron schedule; transitions switch it off."""

    __tablename__: ClassVar[str] = "schedule"
    name: str
    cron: str
    operation: str
    request: dict[str, Any] = _json()


class Edge(Fact, table=True):
    """Lineage: ``source`` was used to make ``result``."""

    __tablename__: ClassVar[str] = "edge"
    source: str
    result: str
    role: str


class LedgerEntry(SQLModel, table=True):
    """One link of the chain. ``body`` is the exact canonical JSON that ``hash`` covers."""

    __tablename__: ClassVar[str] = "ledger"
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime = _moment()
    actor: str
    kind: str
    subject: str
    outcome: str
    request: str = Field(index=True)
    body: str = Field(sa_type=Text)
    prev: str
    hash: str


class LedgerCheckpoint(SQLModel, table=True):
    """A signed statement of the ledger's length and head."""

    __tablename__: ClassVar[str] = "ledger_checkpoint"
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime = _moment()
    envelope: dict[str, Any] = _json()


FACTS: tuple[type[Fact], ...] = (
    WorkspaceFact,
    User,
    UserKey,
    RoleGrant,
    Transition,
    ProjectVersion,
    Snapshot,
    Report,
    Run,
    MetricBatch,
    LogBatch,
    ModelVersion,
    Release,
    SignOffRow,
    Package,
    TargetRow,
    Deployment,
    Job,
    StepResult,
    PipelineRun,
    Decision,
    Alert,
    Incident,
    Collection,
    Schedule,
    Edge,
)
FACT_BY_TABLE: dict[str, type[Fact]] = {str(fact.__tablename__): fact for fact in FACTS}
