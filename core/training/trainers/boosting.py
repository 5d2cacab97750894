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
import sklearn
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.kernel.records import Record
from core.training.checkpoints import CHECKPOINT, Arrays, identity_of, read_arrays, write_arrays
from core.training.matrices import Floats, Matrix, TrainingData
from core.training.trainers.fitted import Fitted, Order
from core.training.trainers.tree_graph import Tree, rounded_down, tree_graph
from core.training.watching import WATCHED
from core.training.weighing import CLASS_WEIGHT_WORDS, ClassWeight, row_weights

Boosted = Any  # one of scikit-learn's two, which has no types


class Settings(Record):
    """Settings of the boosting trainer."""

    iterations: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=0.06, gt=0, le=1)
    leaves: int = Field(default=15, ge=2)
    min_leaf: int = Field(default=100, ge=1, description="Rows that a leaf must have")
    l2: float = Field(default=1.0, ge=0)
    class_weight: ClassWeight = Field(default="none", description=CLASS_WEIGHT_WORDS)
    report_every: int = Field(
        default=20, ge=1, description="Iterations between two points of the curves, and two checkpoints"
    )
    threads: int = Field(
        default=1, ge=1, description="Part of the result; on a busy machine, more threads mostly wait for each other"
    )


def fit(order: Order, settings: Settings) -> Fitted:
    """Fit in short stretches, so that curves grow, a cancel is heard and a killed run goes on, and convert."""
    data, progress, watched = order.data, order.progress, WATCHED[order.data.task]
    weight = row_weights(data, settings.class_weight)
    identity, path = identity_of(order, settings, sklearn.__version__), order.folder / CHECKPOINT
    with threadpool_limits(settings.threads):
        model, resumed = _begun(order, settings, weight, read_arrays(path, identity))
        if resumed:
            progress.log(f"Going on after {resumed} iterations of an interrupted run")
        stretches = [*range(settings.report_every, settings.iterations, settings.report_every), settings.iterations]
        for done in (end for end in stretches if end > resumed):
            progress.check()
            model.set_params(max_iter=done)
            model.fit(data.x, data.y, sample_weight=weight)
            write_arrays(path, identity, _state(model))
            value = watched.measure(data.y_validate, predicted(model, data, data.x_validate))
            progress.metric(watched.name, done, value)
            progress.step(done, settings.iterations, f"{done} iterations: {watched.words} {value:.4g}")
    round_splits(model)

    def native(x: Matrix) -> npt.NDArray[np.float64]:
        with threadpool_limits(settings.threads):
            return predicted(model, data, x)

    graph = _graph(model, data)
    return Fitted(graph, native, settings.iterations, settings.plain(), settings.threads, resumed_from=resumed)


def predicted(model: Boosted, data: TrainingData, x: Matrix) -> npt.NDArray[np.float64]:
    """The task's answer for a matrix."""
    if data.task == "regression":
        return np.asarray(model.predict(x), dtype=np.float64)
    shares = np.asarray(model.predict_proba(x), dtype=np.float64)
    return shares[:, 1] if data.task == "binary" else shares


def _begun(order: Order, settings: Settings, weight: Floats | None, saved: Arrays | None) -> tuple[Boosted, int]:
    """A model that the next stretch goes on with, and how many iterations it has.

    scikit-learn keeps bins and seeds beside the trees; one iteration makes them again as they were.
    """
    make = HistGradientBoostingRegressor if order.data.task == "regression" else HistGradientBoostingClassifier
    model = make(
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.min_leaf,
        l2_regularization=settings.l2,
        early_stopping=False,
        warm_start=True,
        random_state=order.seed,
        max_iter=1,
    )
    if saved is None:
        return model, 0
    model.fit(order.data.x, order.data.y, sample_weight=weight)
    no_categories = np.zeros((0, 8), dtype=np.uint32)
    ends = np.cumsum(saved["sizes"])
    trees = [TreePredictor(nodes.copy(), no_categories, no_categories) for nodes in np.split(saved["nodes"], ends[:-1])]
    each = int(saved["trees_an_iteration"])
    model._predictors = [trees[start : start + each] for start in range(0, len(trees), each)]
    return model, len(model._predictors)


def _state(model: Boosted) -> Arrays:
    nodes = [tree.nodes for trees in model._predictors for tree in trees]
    return {
        "nodes": np.concatenate(nodes),
        "sizes": np.array([len(tree) for tree in nodes]),
        "trees_an_iteration": np.array(len(model._predictors[0])),
    }


def round_splits(model: Boosted) -> None:
    """Round each split point of the trained trees too, so that both sides hold the same numbers."""
    for trees in model._predictors:
        for tree in trees:
            tree.nodes["num_threshold"] = rounded_down(tree.nodes["num_threshold"]).astype(np.float64)


def _graph(model: Boosted, data: TrainingData) -> onnx.ModelProto:
    base = [float(value) for value in np.ravel(model._baseline_prediction)]
    shift = data.outputs - len(base)  # two classes are one tree an iteration: the second against the first
    trees = [_tree(tree.nodes, place + shift) for trees in model._predictors for place, tree in enumerate(trees)]
    return tree_graph(trees, [0.0] * shift + base, data)


def _tree(nodes: Any, target: int) -> Tree:
    return Tree(
        leaf=nodes["is_leaf"],
        feature=nodes["feature_idx"],
        split=nodes["num_threshold"],
        left=nodes["left"],
        right=nodes["right"],
        missing_left=nodes["missing_go_to_left"],
        value=nodes["value"],
        target=target,
    )
