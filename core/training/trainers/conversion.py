"""scikit-learn estimators, and ONNX models of any origin, as graphs with the one input and output of the house.

A conversion is never believed: :func:`core.training.runtime.prove_parity` holds it against the estimator
on every validation row.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, compose, helper, numpy_helper
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.contract.tasks import output_of
from core.kernel.errors import InputError
from core.training.graphs import IR_VERSION, ML_DOMAIN, OPSET, plain_model
from core.training.matrices import Matrix, TrainingData
from core.training.runtime import Predict

OWN = "own_"


def estimator_faults(estimator: Any, data: TrainingData) -> str:
    """Why a fitted or unfitted estimator cannot be for this task; empty when it can."""
    if data.task == "regression":
        return "" if is_regressor(estimator) else "a regression needs a regressor"
    if not is_classifier(estimator):
        return "classes need a classifier"
    return "" if hasattr(estimator, "predict_proba") else "it gives no probabilities (predict_proba)"


def native_of(estimator: Any, data: TrainingData) -> Predict:
    """The task's answer by the estimator itself, on one thread."""

    def native(x: Matrix) -> npt.NDArray[np.float64]:
        with threadpool_limits(1):
            if data.task == "regression":
                return np.asarray(estimator.predict(x), dtype=np.float64).reshape(-1)
            shares = np.asarray(estimator.predict_proba(x), dtype=np.float64)
        return shares[:, 1] if data.task == "binary" else shares

    return native


def convert(estimator: Any, data: TrainingData) -> onnx.ModelProto:
    """The graph of a fitted estimator, by skl2onnx.

    Raises:
        InputError: when a part of it cannot be converted, by the converter's own words.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    width = data.x.shape[1]
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parts that the proof on real rows judges better
            model = to_onnx(
                estimator,
                initial_types=[("features", FloatTensorType([None, width]))],
                target_opset={"": OPSET, ML_DOMAIN: 3},
                options=options,
            )
    except Exception as error:  # the converter raises whatever a part of it raised
        raise InputError(
            "This estimator cannot be converted to ONNX",
            detail=str(error).strip().partition("\n")[0][:300],
            remedy="Use steps that skl2onnx knows; a FunctionTransformer, a SplineTransformer or soft votes are not",
        ) from error
    return adapted(model, data)


def adapted(model: onnx.ModelProto, data: TrainingData) -> onnx.ModelProto:
    """A model of one float input [n, d] with the house's names; of its outputs the one that the task gives.

    Raises:
        InputError: when it has other inputs, or no output of that kind.
    """
    known = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in known]
    kinds = [item.type.tensor_type.elem_type for item in inputs]
    if kinds != [TensorProto.FLOAT]:
        raise InputError("The model must have one float32 input [n, features]", detail=f"It has {len(inputs)} inputs")
    own = compose.add_prefix(model, OWN)
    source = OWN + _answer_of(model, data)
    graph, entry = own.graph, OWN + inputs[0].name
    wanted = output_of(data.task)
    nodes = [helper.make_node("Identity", ["features"], [entry]), *_needed(graph, source)]
    if data.task == "multiclass":
        nodes.append(helper.make_node("Identity", [source], [wanted]))
    else:
        column = _binary_column(model, source, data)
        nodes += [*column[0], helper.make_node("Reshape", [column[1], "flat"], [wanted])]
        graph.initializer.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat"))
        graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "second"))
    shape: list[str | int] = ["n", data.outputs] if data.task == "multiclass" else ["n"]
    used = {name for node in nodes for name in node.input}
    made = helper.make_graph(
        nodes,
        "plimsoll",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", data.x.shape[1]])],
        [helper.make_tensor_value_info(wanted, TensorProto.FLOAT, shape)],
        [item for item in graph.initializer if item.name in used],
    )
    out = helper.make_model(made, opset_imports=list(own.opset_import), functions=list(own.functions))
    return plain_model(out, ir_version=max(own.ir_version, IR_VERSION))


def _answer_of(model: onnx.ModelProto, data: TrainingData) -> str:
    """The name of the output that holds the task's answer."""
    floats = [item.name for item in model.graph.output if item.type.tensor_type.elem_type == TensorProto.FLOAT]
    named = [name for name in (output_of(data.task), "probabilities") if name in floats]
    if not floats:
        raise InputError("The model has no float32 output", remedy="Give probabilities or numbers as float32")
    return named[0] if named else floats[-1]


def _binary_column(model: onnx.ModelProto, source: str, data: TrainingData) -> tuple[list[onnx.NodeProto], str]:
    """Of two columns of probabilities the second."""
    output = next(item for item in model.graph.output if OWN + item.name == source)
    sizes = [size.dim_value for size in output.type.tensor_type.shape.dim]
    if data.task == "binary" and len(sizes) == 2 and sizes[1] == 2:
        return [helper.make_node("Gather", [source, "second"], ["second_column"], axis=1)], "second_column"
    return [], source


def _needed(graph: onnx.GraphProto, wanted: str) -> list[onnx.NodeProto]:
    """The nodes that the wanted tensor is made of, in their order."""
    todo, kept = {wanted}, []
    for node in reversed(graph.node):
        if todo.intersection(node.output):
            kept.append(node)
            todo.update(node.input)
            for attribute in node.attribute:  # the bodies of If and Loop read outer tensors by name
                todo.update(name for inner in attribute.g.node for name in inner.input)
    return kept[::-1]


def fit_parameters(estimator: Any, data: TrainingData) -> dict[str, Any]:
    """Weights under the name by which the estimator takes them.

    Raises:
        InputError: when rows are weighed and it cannot weigh them.
    """
    from sklearn.utils.validation import has_fit_parameter

    if data.weight is None:
        return {}
    name, last = estimator.steps[-1] if isinstance(estimator, Pipeline) else ("", estimator)
    if not has_fit_parameter(last, "sample_weight"):
        raise InputError(f"{type(last).__name__} takes no weights of rows", where="training.weight")
    return {f"{name}__sample_weight" if name else "sample_weight": data.weight}


def known_fault(estimator: Any) -> str:
    """A part that is known to convert wrongly without an error; empty when there is none."""
    for part in [estimator, *estimator.get_params(deep=True).values()]:
        chosen = getattr(part, "categorical_features", None)
        if type(part).__name__.startswith("HistGradientBoosting") and not (chosen is None or chosen == "from_dtype"):
            return (
                f"{type(part).__name__}(categorical_features=...) converts wrongly without an error: "
                "give it the codes as numbers, or use the trainer boosting"
            )
    return ""
