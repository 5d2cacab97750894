"""Gradient-boosted trees on ordinal codes and plain numbers.

Two ways to get this wrong were measured: native categories convert to ONNX without an error and
answer wrongly on half of the rows, and scaling before the trees moves float32 values across split
points. So codes are numbers here, nothing is scaled, split points are rounded to float32, and the
trees are written into the graph directly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.kernel.records import Record
from core.measures.classification import roc_auc
from core.training.graphs import ML_DOMAIN, GraphWriter
from core.training.matrices import Matrix
from core.training.trainers.fitted import Fitted, Order


class Settings(Record):
    """Settings of the boosting trainer."""

    iterations: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=0.06, gt=0, le=1)
    leaves: int = Field(default=15, ge=2)
    min_leaf: int = Field(default=100, ge=1, description="Rows that a leaf must have")
    l2: float = Field(default=1.0, ge=0)
    report_every: int = Field(default=20, ge=1, description="Iterations between two points of the curves")
    threads: int = Field(
        default=1, ge=1, description="Part of the result; on a busy machine, more threads mostly wait for each other"
    )


def fit(order: Order, settings: Settings) -> Fitted:
    """Fit in short stretches, so that curves grow and a cancel is heard, and convert."""
    data, progress, seed = order.data, order.progress, order.seed
    model = HistGradientBoostingClassifier(
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.min_leaf,
        l2_regularization=settings.l2,
        early_stopping=False,
        warm_start=True,
        random_state=seed,
    )
    stretches = [*range(settings.report_every, settings.iterations, settings.report_every), settings.iterations]
    for done in stretches:
        progress.check()
        model.set_params(max_iter=done)
        with threadpool_limits(settings.threads):
            model.fit(data.x, data.y)
            validate = model.predict_proba(data.x_validate)[:, 1]
        progress.metric("validate_auc", done, roc_auc(data.y_validate, validate))
        progress.step(done, settings.iterations, f"{done} trees")
    round_splits(model)

    def native(x: Matrix) -> npt.NDArray[np.float64]:
        with threadpool_limits(settings.threads):
            return np.asarray(model.predict_proba(x)[:, 1], dtype=np.float64)

    return Fitted(_graph(model, data.x.shape[1]), native, settings.iterations, settings.plain(), settings.threads)


def round_splits(model: HistGradientBoostingClassifier) -> None:
    """Round each split point down to float32.

    A float32 value is at most a split point exactly if it is at most the next float32 below it, so
    no row moves, and the converted model splits as the native one does.
    """
    for trees in model._predictors:
        for tree in trees:
            exact = tree.nodes["num_threshold"]
            single = exact.astype(np.float32)
            above = single.astype(np.float64) > exact
            single[above] = np.nextafter(single[above], np.float32(-np.inf))
            tree.nodes["num_threshold"] = single.astype(np.float64)


def _graph(model: HistGradientBoostingClassifier, width: int) -> onnx.ModelProto:
    """Sum of all trees and the base log-odds, then the sigmoid."""
    writer = GraphWriter()
    trees = [tree.nodes for (tree,) in model._predictors]
    base = [float(np.ravel(model._baseline_prediction)[0])]
    logit = writer.node(
        "TreeEnsembleRegressor", ["features"], "logits", domain=ML_DOMAIN, **tree_attributes(trees), base_values=base
    )
    axes = writer.constant("axes", np.array([1]))
    writer.node("Sigmoid", [writer.node("Squeeze", [logit, axes], "logit")], "probability")
    return writer.finish(width)


def tree_attributes(trees: list[Any]) -> dict[str, Any]:
    """scikit-learn's node tables as the attributes of ONNX's tree ensemble (ai.onnx.ml 3)."""
    nodes = np.concatenate(trees)
    tree_ids = np.repeat(np.arange(len(trees)), [len(tree) for tree in trees])
    node_ids = np.concatenate([np.arange(len(tree)) for tree in trees])
    leaf = nodes["is_leaf"].astype(bool)

    def inner(field: str) -> Any:
        return np.where(leaf, 0, nodes[field])

    return {
        "n_targets": 1,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_featureids": inner("feature_idx").tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values": inner("num_threshold").tolist(),
        "nodes_truenodeids": inner("left").tolist(),
        "nodes_falsenodeids": inner("right").tolist(),
        "nodes_missing_value_tracks_true": inner("missing_go_to_left").tolist(),
        "target_treeids": tree_ids[leaf].tolist(),
        "target_nodeids": node_ids[leaf].tolist(),
        "target_ids": [0] * int(leaf.sum()),
        "target_weights": nodes["value"][leaf].astype(np.float32).tolist(),
    }
