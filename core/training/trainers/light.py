"""LightGBM, an optional package: its trees on ordinal codes and plain numbers, written into our own graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.kernel.errors import InputError
from core.kernel.records import Record
from core.training.matrices import Matrix, TrainingData
from core.training.trainers.fitted import Fitted, Order
from core.training.trainers.tree_graph import Tree, rounded_down, tree_graph
from core.training.watching import WATCHED
from core.training.weighing import CLASS_WEIGHT_WORDS, ClassWeight, row_weights

OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


class Settings(Record):
    """Settings of the LightGBM trainer."""

    iterations: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=0.06, gt=0, le=1)
    leaves: int = Field(default=31, ge=2)
    min_leaf: int = Field(default=20, ge=1, description="Rows that a leaf must have")
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=1.0, ge=0)
    feature_share: float = Field(default=1.0, gt=0, le=1, description="Share of the features that a tree may use")
    class_weight: ClassWeight = Field(default="none", description=CLASS_WEIGHT_WORDS)
    report_every: int = Field(default=20, ge=1, description="Iterations between two points of the curves")
    threads: int = Field(default=1, ge=1, description="Part of the result: sums depend on it")


def fit(order: Order, settings: Settings) -> Fitted:
    """Fit, deterministically, and write the trees into a graph.

    Raises:
        InputError: when the package is not installed.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        raise InputError(
            "The trainer lightgbm needs the package lightgbm, which cannot be used here",
            detail=str(error),
            remedy="Install plimsoll-console[boosters]; the trainer boosting needs nothing more",
        ) from error
    data = order.data
    weight = row_weights(data, settings.class_weight)
    rows = lightgbm.Dataset(data.x, data.y, weight=weight, params={"verbosity": -1, "max_bin": 255})
    booster = lightgbm.train(
        _parameters(data, settings, order.seed), rows, settings.iterations, callbacks=[_report(order, settings)]
    )

    def native(x: Matrix) -> npt.NDArray[np.float64]:
        return np.asarray(booster.predict(x, num_threads=settings.threads), dtype=np.float64)

    shift = data.outputs if data.task == "multiclass" else 1
    trees = [
        _tree(tree["tree_structure"], place % shift) for place, tree in enumerate(booster.dump_model()["tree_info"])
    ]
    graph = tree_graph(trees, [0.0] * shift, data)
    return Fitted(graph, native, settings.iterations, settings.plain(), settings.threads)


def _parameters(data: TrainingData, settings: Settings, seed: int) -> dict[str, Any]:
    return {
        "objective": OBJECTIVES[data.task],
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_leaf,
        "lambda_l1": settings.l1,
        "lambda_l2": settings.l2,
        "feature_fraction": settings.feature_share,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads,
        "verbosity": -1,
    } | ({"num_class": data.outputs} if data.task == "multiclass" else {})


def _report(order: Order, settings: Settings) -> Any:
    """Called after each iteration: hears a cancel, and draws the curve now and then."""
    data, progress, watched = order.data, order.progress, WATCHED[order.data.task]

    def after(env: Any) -> None:
        progress.check()
        done = env.iteration + 1
        if done % settings.report_every == 0 or done == settings.iterations:
            value = watched.measure(data.y_validate, np.asarray(env.model.predict(data.x_validate)))
            progress.metric(watched.name, done, value)
            progress.step(done, settings.iterations, f"{done} iterations: {watched.words} {value:.4g}")

    return after


def _tree(root: dict[str, Any], target: int) -> Tree:
    """LightGBM's nested nodes as a table.

    Where training saw no missing value in a feature, LightGBM reads a missing one as 0; so does the graph.
    """
    nodes: list[dict[str, Any]] = [root]
    left, right = [], []
    for node in nodes:  # grows while it is walked
        inner = "split_feature" in node
        left.append(len(nodes) if inner else 0)
        right.append(len(nodes) + 1 if inner else 0)
        nodes.extend([node["left_child"], node["right_child"]] if inner else [])
    splits = np.array([node.get("threshold", 0.0) for node in nodes], dtype=np.float64)
    return Tree(
        leaf=np.array(["split_feature" not in node for node in nodes]),
        feature=np.array([node.get("split_feature", 0) for node in nodes]),
        split=rounded_down(splits),
        left=np.array(left),
        right=np.array(right),
        missing_left=np.array([_missing_left(node) for node in nodes], dtype=np.int64),
        value=np.array([node.get("leaf_value", 0.0) for node in nodes]),
        target=target,
    )


def _missing_left(node: dict[str, Any]) -> bool:
    if node.get("missing_type", "None") == "NaN":
        return bool(node["default_left"])
    return bool(node.get("threshold", 0.0) >= 0.0)
