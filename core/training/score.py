"""Batch scoring with the ONNX model, through the contract's own transformation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.contract.tasks import prediction_columns
from core.training.runtime import run_model, session_of

if TYPE_CHECKING:
    import onnxruntime

LEADING = ("split", "prediction_time", "label_known_at", "label")


def score(model: Path, contract: Contract, rows: Path | pl.DataFrame, out: Path) -> pl.DataFrame:
    """Score rows that have the contract's fields and view features; write and return the predictions.

    Columns: ``key`` (key fields joined by ``|``), then of ``split``, ``prediction_time``,
    ``label_known_at`` and ``label`` those that the rows have, the model's answer (``probability``, or
    ``probability.CLASS`` for each class, or ``prediction``; float32), and what can be sliced by: every
    category feature as text, and the whole-number, text and truth fields.
    """
    frame = pl.read_parquet(rows) if isinstance(rows, Path) else rows
    predictions = scored(session_of(model.read_bytes()), contract, frame)
    part = out.with_name(out.name + ".part")
    predictions.write_parquet(part, compression="zstd", compression_level=3)
    part.replace(out)
    return predictions


def prediction_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """The labelled rows outside training, on which a model can be judged."""
    outside = pl.col("split").is_in(["validate", "test", "production"])
    return frame.filter(outside & pl.col("label").is_not_null())


def scored(session: onnxruntime.InferenceSession, contract: Contract, frame: pl.DataFrame) -> pl.DataFrame:
    """Predictions of a frame, in its order, without writing them."""
    transformer = transformer_of(contract)
    features = transformer.assemble(frame)
    names = prediction_columns(contract.task, contract.classes)
    answer = run_model(session, transformer.to_matrix(features)).reshape(frame.height, len(names))
    answers = [pl.Series(name, np.ascontiguousarray(answer[:, i])) for i, name in enumerate(names)]
    categories = [feature.name for feature in contract.features if feature.kind == "category"]
    fields = [
        field.name
        for field in contract.fields
        if field.type in ("int", "text", "bool")
        and field.name not in (*contract.key, *categories)
        and field.name in frame
    ]
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in contract.key], separator="|").alias("key")
    leading = [name for name in LEADING if name in frame.columns]
    judged = frame.select(key, *leading).with_columns(answers)
    return judged.hstack(features.select(categories)).hstack(frame.select(fields))
