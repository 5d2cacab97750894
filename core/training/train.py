"""One training run: fit, convert, prove, predict, and only then leave files behind."""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl

from core.contract.schema import Contract
from core.kernel.digests import digest_bytes, digest_file, digest_table
from core.kernel.progress import Progress
from core.measures.classification import both_classes, brier, log_loss, roc_auc
from core.project.schema import Candidate
from core.training.graphs import model_bytes
from core.training.matrices import TrainingData, read_training_set, training_data
from core.training.records import Determinism, SplitQuality, TrainResult
from core.training.runtime import prove_parity, row_latency, session_of
from core.training.score import prediction_rows, scored
from core.training.trainers.fitted import Fitted

CHECKPOINT = "checkpoint.npz"


def train(
    candidate: Candidate,
    name: str,
    training_set: Path,
    contract: Contract,
    seed: int,
    folder: Path,
    progress: Progress,
) -> TrainResult:
    """Train one candidate and write ``model.onnx`` and ``predictions.parquet`` into ``folder``.

    The predictions are those of the ONNX model: what is evaluated is what will be served. They
    cover the labelled rows of validate, test and production.

    Raises:
        InputError: when the settings or the training set are wrong.
        SystemFault: when the ONNX model is not the trained model (parity beyond 1e-5 on any row).
        Cancelled: when asked to stop; the network trainer goes on from its checkpoint next time.
    """
    begun = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    frame = read_training_set(training_set)
    data = training_data(frame, contract)
    progress.log(f"{len(data.y):,} labelled train rows, {len(data.y_validate):,} validation rows")
    fitted = fit_candidate(candidate, name, data, seed, folder, progress)
    progress.check()
    model = model_bytes(fitted.graph)
    session = session_of(model)
    parity = prove_parity(session, fitted.native, data.x_validate)
    predictions = scored(session, contract, prediction_rows(frame))
    _write(folder, model, predictions)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return TrainResult(
        name=name,
        trainer=candidate.trainer,
        settings=fitted.settings,
        features=[feature.name for feature in contract.features],
        rows=len(data.y),
        rounds=fitted.rounds,
        model_digest=digest_bytes(model),
        model_bytes=len(model),
        predictions_digest=digest_file(folder / "predictions.parquet"),
        training_set_digest=digest_table(training_set),
        parity=parity,
        latency=row_latency(session, data.x_validate),
        quality=split_quality(predictions),
        determinism=Determinism(seed=seed, threads=fitted.threads, device=fitted.device),
        seconds=round(time.perf_counter() - begun, 3),
        resumed_from=fitted.resumed_from,
    )


def fit_candidate(
    candidate: Candidate, name: str, data: TrainingData, seed: int, folder: Path, progress: Progress
) -> Fitted:
    """Read the settings for the candidate's trainer and fit.

    Each trainer is imported only when it is used: scikit-learn and torch take seconds.
    """
    where = f"training.candidates.{name}.settings"
    if candidate.trainer == "logistic":
        from core.training.trainers import logistic

        return logistic.fit(
            data, logistic.LogisticSettings.read(candidate.settings, where=where), seed, folder, progress
        )
    if candidate.trainer == "boosting":
        from core.training.trainers import boosting

        return boosting.fit(
            data, boosting.BoostingSettings.read(candidate.settings, where=where), seed, folder, progress
        )
    from core.training.trainers import mlp

    return mlp.fit(data, mlp.MlpSettings.read(candidate.settings, where=where), seed, folder, progress)


def split_quality(predictions: pl.DataFrame) -> list[SplitQuality]:
    """Headline figures of each split that has both classes."""
    out = []
    for split in ("validate", "test", "production"):
        rows = predictions.filter(pl.col("split") == split)
        label, score = rows["label"].to_numpy(), rows["probability"].to_numpy()
        if not rows.height or not both_classes(label.astype(bool)):
            continue
        out.append(
            SplitQuality(
                split=split,
                rows=rows.height,
                positive_rate=float(label.mean()),
                roc_auc=roc_auc(label, score),
                brier=brier(label, score),
                log_loss=log_loss(label, score),
            )
        )
    return out


def _write(folder: Path, model: bytes, predictions: pl.DataFrame) -> None:
    part = folder / "model.onnx.part"
    part.write_bytes(model)
    part.replace(folder / "model.onnx")
    part = folder / "predictions.parquet.part"
    predictions.write_parquet(part, compression="zstd", compression_level=3)
    part.replace(folder / "predictions.parquet")
