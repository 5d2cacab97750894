"""A candidate whose probabilities are calibrated: the map is part of the graph, so what is served is calibrated.

The map is fitted on the last fifth of the train rows, which the model is not trained on. Validation chooses
among candidates and test judges them, so neither may fit it: on its own rows any isotonic map looks good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from core.contract.tasks import output_of
from core.kernel.errors import InputError
from core.measures.classification import Floats
from core.measures.recalibration import isotonic_knots, platt_line
from core.training.graphs import GraphWriter, model_bytes, plain_model
from core.training.matrices import Matrix, TrainingData
from core.training.runtime import prove_parity, run_model, session_of
from core.training.trainers.fitted import Fitted, Order
from core.training.trainers.table import fit_candidate

HELD_OUT = 0.2
LEAST = 100
NEAREST = 1e-7  # to 0 and 1: float32 has little between
RAW, PREFIX = "before_calibration", "calibration_"  # names that no graph has already
Add = Callable[[GraphWriter], None]


def fit_calibrated(order: Order, name: str) -> tuple[Fitted, int]:
    """Fit the candidate on the earlier train rows and its map on the later ones; gives how many those are.

    Both are proven: the model's own graph against the trained model on every validation row, here; the
    nodes of the map against the map, as every graph is, by the caller.

    Raises:
        InputError: when the label has not two values, or a part has too few rows.
    """
    earlier, later = _parts(order.data)
    method = order.candidate.calibrate
    order.progress.log(f"{len(later.y):,} of {len(order.data.y):,} train rows are kept for the {method} map")
    fitted = fit_candidate(replace(order, data=earlier), name)
    session = session_of(model_bytes(fitted.graph))
    prove_parity(session, fitted.native, order.data.x_validate, hint=fitted.hint)
    score = run_model(session, later.x).astype(np.float64)
    add, mapped = (_platt if method == "platt" else _isotonic)(later.y, score)

    def native(x: Matrix) -> Floats:
        return mapped(run_model(session, x).astype(np.float64))

    return replace(fitted, graph=_with_map(fitted.graph, add), native=native, hint=""), len(later.y)


def _parts(data: TrainingData) -> tuple[TrainingData, TrainingData]:
    """Earlier and later train rows; those of the map count alike, as they do where models are judged."""
    if data.task != "binary":
        raise InputError("Only a label of two values can be calibrated", where="training.candidates")
    cut = len(data.y) - round(HELD_OUT * len(data.y))
    weight = None if data.weight is None else data.weight[:cut]
    earlier = replace(data, x=data.x[:cut], y=data.y[:cut], weight=weight)
    later = replace(data, x=data.x[cut:], y=data.y[cut:], weight=None)
    for part, words in ((earlier, "earlier"), (later, "later")):
        if len(part.y) < LEAST or len(np.unique(part.y)) < 2:
            raise InputError(
                f"To calibrate, the {words} part of train needs {LEAST} labelled rows and both classes",
                detail=f"It has {len(part.y):,} labelled rows",
                remedy="Lengthen the train period, or remove calibrate from the candidate",
            )
    return earlier, later


def _platt(y: Floats, score: Floats) -> tuple[Add, Callable[[Floats], Floats]]:
    """Log-odds, a line, and back. Slope and intercept are read again where the model is explained."""
    line = np.asarray(platt_line(y, np.clip(score, NEAREST, 1 - NEAREST)), dtype=np.float32)
    slope, intercept = (float(one) for one in line)

    def add(writer: GraphWriter) -> None:
        low, high = writer.constant("nearest_0", np.array(NEAREST)), writer.constant("nearest_1", np.array(1 - NEAREST))
        p = writer.node("Clip", [RAW, low, high], "clipped")
        rest = writer.node("Sub", [writer.constant("one", np.array(1.0)), p], "rest")
        logs = writer.node("Log", [p], "log_p"), writer.node("Log", [rest], "log_rest")
        odds = writer.node("Sub", list(logs), "log_odds")
        scaled = writer.node("Mul", [odds, writer.constant("slope", np.array(slope))], "scaled_odds")
        moved = writer.node("Add", [scaled, writer.constant("intercept", np.array(intercept))], "calibrated_odds")
        writer.node("Sigmoid", [moved], output_of("binary"))

    def mapped(p: Floats) -> Floats:
        p = np.clip(p, np.float32(NEAREST), np.float32(1 - NEAREST))
        out: Floats = 1.0 / (1.0 + np.exp(-(slope * (np.log(p) - np.log1p(-p)) + intercept)))
        return out

    return add, mapped


def _isotonic(y: Floats, score: Floats) -> tuple[Add, Callable[[Floats], Floats]]:
    """A rising line through the knots, as a sum of ramps."""
    at, value = isotonic_knots(y, score)
    at, kept = np.unique(at.astype(np.float32), return_index=True)
    value = value[kept].astype(np.float32)

    def add(writer: GraphWriter) -> None:
        column = writer.node("Unsqueeze", [RAW, writer.constant("column", np.array([1]))], "scores")
        past = writer.node("Sub", [column, writer.constant("starts", at[:-1])], "past")
        part = writer.node("Div", [past, writer.constant("widths", np.diff(at))], "part")
        limits = writer.constant("nothing", np.array(0.0)), writer.constant("all", np.array(1.0))
        ramps = writer.node("Clip", [part, *limits], "ramps")
        risen = writer.node("MatMul", [ramps, writer.constant("rises", np.diff(value))], "risen")
        total = writer.node("Add", [risen, writer.constant("lowest", np.array(value[0]))], "total")
        writer.node("Clip", [total, *limits], output_of("binary"))

    return add, lambda p: np.interp(p, at.astype(np.float64), value.astype(np.float64))


def _with_map(model: onnx.ModelProto, add: Add) -> onnx.ModelProto:
    """The model with its answer renamed, and the nodes of the map from there to the answer."""
    answer = output_of("binary")
    out = onnx.ModelProto()
    out.CopyFrom(model)
    for node in out.graph.node:
        node.input[:] = [RAW if name == answer else name for name in node.input]
        node.output[:] = [RAW if name == answer else name for name in node.output]
    writer = GraphWriter()
    add(writer)
    for node in writer.nodes:
        node.input[:] = [name if name == RAW else PREFIX + name for name in node.input]
        node.output[:] = [name if name == answer else PREFIX + name for name in node.output]
    for constant in writer.constants:
        constant.name = PREFIX + constant.name
    out.graph.node.extend(writer.nodes)
    out.graph.initializer.extend(writer.constants)
    del out.graph.output[:]
    out.graph.output.append(helper.make_tensor_value_info(answer, TensorProto.FLOAT, ["n"]))
    return plain_model(out, ir_version=model.ir_version)
