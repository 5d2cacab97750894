"""What monitoring finds and decides. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.contract.schema import ValidationReport
from core.contract.tasks import Task
from core.kernel.records import Record
from core.measures.records import Calibration, DriftReport, Estimate, SloStatus

SignalKind = Literal["drift", "quality", "data", "slo"]
Action = Literal["log", "alert", "retrain", "rollback"]
Severity = Literal["info", "warning", "critical"]


class Window(Record):
    """Rows whose event time is in [start, end), UTC text."""

    start: str
    end: str
    rows: int = 0


class LabelCoverage(Record):
    """How much of the truth about a window was known at ``as_of``."""

    as_of: str
    rows: int
    labelled: int
    share: float | None
    corrected: int = Field(default=0, description="Labels that were known with another value before")
    orphans: int = Field(default=0, description="Known labels of events that no prediction was made for")
    before_prediction: int = Field(default=0, description="Labels known before the prediction: suspect a leak")
    newest_known_at: str | None = None


class DelayShare(Record):
    """Share of the labelled events whose label was known ``hours`` after the event."""

    within: str
    hours: int
    share: float | None


class DayCoverage(Record):
    """Events of one day (UTC) and how many of them have a label."""

    day: str
    events: int
    labelled: int
    share: float


class LabelStream(Record):
    """The stream of true labels as it was at ``as_of``: how much is known, and how late it came."""

    as_of: str
    rows: int
    labelled: int
    events: int
    corrected: int
    orphans: int = Field(description="Labelled keys of no event")
    median_hours: float | None
    longest_hours: float | None
    delays: list[DelayShare]
    days: list[DayCoverage]


class SystemHealth(Record):
    """The service itself. Without traffic everything is null and nothing failed."""

    requests: int
    rows: int
    errors: int
    availability: float | None
    rejected: int
    fallbacks: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    rows_per_s: float | None


class DataFault(Record):
    """A column that looks broken rather than drifted: a fault of logging or of a source."""

    column: str
    fault: Literal["all_null", "constant", "missing"]
    detail: str


class DataHealth(Record):
    """What came in, against the contract and the training reference."""

    checks: ValidationReport
    undecodable: dict[str, int] = Field(default_factory=dict, description="Values that their field's type cannot hold")
    null_shares: dict[str, float] = Field(default_factory=dict)
    drift: DriftReport | None = None
    faults: list[DataFault] = Field(default_factory=list)


class ModelHealth(Record):
    """What went out: the distribution of predictions, and quality as far as labels are known."""

    rows: int
    task: Task = "binary"
    mean_probability: float | None = None
    positive_share: float | None = None
    prediction_drift: DriftReport | None = None
    coverage: LabelCoverage | None = None
    auc: Estimate | None = None
    brier: float | None = None
    calibration: Calibration | None = None
    label_rate: float | None = None
    figures: dict[str, Estimate] = Field(
        default_factory=dict, description="Quality of several classes or of numbers, with 95 % intervals"
    )


class SloResult(Record):
    """One objective: a share of good events (``status``) or a floor of ROC-AUC (``observed``)."""

    name: str
    indicator: Literal["availability", "latency", "valid", "quality"]
    objective: float
    observed: float | None
    met: bool | None
    status: SloStatus | None = None
    page: bool = False
    ticket: bool = False


class MonitoringReport(Record):
    """One window of one model's traffic, as it was known at ``as_of``."""

    model: str
    versions: list[str]
    releases: list[str]
    window: Window
    as_of: str
    system: SystemHealth
    data: DataHealth
    quality: ModelHealth
    slos: list[SloResult]


class Signal(Record):
    """Something that was noticed. ``cause`` groups signals into one incident, ``key`` repeats into one alert."""

    kind: SignalKind
    model: str
    subject: str
    severity: Severity
    summary: str
    value: float | None = None
    window_end: str = ""
    fault: bool = Field(default=False, description="A fault of logging or of a source, not of the world")

    @property
    def key(self) -> str:
        """Equal for repeats of the same alert."""
        return f"{self.kind}/{self.model}/{self.subject}"

    @property
    def cause(self) -> str:
        """Equal for signals of one incident: one objective, or everything of one kind about one model."""
        return self.key if self.kind == "slo" else f"{self.kind}/{self.model}"


class Alert(Record):
    """One kind of breach with all its repeats."""

    key: str
    summary: str
    severity: Severity
    first_at: str
    last_at: str
    count: int


class Note(Record):
    """What a person did about an incident."""

    at: str
    who: str
    what: Literal["acknowledged", "closed", "noted"]
    text: str = ""


class Incident(Record):
    """One cause with its alerts, open until a person closes it."""

    id: str
    cause: str
    kind: SignalKind
    model: str
    severity: Severity
    opened_at: str
    alerts: list[Alert]
    state: Literal["open", "acknowledged", "closed"] = "open"
    notes: list[Note] = Field(default_factory=list)

    @property
    def breaches(self) -> int:
        """Signals that it stands for."""
        return sum(alert.count for alert in self.alerts)


class Mute(Record):
    """Alerts whose key starts with ``prefix`` are recorded but tell nobody until ``until``."""

    prefix: str
    until: str
    by: str
    reason: str


class Absorbed(Record):
    """The open incidents after new signals, and which of them somebody must be told of."""

    incidents: list[Incident]
    notify: list[str]
    muted: int


class PastAction(Record):
    """An action that was taken for a kind of signal."""

    on: str
    action: Action
    at: str


class Decision(Record):
    """What a group of signals leads to, and why; ``held`` is the action that policy asked for and was not taken."""

    action: Action
    on: SignalKind
    model: str
    signals: list[str]
    reason: str
    held: Action | None = None
