"""The project's own training: a function ``train(context)`` that gives a fitted estimator or an ONNX model."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from core.kernel.errors import InputError
from core.kernel.records import Record
from core.training.graphs import model_bytes
from core.training.matrices import Matrix
from core.training.runtime import Predict, plain_session, run_model
from core.training.trainers.context import FreeSettings as Settings
from core.training.trainers.context import called, context_of, own_function, place
from core.training.trainers.conversion import adapted
from core.training.trainers.fitted import Fitted, Order
from core.training.watching import WATCHED

__all__ = ["Settings", "fit"]


def fit(order: Order, settings: Record) -> Fitted:
    """Call the project's function and take what it trained.

    It may return a fitted scikit-learn estimator, an ONNX model (or its bytes), or an ONNX model and a
    function from a matrix [n, d] to answers. Then the model is held against that function; a model
    alone against itself without any of the runtime's rearrangements.

    Raises:
        InputError: when the function fails, or gives something else.
    """
    order.progress.step(0, 2, f"Calling {order.candidate.function}")
    np.random.seed(order.seed % 2**32)
    random.seed(order.seed)
    made = called(order, own_function(order), context_of(order, settings))
    order.progress.check()
    model, predict = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if isinstance(model, bytes):
        model = _parsed(order, model)
    if isinstance(model, onnx.ModelProto):
        return _of_graph(order, model, predict, settings)
    from core.training.trainers.pipelines import check_estimator, fitted_estimator

    if not hasattr(model, "fit"):
        raise InputError(
            f"{order.candidate.function} gave {type(model).__name__}",
            where=place(order),
            remedy="Return a fitted scikit-learn estimator, an ONNX model, or an ONNX model and a function",
        )
    check_estimator(order, model)
    return fitted_estimator(order, model, settings)


def _parsed(order: Order, data: bytes) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's error types differ by back-end
        raise InputError(f"The bytes that {order.candidate.function} gave are not ONNX", where=place(order)) from error


def _of_graph(order: Order, model: onnx.ModelProto, predict: Any, settings: Record) -> Fitted:
    data, watched = order.data, WATCHED[order.data.task]
    order.progress.step(1, 2, "Reading the model")
    graph = adapted(model, data)
    native: Predict = _as_it_is(graph)
    if predict is not None:
        native = _own(order, predict)
    order.progress.metric(watched.name, 1, watched.measure(data.y_validate, native(data.x_validate)))
    return Fitted(graph, native, 1, settings.plain(), threads=1)


def _as_it_is(graph: onnx.ModelProto) -> Predict:
    session = plain_session(model_bytes(graph))
    return lambda x: run_model(session, x).astype(np.float64)


def _own(order: Order, predict: Any) -> Predict:
    def native(x: Matrix) -> npt.NDArray[np.float64]:
        found = np.asarray(called(order, predict, x), dtype=np.float64)
        return found if order.data.task == "multiclass" else found.reshape(-1)

    return native
