"""What a training run leaves behind."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from core.kernel.records import Record


class CodeState(Record):
    """The version of the project's code. ``changes`` is the digest of what is not committed, if anything."""

    commit: str | None
    branch: str | None
    dirty: bool
    changes: str | None
    changed_files: list[str] = Field(default_factory=list)


class Gpu(Record):
    """One graphics processor as its driver names it."""

    name: str
    memory_mib: int
    driver: str


class RunEnvironment(Record):
    """Everything that a person needs to make the same run again."""

    code: CodeState
    python: str
    system: str
    cpu: str
    cpu_count: int
    memory_mib: int
    gpus: list[Gpu]
    packages: dict[str, str]
    variables: dict[str, str]


class Determinism(Record):
    """What was held still so that the same run gives the same bytes."""

    seed: int
    threads: int
    device: str
    deterministic_kernels: bool = True


class Parity(Record):
    """ONNX against the native model on all validation rows (largest difference, in parts of ``scale``).

    ``scale`` is 1 for probabilities and the largest prediction for numbers.
    """

    rows: int
    max_difference: float
    tolerance: float
    beyond: int
    scale: float = 1.0


class RowLatency(Record):
    """Wall time of the model alone on one row, in microseconds."""

    p50_us: float
    p99_us: float
    runs: int


class SplitQuality(Record):
    """Headline quality on the labelled rows of one split; the evaluation says it all.

    ``figures`` are roc_auc, brier, log_loss, ... of a binary label, log_loss, accuracy, ... of several
    classes, rmse, mae, r2, ... of a number.
    """

    split: str
    rows: int
    figures: dict[str, float]


class TrainResult(Record):
    """One trained candidate. File names are relative to the run's folder."""

    name: str
    trainer: str
    settings: dict[str, Any]
    features: list[str]
    rows: int
    calibration: str = Field(default="none", description="The map that the model ends in")
    calibration_rows: int = Field(default=0, description="Train rows that the map is fitted on, and the model not")
    rounds: int = Field(description="Iterations or epochs that the kept model has")
    model: str = "model.onnx"
    model_digest: str
    model_bytes: int
    predictions: str = "predictions.parquet"
    predictions_digest: str
    training_set_digest: str
    parity: Parity
    latency: RowLatency
    quality: list[SplitQuality]
    determinism: Determinism
    seconds: float
    resumed_from: int = Field(default=0, description="Rounds that were taken over from an interrupted run")
