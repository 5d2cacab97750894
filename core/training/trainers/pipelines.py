"""A scikit-learn estimator of the project's own, such as a pipeline: fitted here, converted, and proven."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.kernel.errors import InputError
from core.kernel.records import Record
from core.training.matrices import TrainingData
from core.training.trainers.context import FreeSettings as Settings
from core.training.trainers.context import called, context_of, own_function, place
from core.training.trainers.conversion import convert, estimator_faults, fit_parameters, known_fault, native_of
from core.training.trainers.fitted import Fitted, Order
from core.training.watching import WATCHED

__all__ = ["Settings", "fit", "fitted_estimator"]


def fit(order: Order, settings: Record) -> Fitted:
    """Call the project's function for an estimator that is not fitted, fit it on one thread, and convert it.

    Raises:
        InputError: when the function fails, or what it gives is no estimator for this task.
    """
    progress = order.progress
    progress.step(0, 3, f"Calling {order.candidate.function}")
    np.random.seed(order.seed % 2**32)
    random.seed(order.seed)
    estimator = called(order, own_function(order), context_of(order, settings))
    check_estimator(order, estimator)
    progress.check()
    progress.step(1, 3, f"Fitting {type(estimator).__name__}")
    with threadpool_limits(1):
        weights = fit_parameters(estimator, order.data)
        called(order, estimator.fit, order.data.x, order.data.y, **weights)
    progress.check()
    return fitted_estimator(order, estimator, settings)


def check_estimator(order: Order, estimator: Any) -> None:
    """Refuse what is no estimator for the task."""
    if not isinstance(estimator, BaseEstimator):
        raise InputError(
            f"{order.candidate.function} gave {type(estimator).__name__}",
            where=place(order),
            remedy="Return a scikit-learn estimator, such as a Pipeline",
        )
    fault = estimator_faults(estimator, order.data)
    if fault:
        raise InputError(f"{type(estimator).__name__} is not for this task: {fault}", where=place(order))


def fitted_estimator(order: Order, estimator: Any, settings: Record) -> Fitted:
    """A fitted estimator with its graph, not proven yet."""
    data, watched = order.data, WATCHED[order.data.task]
    order.progress.step(2, 3, "Converting to ONNX")
    _knows_all_classes(order, estimator, data)
    native = native_of(estimator, data)
    order.progress.metric(watched.name, 1, watched.measure(data.y_validate, native(data.x_validate)))
    graph = convert(estimator, data)
    return Fitted(graph, native, 1, settings.plain(), threads=1, hint=known_fault(estimator))


def _knows_all_classes(order: Order, estimator: Any, data: TrainingData) -> None:
    wanted = len(data.classes) if data.task == "multiclass" else 2
    found = getattr(estimator, "classes_", None)
    if data.task != "regression" and (found is None or list(found) != list(range(wanted))):
        raise InputError(
            f"{type(estimator).__name__} was fitted on other classes", detail=f"{found}", where=place(order),
            remedy="Fit it on context.y as it is",
        )  # fmt: skip
