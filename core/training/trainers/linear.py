"""Linear models on one-hot categories and standardised numbers: the honest baseline.

Logistic regression for two classes, multinomial for several, ridge regression for numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import scipy.sparse
import scipy.special
from pydantic import Field
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.kernel.records import Record
from core.training.graphs import GraphWriter, codes_in, numbers_in
from core.training.matrices import Columns, Matrix, TrainingData
from core.training.scaling import CLIP, Scaling, scaling_of, standardised
from core.training.trainers.fitted import Fitted, Order
from core.training.watching import WATCHED
from core.training.weighing import CLASS_WEIGHT_WORDS, ClassWeight, row_weights

Floats = npt.NDArray[np.float64]


class Settings(Record):
    """Settings of the linear trainer."""

    c: float = Field(default=0.1, gt=0, description="Inverse strength of the L2 penalty")
    max_iter: int = Field(default=200, ge=1)
    tolerance: float = Field(default=1e-4, gt=0)
    class_weight: ClassWeight = Field(default="none", description=CLASS_WEIGHT_WORDS)
    threads: int = Field(default=1, ge=1, description="Part of the result: sums depend on it")


def fit(order: Order, settings: Settings) -> Fitted:
    """Fit (deterministic; the seed plays no part) and write the graph."""
    data, progress = order.data, order.progress
    scaling = scaling_of(data.x, data.columns)
    progress.step(0, 2, "Fitting the linear model")
    with threadpool_limits(settings.threads):
        weights, bias, rounds = _solve(data, scaling, settings)

    def native(x: Matrix) -> Floats:
        out = design(x, data.columns, scaling) @ weights + bias
        if data.task == "multiclass":
            return np.asarray(scipy.special.softmax(out, axis=1), dtype=np.float64)
        return np.asarray(1.0 / (1.0 + np.exp(-out)) if data.task == "binary" else out, dtype=np.float64)

    watched = WATCHED[data.task]
    progress.metric(watched.name, rounds, watched.measure(data.y_validate, native(data.x_validate)))
    progress.step(1, 2, f"Converged after {rounds} iterations")
    return Fitted(_graph(data, scaling, weights, bias), native, rounds, settings.plain(), settings.threads)


def _solve(data: TrainingData, scaling: Scaling, settings: Settings) -> tuple[Floats, Floats, int]:
    """Weights [m] or [m, k], bias [] or [k], and the number of iterations."""
    x, weight = design(data.x, data.columns, scaling), row_weights(data, settings.class_weight)
    if data.task == "regression":
        ridge = Ridge(alpha=1.0 / settings.c, solver="sparse_cg", max_iter=settings.max_iter, tol=settings.tolerance)
        ridge.fit(x, data.y, sample_weight=weight)
        return ridge.coef_.astype(np.float64), np.asarray(ridge.intercept_), 1  # it does not count
    model = LogisticRegression(C=settings.c, max_iter=settings.max_iter, tol=settings.tolerance, solver="lbfgs")
    model.fit(x, data.y, sample_weight=weight)
    coefficients, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    rounds = int(np.max(model.n_iter_))
    if data.task == "binary":
        return coefficients[0], bias[0], rounds
    if len(coefficients) == 1:  # two classes: one row of weights, for the second against the first
        coefficients, bias = np.vstack([np.zeros_like(coefficients), coefficients]), np.append(0.0, bias)
    return coefficients.T, bias, rounds


def design(x: Matrix, columns: Columns, scaling: Scaling) -> scipy.sparse.csr_array:
    """The design matrix [n, codes + 2 k]: one-hot codes, standardised numbers, missing indicators."""
    n, c = len(x), len(columns.categories)
    standard, missing = standardised(x, columns, scaling)
    codes = x[:, columns.categories].astype(np.int64) + np.array(columns.offsets, dtype=np.int64)
    onehot = scipy.sparse.csr_array(
        (np.ones(n * c), codes.ravel(), np.arange(0, n * c + 1, max(c, 1))[: n + 1] if c else np.zeros(n + 1, int)),
        shape=(n, sum(columns.sizes)),
    )
    return scipy.sparse.hstack([onehot, scipy.sparse.csr_array(np.hstack([standard, missing]))], format="csr")


def _graph(data: TrainingData, scaling: Scaling, weights: Floats, bias: Floats) -> onnx.ModelProto:
    writer, columns = GraphWriter(), data.columns
    codes, k = sum(columns.sizes), len(columns.numbers)
    terms = []
    if columns.categories:
        table = writer.constant("category_weights", weights[:codes])
        picked = writer.node("Gather", [table, codes_in(writer, columns)], "picked", axis=0)
        axes = writer.constant("axes", np.array([1]))
        terms.append(writer.node("ReduceSum", [picked, axes], "from_categories", keepdims=0))
    if columns.numbers:
        standard, missing = numbers_in(writer, columns, scaling.mean, scaling.scale, CLIP)
        for name, source, part in (
            ("numbers", standard, weights[codes : codes + k]),
            ("missing", missing, weights[codes + k :]),
        ):
            terms.append(writer.node("MatMul", [source, writer.constant(f"{name}_weights", part)], f"from_{name}"))
    logit = writer.constant("bias", np.array(bias))
    for i, term in enumerate(terms):
        logit = writer.node("Add", [logit, term], f"logit_{i}")
    writer.answer(logit, data.task)
    return writer.finish(data.x.shape[1], data.task, data.outputs)
