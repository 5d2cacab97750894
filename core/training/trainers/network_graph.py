"""Trained networks as ONNX, node by node; dropout is no part of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from torch import nn

from core.training.graphs import GraphWriter, codes_in, numbers_in
from core.training.matrices import TrainingData
from core.training.scaling import CLIP
from core.training.trainers.networks import Attention, Block, Plain, Reader, Residual, Transformer

Floats = np.ndarray[Any, np.dtype[np.float64]]


def network_graph(
    network: Plain | Residual | Transformer, reader: Reader, data: TrainingData, mean: float, scale: float
) -> onnx.ModelProto:
    """The network with its preparation before it; a regression's answer is ``scale`` times its own, plus ``mean``."""
    made = _Layers(GraphWriter())
    numbers, codes = _inputs(made.writer, reader)
    if isinstance(network, Transformer):
        logits = _transformer(made, network, numbers, codes)
    else:
        out = _joined(made, network, numbers, codes)
        logits = _plain(made, network, out) if isinstance(network, Plain) else _residual(made, network, out)
    writer = made.writer
    if data.task != "multiclass":
        logits = writer.node("Squeeze", [logits, writer.constant("last_axis", np.array([1]))], "logit")
    if data.task == "regression":
        scaled = writer.node("Mul", [logits, writer.constant("label_scale", np.array(scale))], "scaled_logit")
        logits = writer.node("Add", [scaled, writer.constant("label_mean", np.array(mean))], "number")
    writer.answer(logits, data.task)
    return writer.finish(data.x.shape[1], data.task, data.outputs)


class _Layers:
    """Writes the layers that the networks share; each call names its nodes anew."""

    def __init__(self, writer: GraphWriter) -> None:
        self.writer = writer
        self._count = 0

    def node(self, op: str, inputs: list[str], **attributes: Any) -> str:
        self._count += 1
        return self.writer.node(op, inputs, f"{op.lower()}_{self._count}", **attributes)

    def constant(self, value: Any) -> str:
        self._count += 1
        return self.writer.constant(f"constant_{self._count}", np.asarray(value))

    def linear(self, layer: nn.Module, x: str) -> str:
        weight, bias = (layer.get_parameter(name).detach().numpy() for name in ("weight", "bias"))
        return self.node("Add", [self.node("MatMul", [x, self.constant(weight.T)]), self.constant(bias)])

    def norm(self, layer: nn.Module, x: str) -> str:
        parts = [self.constant(layer.get_parameter(name).detach().numpy()) for name in ("weight", "bias")]
        return self.node("LayerNormalization", [x, *parts], axis=-1, epsilon=getattr(layer, "eps", 1e-5))

    def relu(self, x: str) -> str:
        return self.node("Relu", [x])


def _inputs(writer: GraphWriter, reader: Reader) -> tuple[str, str]:
    """Names of the prepared numbers and codes; empty for what there is none of."""
    columns, scaling = reader.columns, reader.scaling
    numbers = ""
    if columns.numbers:
        numbers, missing = numbers_in(writer, columns, scaling.mean, scaling.scale, CLIP)
        if reader.holes:
            holes = writer.constant("holes", np.array(reader.holes, dtype=np.int64))
            indicators = writer.node("Gather", [missing, holes], "indicators", axis=1)
            numbers = writer.node("Concat", [numbers, indicators], "all_numbers", axis=1)
    return numbers, codes_in(writer, columns) if columns.categories else ""


def _joined(made: _Layers, network: Plain | Residual, numbers: str, codes: str) -> str:
    if not codes:
        return numbers
    table = made.constant(network.inputs.table.weight.detach().numpy())
    embedded = made.node("Flatten", [made.node("Gather", [table, codes], axis=0)], axis=1)
    return made.node("Concat", [embedded, numbers], axis=1) if numbers else embedded


def _plain(made: _Layers, network: Plain, out: str) -> str:
    for layer in network.hidden:
        out = made.relu(made.linear(layer, out))
    return made.linear(network.last, out)


def _block(made: _Layers, block: Block, x: str) -> str:
    wide = made.relu(made.linear(block.wide, made.norm(block.norm, x)))
    return made.node("Add", [x, made.linear(block.narrow, wide)])


def _residual(made: _Layers, network: Residual, out: str) -> str:
    out = made.linear(network.first, out)
    for block in network.blocks:
        assert isinstance(block, Block)
        out = _block(made, block, out)
    return made.linear(network.last, made.relu(made.norm(network.norm, out)))


def _attention(made: _Layers, look: Attention, x: str) -> str:
    seen = made.norm(look.norm, x)
    split, joined = (
        made.constant(np.array([0, 0, look.heads, look.size])),
        made.constant(np.array([0, 0, look.heads * look.size])),
    )

    def heads(layer: nn.Module, order: list[int]) -> str:
        shaped = made.node("Reshape", [made.linear(layer, seen), split])
        return made.node("Transpose", [shaped], perm=order)

    query, key = heads(look.query, [0, 2, 1, 3]), heads(look.key, [0, 2, 3, 1])
    scores = made.node("Mul", [made.node("MatMul", [query, key]), made.constant(np.array(look.size**-0.5))])
    share = made.node("Softmax", [scores], axis=3)
    mixed = made.node("MatMul", [share, heads(look.value, [0, 2, 1, 3])])
    flat = made.node("Reshape", [made.node("Transpose", [mixed], perm=[0, 2, 1, 3]), joined])
    return made.node("Add", [x, made.linear(look.out, flat)])


def _transformer(made: _Layers, network: Transformer, numbers: str, codes: str) -> str:
    """Tokens: the gathering one, repeated for each row; numbers; categories."""
    rows = made.node("Shape", ["features"], start=0, end=1)
    shape = made.node("Concat", [rows, made.constant(np.array([1, network.answer.shape[2]]))], axis=0)
    tokens = [made.node("Expand", [made.constant(network.answer.detach().numpy()), shape])]
    if numbers:
        apart = made.node("Unsqueeze", [numbers, made.constant(np.array([2]))])
        weighed = made.node("Mul", [apart, made.constant(network.weight.detach().numpy())])
        tokens.append(made.node("Add", [weighed, made.constant(network.bias.detach().numpy())]))
    if codes:
        tokens.append(made.node("Gather", [made.constant(network.table.weight.detach().numpy()), codes], axis=0))
    out = made.node("Concat", tokens, axis=1)
    for look, block in zip(network.looks, network.blocks, strict=True):
        assert isinstance(look, Attention)
        assert isinstance(block, Block)
        out = _block(made, block, _attention(made, look, out))
    first = made.node("Flatten", [made.node("Gather", [out, made.constant(np.array([0]))], axis=1)], axis=1)
    return made.linear(network.last, made.relu(made.norm(network.norm, first)))
