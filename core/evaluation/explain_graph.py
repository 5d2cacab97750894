"""What is packaged, read for explanation: the graph's trees, and its answer before the last squashing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from core.measures.classification import Floats
from core.measures.shapley import Leaf

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

Matrix = npt.NDArray[np.float32]
SQUASHING = ("Sigmoid", "Softmax")
LINE = ("calibration_slope", "calibration_intercept")
TREES = "TreeEnsembleRegressor"
BATCH = 65_536


def margin_name(model: onnx.ModelProto) -> str:
    """The tensor that is explained: log-odds where the graph ends in a sigmoid or softmax, else its output."""
    last = model.graph.node[-1]
    return str(last.input[0] if last.op_type in SQUASHING else model.graph.output[0].name)


def margins_of(model: onnx.ModelProto) -> Callable[[Matrix], Floats]:
    """The packaged graph, asked for its margins: float32 (n, d) to float64 (n, k)."""
    import onnxruntime

    name, shown = margin_name(model), onnx.ModelProto()
    shown.CopyFrom(model)
    if name != shown.graph.output[0].name:
        shown.graph.output.append(helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def ask(x: Matrix) -> Floats:
        parts = [session.run([name], {"features": x[at : at + BATCH]})[0] for at in range(0, len(x), BATCH)]
        out: Floats = np.concatenate(parts).astype(np.float64).reshape(len(x), -1)
        return out

    return ask


def leaves_of(model: onnx.ModelProto) -> tuple[list[Leaf], Floats] | None:
    """The leaves and base values (k,) of a graph that is one ensemble of trees over ``features``; else null."""
    found = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    if len(found) != 1 or found[0].op_type != TREES or list(found[0].input) != ["features"]:
        return None
    attributes = {item.name: _value(item) for item in found[0].attribute}
    modes = {mode for mode in attributes["nodes_modes"] if mode != "LEAF"}
    if not modes <= {"BRANCH_LEQ"} or attributes.get("aggregate_function", "SUM") != "SUM":
        return None
    outputs = int(attributes.get("n_targets", 1))
    base = np.zeros(outputs) if not attributes.get("base_values") else np.array(attributes["base_values"])
    slope, intercept = _line(model)
    leaves = [replace(leaf, value=leaf.value * slope) for leaf in _leaves(attributes)]
    return leaves, np.asarray(base, dtype=np.float64) * slope + intercept


def _line(model: onnx.ModelProto) -> tuple[float, float]:
    """The line through which a calibrated model's log-odds go (``core.training.calibrating``); 1 and 0 without one."""
    found = {item.name: numpy_helper.to_array(item).item() for item in model.graph.initializer if item.name in LINE}
    return found.get(LINE[0], 1.0), found.get(LINE[1], 0.0)


def _value(attribute: onnx.AttributeProto) -> Any:
    made = helper.get_attribute_value(attribute)
    if isinstance(made, onnx.TensorProto):
        return numpy_helper.to_array(made).tolist()
    if isinstance(made, bytes):
        return made.decode()
    if isinstance(made, (int, float)):
        return made
    return [one.decode() if isinstance(one, bytes) else one for one in made]


def _leaves(a: dict[str, Any]) -> list[Leaf]:
    """Every leaf with the interval of each feature on its way, one tree after the other."""
    ids = list(zip(a["nodes_treeids"], a["nodes_nodeids"], strict=True))
    place = {key: i for i, key in enumerate(ids)}
    given: dict[tuple[int, int], list[tuple[int, float]]] = {}
    targets = zip(a["target_treeids"], a["target_nodeids"], a["target_ids"], a["target_weights"], strict=True)
    for tree, node, target, weight in targets:
        given.setdefault((tree, node), []).append((target, weight))
    tracks = a.get("nodes_missing_value_tracks_true") or [0] * len(ids)
    found: list[Leaf] = []
    stack: list[tuple[tuple[int, int], dict[int, tuple[float, float, bool]]]] = []
    for tree in dict.fromkeys(a["nodes_treeids"]):
        stack.append(((tree, 0), {}))  # the root is node 0 of its tree
        while stack:
            key, path = stack.pop()
            i = place[key]
            if a["nodes_modes"][i] == "LEAF":
                found += [_leaf(path, target, weight) for target, weight in given.get(key, [])]
                continue
            feature, cut = a["nodes_featureids"][i], float(np.float32(a["nodes_values"][i]))
            low, high, missing = path.get(feature, (-np.inf, np.inf, True))
            right = {**path, feature: (max(low, cut), high, missing and not tracks[i])}
            left = {**path, feature: (low, min(high, cut), missing and bool(tracks[i]))}
            stack.append(((key[0], a["nodes_falsenodeids"][i]), right))
            stack.append(((key[0], a["nodes_truenodeids"][i]), left))
    return found


def _leaf(path: dict[int, tuple[float, float, bool]], target: int, value: float) -> Leaf:
    return Leaf(
        features=np.array(list(path), dtype=np.intp),
        low=np.array([low for low, _, _ in path.values()], dtype=np.float32),
        high=np.array([high for _, high, _ in path.values()], dtype=np.float32),
        missing=np.array([missing for _, _, missing in path.values()], dtype=np.bool_),
        target=int(target),
        value=float(value),
    )
