"""The typed schema of ``plimsoll.yaml``. Field descriptions become the JSON Schema for editors.

Wherever a field is an *expression*, it is SQL text: DuckDB's for tables, Polars' SQL dialect for
single values (``polars.sql_expr``), so that one text serves offline and at serving time.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from core.contract.compatibility import RequestField
from core.contract.schema import Check
from core.contract.tasks import Task
from core.kernel.digests import digest_json
from core.kernel.records import Record
from core.project.about import About
from core.project.candidates import Candidate
from core.project.privacy import Minimise, RowRetention, Rule, full_rule
from core.project.rates import Rates

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Duration = Annotated[str, StringConstraints(pattern=r"^\d+(s|m|h|d)$")]


Form = Literal["csv", "jsonl", "parquet", "excel"]
FORMS: dict[str, Form] = {  # by the ending of a file's name
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".ods": "excel",
}


_ASIDE = frozenset({"description", "personal", "subject", "quasi", "retain", "about"})  # what no row hangs on


class Source(Record):
    """Where a raw table comes from. Which kind takes which fields is checked in :mod:`core.project.source_rules`."""

    kind: Literal["csv", "parquet", "jsonl", "excel", "folder", "sql", "http", "stream", "files"] = "csv"
    path: str = Field(
        default="",
        description="A file or, for `folder`, a folder, for `files` either: relative to the project, absolute, or "
        "inside an installed package as package:NAME/FILE (a zipped CSV is read through)",
    )
    pattern: str = Field(default="*", description="folder: which of its files, such as *.csv")
    format: Form | None = Field(
        default=None, description="folder and http: form of the files; by their ending if absent"
    )
    sheet: str | int = Field(default=1, description="excel: the sheet, by name or by number from 1")
    header: int = Field(default=1, ge=1, description="excel: number of the row that names the columns")
    url: str = Field(
        default="",
        description="sql: postgresql://user@host:port/database, sqlite:FILE or duckdb:FILE; http: the file's address; "
        "stream: redis://host:port/number. A password never stands here: see `secret`",
    )
    table: str = Field(default="", description="sql: the table, with its schema if need be")
    query: str = Field(default="", description="sql: one SELECT instead of a table")
    watermark: str = Field(
        default="",
        description="sql: column that only grows, such as an id or a time of change; without it the whole "
        "table is read each time",
    )
    stream: str = Field(default="", description="stream: the name of the Redis stream")
    secret: str = Field(default="", description="Name of the password or token, stored by `plimsoll secret set`")
    insecure: bool = Field(default=False, description="Allow plain http or redis to another host, unencrypted")
    ca: str = Field(
        default="", description="http, sql and stream: file of the certificates to trust instead of the usual"
    )
    max_bytes: int = Field(default=4 << 30, gt=0, description="http: a larger download is refused")
    on_conflict: Literal["append", "update"] = Field(
        default="append", description="What is done with a new row whose key is there: append it, or update the old row"
    )
    nulls: list[str] = Field(default=["", "NA"], description="Texts that mean 'no value'")
    types: dict[str, Literal["int", "float", "text", "bool", "time", "date"]] = Field(
        default_factory=dict, description="Types to hold columns to; the others are inferred over the whole file"
    )
    key: list[str] = Field(default_factory=list, description="Columns that identify a row")
    description: str = ""
    personal: list[str] = Field(default_factory=list, description="Columns that hold personal data")
    subject: str | None = Field(default=None, description="Column that says which person a row is about")
    privacy: dict[str, Rule] = Field(default_factory=dict, description="Column to drop, mask, hash or generalise")
    quasi: list[str] = Field(default_factory=list, description="Columns over which k-anonymity is measured")
    retain: RowRetention | None = Field(default=None, description="How long rows may be kept")
    about: About | None = Field(default=None, description="What a person says of it for the data sheet")

    def privacy_rules(self, when: str) -> dict[str, Minimise]:
        """The rules that hold at ``ingest`` or at ``export``, written out."""
        rules = {name: full_rule(rule) for name, rule in self.privacy.items()}
        return {name: rule for name, rule in rules.items() if rule.when == when}

    def definition(self) -> str:
        """Digest of everything that decides which rows come, and how: a change means to read them all anew."""
        kept = self.model_dump(mode="json", exclude={*_ASIDE, "secret", "insecure", "ca", "max_bytes"})
        return digest_json(kept)


ColumnKind = Literal["int", "float", "text", "bool", "time", "date"]


class PythonInput(Record):
    """What a Python table is given of one source or SQL table: these columns, and nothing else."""

    columns: list[str]
    available: str = Field(description="Its time column that says from when a row is known, or 'always'")


class PythonTable(Record):
    """A function of the project's own code that makes a table where SQL is too narrow."""

    function: str = Field(
        pattern=r"^[\w./-]+\.py:[A-Za-z_]\w*$", description="FILE.py:NAME, the file inside the project's folder"
    )
    inputs: dict[Name, PythonInput] = Field(description="What it is called with, by name")
    entity: list[str] = Field(description="Columns of its rows that say whose they are")
    available: str = Field(description="Time column of its rows: what was known then is all that a row may depend on")
    outputs: dict[str, ColumnKind] = Field(description="Every column of its rows, with its type")
    source: str = Field(default="", description="Digest of the file; Plimsoll fills it in, leave it out")


class Table(Record):
    """A table derived from sources: by one DuckDB query over their snapshots, or by Python."""

    sql: str = ""
    python: PythonTable | None = None
    description: str = ""
    about: About | None = Field(default=None, description="What a person says of it for the data sheet")


class Retention(Record):
    """Which snapshots of a table keep their content. Tagged ones, and what anything refers to, always do."""

    newest: int = Field(default=1, ge=1, description="How many of the newest are kept, whatever their age")
    within: Duration | None = Field(default=None, description="Younger ones are kept too")


class Suite(Record):
    """Checks on one source or table. The same records serve all four call sites."""

    checks: list[Check]


class Events(Record):
    """The rows that get a prediction, and when each of their columns is known."""

    table: Name
    key: list[str]
    time: str = Field(description="Column with the event's own time (UTC)")
    prediction_time: str = Field(description="Column with the instant at which the prediction is made (UTC)")
    available: dict[str, str] = Field(
        description="For each column that may be used: 'always', or the name of the time column that says when it "
        "becomes known. A column that is not listed may not be used as a feature"
    )


class Label(Record):
    """What is predicted, and when the truth is known."""

    name: Name
    expression: str = Field(description="SQL over the event row; null means that there is no label")
    known_at: str = Field(description="Column with the instant at which the label is known (UTC)")
    task: Task = Field(
        default="binary",
        description="binary: true or false (1 or 0); multiclass: one of several texts; regression: a number",
    )


class RequestFeature(Record):
    """A feature computed from the request itself, by one expression, offline and online."""

    expression: str
    kind: Literal["number", "category"] = "number"
    description: str = ""


class Window(Record):
    """One aggregate over rows that were already available. Values that are null never count."""

    column: str | None = Field(default=None, description="Expression to aggregate; none for a count of rows")
    function: Literal["count", "sum", "mean", "rate", "distinct", "last", "min", "max", "std", "since", "lag"]
    over: Duration | None = Field(
        default=None, description="Length of the window; only last and lag may do without, and look back for ever"
    )
    per: Duration | None = Field(
        default=None, description="For rate: rows (or the column's sum) in this time; without it the share of true"
    )
    n: int = Field(default=1, ge=1, le=1000, description="For lag: 1 is the newest value, 2 the one before")


class FeatureView(Record):
    """Named, owned features by entity, as of an instant.

    Three shapes: *static* (one row an entity), *latest* (``columns`` of the newest row that was
    available) and *windows* (aggregates of rows that were available, refreshed every ``refresh``).
    """

    table: Name
    entity: list[str]
    owner: str = ""
    description: str = ""
    static: bool = False
    event_time: str | None = None
    available: str | None = Field(
        default=None, description="Time column from which a row may be used; event_time if absent"
    )
    delay: Duration = Field(default="0s", description="Added to `available`")
    join: Literal["backward", "nearest", "forward"] = Field(
        default="backward", description="Only backward is point-in-time correct; the others are refused by name"
    )
    tolerance: Duration | None = Field(default=None, description="Older values become null")
    refresh: Duration | None = Field(
        default=None, description="How often windows are recomputed, offline and online alike"
    )
    key: list[str] = Field(
        default_factory=list,
        description="Columns that identify a row: of several rows with one key, the newest available one counts",
    )
    clock: Literal["available", "event"] = Field(
        default="available", description="Which of its times ages a row in a window: when it was known, or its own"
    )
    columns: dict[Name, str] = Field(default_factory=dict, description="Feature name to expression")
    windows: dict[Name, Window] = Field(default_factory=dict)
    freshness: Duration | None = Field(default=None, description="Target age of the online value")


class Features(Record):
    """All features of the model, in the order of their names in the contract."""

    request: dict[Name, RequestFeature]
    views: dict[Name, FeatureView] = Field(default_factory=dict)


class Split(Record):
    """Train, validation and test periods by prediction time; each is [from, to)."""

    method: Literal["time", "random"] = Field(
        default="time", description="'random' is refused by name: it leaks the future"
    )
    train: tuple[date, date]
    validate_: tuple[date, date] = Field(alias="validate")
    test: tuple[date, date]
    production: tuple[date, date] | None = Field(default=None, description="Replayed as traffic by the demo")
    groups: list[str] = Field(
        default_factory=list,
        description="Event columns, such as a patient, whose values must not be in train and in a later period both",
    )


class Leakage(Record):
    """What the leak tests are told by a person."""

    accepted: dict[Name, str] = Field(
        default_factory=dict,
        description="Features that tell the label very well and are honest, each with the reason; the tests "
        "'too good' and 'missingness' name them and go on",
    )


class LabellingFunction(Record):
    """A rule that guesses the label of some rows."""

    expression: str = Field(
        description="SQL over the event row and its features: 1, 0 or null (no opinion). It may not read the label"
    )
    description: str = ""


class Labelling(Record):
    """Weak labels: rules that vote, and a model of how far each can be trusted."""

    functions: dict[Name, LabellingFunction]
    balance: float | None = Field(default=None, description="Share of positives if it is known; estimated if absent")


class Dimension(Record):
    """The values that a setting may take: between ``low`` and ``high``, or one of ``choices``."""

    low: float | None = None
    high: float | None = None
    log: bool = Field(default=False, description="Draw evenly on a logarithmic scale; `low` must be above zero")
    whole: bool = Field(default=False, description="Whole numbers only")
    step: float | None = Field(default=None, gt=0, description="Only multiples of it above `low`; not with `log`")
    choices: list[str | int | float | bool] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_of_both(self) -> Dimension:
        if self.choices:
            if self.low is not None or self.high is not None:
                raise ValueError("give either `choices`, or `low` and `high`")
        elif self.low is None or self.high is None:
            raise ValueError("needs `low` and `high`, or `choices`")
        elif self.low >= self.high:
            raise ValueError("`low` must be below `high`")
        elif self.log and (self.low <= 0 or self.step):
            raise ValueError("`log` needs `low` above zero, and no `step`")
        return self


class Search(Record):
    """A search for better settings of one trainer, by `plimsoll tune`."""

    trainer: str
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings that all trials share")
    space: dict[str, Dimension] = Field(
        default_factory=dict, description="Settings to search; the usual ones of a built-in trainer if absent"
    )
    goal: str = Field(
        default="",
        description="A figure of the run, such as validate.roc_auc; the primary metric on validation if absent",
    )
    prune: bool = Field(default=True, description="Stop a trial that is worse than half of the others at its step")


class Training(Record):
    """What to train, and from which seed."""

    seed: int = 7
    weight: str = Field(
        default="",
        description="SQL over the event row: how much a train row counts; all count alike if absent",
    )
    rates: Rates | None = Field(default=None, description="A rate card: makes train.cost of every run")
    candidates: dict[Name, Candidate]
    search: dict[Name, Search] = Field(default_factory=dict, description="Searches for `plimsoll tune`, by name")


Primary = Literal[
    "roc_auc", "average_precision", "brier", "log_loss", "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1",
    "rmse", "mae", "r2", "median_error", "mape", "pinball",
]  # fmt: skip
PRIMARIES: dict[Task, tuple[Primary, ...]] = {
    "binary": ("roc_auc", "average_precision", "brier", "log_loss"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "roc_auc", "brier"),
    "regression": ("rmse", "mae", "r2", "median_error", "mape", "pinball"),
}


def primaries_of(task: str) -> tuple[str, ...]:
    """The metrics that can decide for a label of a task, the usual one first; none for an unknown task."""
    return next((names for name, names in PRIMARIES.items() if name == task), ())


class Evaluation(Record):
    """How a model is judged."""

    primary: Primary | None = Field(
        default=None, description="The metric that decides; by the label's task: roc_auc, log_loss or rmse if absent"
    )
    threshold: float | None = Field(
        default=None, description="Decision threshold; chosen by cost on validation if absent"
    )
    cost_false_positive: float = Field(default=1.0, description="Cost of a false alarm, in any unit")
    cost_false_negative: float = Field(default=1.0, description="Cost of a miss, in the same unit")
    costs: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="Several classes: true class to called class to the cost of a row; 1 for a wrong call not named",
    )
    slices: list[list[str]] = Field(default_factory=list, description="Features to slice by; several names are crossed")
    min_slice_rows: int = 200
    fairness_group: str | None = None
    bootstrap: int = 200

    def primary_for(self, task: Task) -> str:
        """The metric that decides for a label of this task; the task's usual one where another task's is named."""
        return self.primary if self.primary in PRIMARIES[task] else PRIMARIES[task][0]


class GateRule(Record):
    """One rule over a recorded fact. A ``block`` rule that fails stops promotion by any route."""

    id: Name
    fact: str = Field(description="Dotted path of a recorded fact, e.g. metrics.roc_auc.low")
    op: Literal[">=", "<=", ">", "<", "==", "!="]
    value: float | str | bool
    severity: Literal["block", "warn"] = "block"
    why: str = ""
    waivable: bool = Field(default=True, description="Whether an exception may be asked for")


class RequiredEvidence(Record):
    """A report that must exist about a release, judged when it is proposed and again when it leaves."""

    kind: Literal["evaluation", "leakage", "validation", "parity", "freshness"]
    within: Duration | None = Field(default=None, description="How old it may be; any age if absent")
    severity: Literal["block", "warn"] = "block"
    why: str = ""


class Policy(Record):
    """Promotion rules and required sign-offs, versioned as code."""

    name: Name
    version: int = Field(ge=1)
    gates: list[GateRule]
    approvals: int = Field(default=2, ge=1, description="Distinct reviewers who must approve")
    approver_roles: list[str] = Field(default=["reviewer"])
    sign_off_valid: Duration = "30d"
    evidence: list[RequiredEvidence] = Field(
        default_factory=list, description="Reports that must exist about a release, and how old they may be"
    )
    longest_exception: Duration = Field(
        default="30d", description="How long an exception from a gate may hold; 0d allows none"
    )
    cost_per_cpu_hour: float | None = Field(
        default=None, ge=0, description="Cost of an hour of one core, in any unit: makes inference.cost_per_million"
    )


class Target(Record):
    """Where a package runs."""

    url: str = Field(description="ssh://user@host:port/path")
    environment: Literal["staging", "production"] = "production"


class Slo(Record):
    """An objective over production traffic."""

    indicator: Literal["availability", "latency", "valid", "quality"]
    objective: float = Field(
        description="Share of good events (availability, latency, valid), or a floor of ROC-AUC (quality)"
    )
    threshold_ms: float | None = Field(default=None, description="Latency that counts as good")
    window: Duration = "7d"


class Drift(Record):
    """How production windows are compared with the training reference."""

    window: Duration = "7d"
    false_alarm: float = Field(default=0.05, description="Chance of any alarm for a window without drift")
    min_effect: float = Field(default=0.1, description="Effect size below which a significant shift is only logged")
    ignore: list[str] = Field(default_factory=list)


class Trigger(Record):
    """What a signal leads to."""

    on: Literal["drift", "quality", "data", "slo", "schedule"]
    action: Literal["log", "alert", "retrain", "rollback"]
    cooldown: Duration = "7d"
    cron: str | None = None


class Project(Record):
    """A whole ``plimsoll.yaml``."""

    plimsoll: Literal[1] = Field(description="Version of this file's format")
    project: Name
    title: str
    description: str = ""
    sources: dict[Name, Source]
    tables: dict[Name, Table] = Field(default_factory=dict)
    retention: dict[Name, Retention] = Field(
        default_factory=dict, description="Rules by source or table; without one every snapshot is kept"
    )
    suites: dict[Name, Suite] = Field(default_factory=dict)
    events: Events
    request: dict[str, RequestField] = Field(
        default_factory=dict,
        description="Fields that callers were promised to send; without it a model is held to the one in production",
    )
    label: Label
    labelling: Labelling | None = None
    features: Features
    split: Split
    leakage: Leakage = Field(default_factory=Leakage)
    training: Training
    evaluation: Evaluation
    policy: Policy
    targets: dict[Name, Target] = Field(default_factory=dict)
    slos: dict[Name, Slo] = Field(default_factory=dict)
    drift: Drift = Field(default_factory=Drift)
    triggers: list[Trigger] = Field(default_factory=list)

    @property
    def primary(self) -> str:
        """The metric that decides between candidates."""
        return self.evaluation.primary_for(self.label.task)
