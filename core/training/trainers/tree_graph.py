"""Ensembles of trees as ONNX: a table of nodes for each tree, whichever library grew it.

Split points are rounded down to float32. A float32 value is at most a split point exactly if it is at
most the next float32 below it, so no row moves, and the graph splits as the trained trees do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from core.training.graphs import ML_DOMAIN, GraphWriter
from core.training.matrices import TrainingData

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tree:
    """Nodes [m] of one tree: where a row goes left if its feature is at most the split point, and what leaves add.

    ``target`` is the output, counted from 0, to which the leaves add.
    """

    leaf: Array
    feature: Array
    split: Array
    left: Array
    right: Array
    missing_left: Array
    value: Array
    target: int = 0


def rounded_down(split: Array) -> npt.NDArray[np.float32]:
    """The greatest float32 that is not above each split point."""
    single = split.astype(np.float32)
    above = single.astype(np.float64) > split
    single[above] = np.nextafter(single[above], np.float32(-np.inf))
    return single


def just_below(split: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The greatest float32 below each split point, for a library that sends left what is *below* it.

    Below zero that is the first normal number: runtimes that take the tiniest ones for zero would move zero itself.
    """
    below = np.nextafter(split, np.float32(-np.inf))
    return np.where(split == 0, -np.finfo(np.float32).tiny, below).astype(np.float32)


def tree_graph(trees: list[Tree], base: list[float], data: TrainingData) -> onnx.ModelProto:
    """Sum of all trees and the base of each output, then what the task makes of it."""
    writer = GraphWriter()
    out = writer.node(
        "TreeEnsembleRegressor", ["features"], "sums", domain=ML_DOMAIN, **_attributes(trees, len(base)),
        base_values=base,
    )  # fmt: skip
    if data.task != "multiclass":
        out = writer.node("Squeeze", [out, writer.constant("axes", np.array([1]))], "sum")
    writer.answer(out, data.task)
    return writer.finish(data.x.shape[1], data.task, data.outputs)


def _attributes(trees: list[Tree], targets: int) -> dict[str, Any]:
    """The node tables as the attributes of ONNX's tree ensemble (ai.onnx.ml 3)."""
    sizes = [len(tree.leaf) for tree in trees]
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    target_ids = np.repeat([tree.target for tree in trees], sizes)
    leaf = np.concatenate([tree.leaf for tree in trees]).astype(bool)

    def inner(field: str) -> list[Any]:
        values = np.concatenate([getattr(tree, field) for tree in trees])
        out: list[Any] = np.where(leaf, 0, values).tolist()
        return out

    values = np.concatenate([tree.value for tree in trees])
    return {
        "n_targets": targets,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_featureids": inner("feature"),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values": inner("split"),
        "nodes_truenodeids": inner("left"),
        "nodes_falsenodeids": inner("right"),
        "nodes_missing_value_tracks_true": inner("missing_left"),
        "target_treeids": tree_ids[leaf].tolist(),
        "target_nodeids": node_ids[leaf].tolist(),
        "target_ids": target_ids[leaf].tolist(),
        "target_weights": values[leaf].astype(np.float32).tolist(),
    }
