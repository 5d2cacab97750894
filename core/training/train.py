"""One training run: fit, convert, prove, predict, and only then leave files behind."""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl

from core.contract.schema import Contract
from core.kernel.digests import digest_bytes, digest_file, digest_table
from core.kernel.progress import Progress
from core.project.candidates import Candidate
from core.training.calibrating import fit_calibrated
from core.training.checkpoints import CHECKPOINT
from core.training.graphs import model_bytes
from core.training.matrices import read_training_set, training_data
from core.training.quality import split_quality
from core.training.records import Determinism, TrainResult
from core.training.runtime import prove_parity, row_latency, session_of
from core.training.score import prediction_rows, scored
from core.training.trainers.fitted import Order
from core.training.trainers.table import fit_candidate


def train(
    candidate: Candidate,
    name: str,
    training_set: Path,
    contract: Contract,
    seed: int,
    folder: Path,
    progress: Progress,
    project: Path | None = None,
) -> TrainResult:
    """Train one candidate and write ``model.onnx`` and ``predictions.parquet`` into ``folder``.

    The predictions are those of the ONNX model: what is evaluated is what will be served. They
    cover the labelled rows of validate, test and production. ``project`` is the folder of the user's
    own code, for trainers that call it.

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
    for label, count in data.unseen.items():
        progress.log(f"{count:,} validation rows are of class {label!r}, which train does not have: left out")
    order = Order(data, seed, folder, progress, candidate, project)
    fitted, held_out = (fit_candidate(order, name), 0) if candidate.calibrate == "none" else fit_calibrated(order, name)
    progress.check()
    model = model_bytes(fitted.graph)
    session = session_of(model)
    number = contract.task == "regression"
    parity = prove_parity(session, fitted.native, data.x_validate, scaled=number, hint=fitted.hint)
    predictions = scored(session, contract, prediction_rows(frame))
    _write(folder, model, predictions)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return TrainResult(
        name=name,
        trainer=candidate.trainer,
        settings=fitted.settings,
        features=[feature.name for feature in contract.features],
        rows=len(data.y) - held_out,
        calibration=candidate.calibrate,
        calibration_rows=held_out,
        rounds=fitted.rounds,
        model_digest=digest_bytes(model),
        model_bytes=len(model),
        predictions_digest=digest_file(folder / "predictions.parquet"),
        training_set_digest=digest_table(training_set),
        parity=parity,
        latency=row_latency(session, data.x_validate),
        quality=split_quality(predictions, contract.task, contract.classes),
        determinism=Determinism(seed=seed, threads=fitted.threads, device=fitted.device),
        seconds=round(time.perf_counter() - begun, 3),
        resumed_from=fitted.resumed_from,
    )


def _write(folder: Path, model: bytes, predictions: pl.DataFrame) -> None:
    part = folder / "model.onnx.part"
    part.write_bytes(model)
    part.replace(folder / "model.onnx")
    part = folder / "predictions.parquet.part"
    predictions.write_parquet(part, compression="zstd", compression_level=3)
    part.replace(folder / "predictions.parquet")
