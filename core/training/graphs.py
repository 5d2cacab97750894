"""ONNX graphs, written node by node: one input ``features`` [n, d], one output as the task names it.

Linear models and networks are small enough to be said directly. That is exact, takes milliseconds,
and the bytes depend on the weights alone: no exporter's names, versions or time stamps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from core.contract.tasks import Task, output_of
from core.training.matrices import Columns

OPSET = 17
IR_VERSION = 8
ML_DOMAIN = "ai.onnx.ml"
Array = npt.NDArray[Any]


class GraphWriter:
    """Collects nodes and constants in the order they are used."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Array) -> str:
        """Add a constant; float arrays become float32, whole numbers int64."""
        kind = np.float32 if np.asarray(value).dtype.kind == "f" else np.int64
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=kind), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node with one output and give the output's name."""
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def answer(self, logits: str, task: Task) -> str:
        """From logits [n], [n, k] or plain numbers [n] to the output of the task."""
        if task == "multiclass":
            return self.node("Softmax", [logits], output_of(task), axis=1)
        return self.node("Sigmoid" if task == "binary" else "Identity", [logits], output_of(task))

    def finish(self, width: int, task: Task = "binary", classes: int = 1) -> onnx.ModelProto:
        """The whole model; its last node must have made the task's output."""
        shape: list[str | int] = ["n", classes] if task == "multiclass" else ["n"]
        graph = helper.make_graph(
            self.nodes,
            "plimsoll",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
            [helper.make_tensor_value_info(output_of(task), TensorProto.FLOAT, shape)],
            self.constants,
        )
        return plain_model(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, 3)])
        )


def plain_model(model: onnx.ModelProto, ir_version: int = IR_VERSION) -> onnx.ModelProto:
    """The model without what says nothing about it: producer, versions, documentation, metadata."""
    model.ir_version = ir_version
    for field in ("producer_name", "producer_version", "domain", "doc_string", "model_version"):
        model.ClearField(field)
    del model.metadata_props[:]
    model.graph.ClearField("doc_string")
    model.graph.name = "plimsoll"
    onnx.checker.check_model(model, full_check=True)
    return model


def model_bytes(model: onnx.ModelProto) -> bytes:
    """The serialised form, the same for the same model."""
    return bytes(model.SerializeToString(deterministic=True))


def numbers_in(writer: GraphWriter, columns: Columns, mean: Array, scale: Array, limit: float) -> tuple[str, str]:
    """Standardised numbers [n, k] and their missing indicators [n, k]; a missing one is 0, the mean."""
    at = writer.constant("number_columns", np.array(columns.numbers, dtype=np.int64))
    raw = writer.node("Gather", ["features", at], "numbers", axis=1)
    missing = writer.node("IsNaN", [raw], "missing")
    centre = writer.constant("mean", mean.astype(np.float32))
    filled = writer.node("Where", [missing, centre, raw], "filled")
    centred = writer.node("Sub", [filled, centre], "centred")
    scaled = writer.node("Div", [centred, writer.constant("scale", scale.astype(np.float32))], "scaled")
    low = writer.constant("low", np.array(-limit))
    high = writer.constant("high", np.array(limit))
    standard = writer.node("Clip", [scaled, low, high], "standard")
    return standard, writer.node("Cast", [missing], "missing_number", to=TensorProto.FLOAT)


def codes_in(writer: GraphWriter, columns: Columns) -> str:
    """Rows of the shared table of all categories [n, c], int64."""
    at = writer.constant("category_columns", np.array(columns.categories, dtype=np.int64))
    raw = writer.node("Gather", ["features", at], "categories", axis=1)
    codes = writer.node("Cast", [raw], "codes", to=TensorProto.INT64)
    offsets = writer.constant("offsets", np.array(columns.offsets, dtype=np.int64))
    return writer.node("Add", [codes, offsets], "rows")
