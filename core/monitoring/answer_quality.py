"""How good answers were on the rows whose truth is known, for every kind of task."""

from __future__ import annotations

import numpy as np
import polars as pl

from core.contract.schema import Contract
from core.contract.tasks import output_of, prediction_columns
from core.measures.drift_reference import fit_reference
from core.measures.multiclass import class_metrics
from core.measures.records import DriftReference, Estimate
from core.measures.regression import number_metrics

FEWEST_LABELS = 50  # below it an interval of a figure says nothing


def answer_column(contract: Contract) -> str:
    """The column of the log that holds the answer whose drift is watched."""
    return "class" if contract.task == "multiclass" else output_of(contract.task)


def answer_reference(predictions: pl.DataFrame, contract: Contract) -> DriftReference:
    """What answers looked like in a predictions table: probabilities, most probable classes, or numbers."""
    if contract.task == "multiclass":
        shares = predictions.select(prediction_columns(contract.task, contract.classes)).to_numpy()
        names = pl.Series("class", [contract.classes[place] for place in shares.argmax(axis=1)], dtype=pl.String)
        return fit_reference(names.to_frame())
    return fit_reference(predictions.select(pl.col(output_of(contract.task)).cast(pl.Float64)))


def answer_figures(known: pl.DataFrame, contract: Contract) -> dict[str, Estimate]:
    """Figures with 95 % intervals of labelled rows of the log; none where they are too few.

    Several classes: log_loss, accuracy, roc_auc (macro), ... on rows of the classes that the model knows.
    Numbers: rmse, mae, r2, ...
    """
    if contract.task == "multiclass":
        known = known.filter(pl.col("label").is_in(contract.classes))
    if known.height < FEWEST_LABELS or contract.task == "binary":
        return {}
    if contract.task == "regression":
        return number_metrics(known["label"].to_numpy(), known["prediction"].to_numpy())
    codes = known["label"].cast(pl.Enum(contract.classes)).to_physical().cast(pl.Int64).to_numpy()
    return class_metrics(codes, np.array(known["probabilities"].to_list(), dtype=np.float64))
