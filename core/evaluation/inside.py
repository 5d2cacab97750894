"""What only the packaged model and the rows behind its predictions can tell, whatever the kind of label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.evaluation.error_records import ErrorCluster, InferenceCost
from core.evaluation.errors import error_clusters
from core.evaluation.explain import Judged, explain, personal_features, shown_keys
from core.evaluation.explain_records import Explanation
from core.evaluation.inference import inference_cost
from core.kernel.progress import Progress
from core.measures.classification import Floats
from core.measures.records import SliceDiscovery
from core.measures.slice_discovery import code_columns, discover_slices

TRAIN = "train"


@dataclass(frozen=True)
class Packaged:
    """A model as it is served, with the training set's rows: fields, view features, ``split``."""

    model: bytes
    contract: Contract
    rows: pl.DataFrame


@dataclass(frozen=True)
class Verdicts:
    """What was said of the judged rows: texts for people, and each row's loss, 0 or more.

    ``expected`` is the loss that the model's own probabilities expect, null where it has none;
    ``kinds`` names the kind of error, empty for none. All have the length of ``keys``.
    """

    keys: list[str]
    labels: list[str]
    predictions: list[str]
    answer: Floats
    loss: Floats
    loss_name: str
    kinds: list[str]
    expected: Floats | None = None


@dataclass(frozen=True)
class Inside:
    """Slices that stand out, ways of failing, explanations, and the cost of asking."""

    discovered: SliceDiscovery
    errors: list[ErrorCluster]
    explanation: Explanation
    inference: InferenceCost


def look_inside(packaged: Packaged, verdicts: Verdicts, split: str, min_rows: int, progress: Progress) -> Inside | None:
    """All four, on the judged rows that the training set holds; null when it holds none of them.

    Personal features are neither sliced by nor shown; keys are masked where a key field is personal.
    """
    contract = packaged.contract
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in contract.key], separator="|")
    rows = packaged.rows.filter(pl.col("split") == split).with_columns(__key__=key)
    place = pl.DataFrame({"__key__": verdicts.keys}).with_row_index("__at__")
    joined = rows.join(place, on="__key__", how="inner").unique("__key__", keep="first").sort("__at__")
    if joined.is_empty():
        return None
    at = joined["__at__"].to_numpy()
    features = transformer_of(contract).assemble(joined).drop(list(personal_features(contract)))
    progress.check()
    loss = verdicts.loss[at]
    expected = verdicts.expected[at] if verdicts.expected is not None else None
    keys, labels, said, kinds = (
        [texts[i] for i in at.tolist()]
        for texts in (shown_keys(contract, verdicts.keys), verdicts.labels, verdicts.predictions, verdicts.kinds)
    )
    columns = code_columns(features, min_rows)
    found = discover_slices(columns, loss, loss=verdicts.loss_name, expected=expected, min_rows=min_rows)
    progress.check()
    clusters = error_clusters(features, columns, loss, kinds, keys=keys, labels=labels, predictions=said)
    progress.check()
    train = packaged.rows.filter(pl.col("split") == TRAIN)
    judged = Judged(joined, [verdicts.keys[i] for i in at.tolist()], list(labels), verdicts.answer[at], loss)
    explained = explain(packaged.model, contract, train if train.height else joined, judged)
    progress.check()
    return Inside(found, clusters, explained, inference_cost(packaged.model, contract, joined))


def entropy(p: Floats) -> Floats:
    """Log loss in nats that probabilities (n,) of two classes or (n, k) of several expect of themselves."""
    whole = np.column_stack([p, 1 - p]) if p.ndim == 1 else p
    out: Floats = -(whole * np.log(np.clip(whole, np.finfo(np.float64).eps, 1.0))).sum(axis=1)
    return out
