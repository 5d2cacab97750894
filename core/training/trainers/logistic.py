"""Logistic regression on one-hot categories and standardised numbers: the honest baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import scipy.sparse
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.kernel.progress import Progress
from core.kernel.records import Record
from core.measures.classification import roc_auc
from core.training.graphs import GraphWriter, codes_in, numbers_in
from core.training.matrices import Columns, Matrix, TrainingData
from core.training.scaling import CLIP, Scaling, scaling_of, standardised
from core.training.trainers.fitted import Fitted

Floats = npt.NDArray[np.float64]


class LogisticSettings(Record):
    """Settings of the logistic trainer."""

    c: float = Field(default=0.1, gt=0, description="Inverse strength of the L2 penalty")
    max_iter: int = Field(default=200, ge=1)
    tolerance: float = Field(default=1e-4, gt=0)
    threads: int = Field(default=1, ge=1, description="Part of the result: sums depend on it")


def fit(data: TrainingData, settings: LogisticSettings, seed: int, folder: Path, progress: Progress) -> Fitted:  # noqa: ARG001
    """Fit by L-BFGS (deterministic; the seed plays no part) and write the graph."""
    scaling = scaling_of(data.x, data.columns)
    progress.step(0, 2, "Fitting the logistic regression")
    model = LogisticRegression(C=settings.c, max_iter=settings.max_iter, tol=settings.tolerance, solver="lbfgs")
    with threadpool_limits(settings.threads):
        model.fit(design(data.x, data.columns, scaling), data.y)
    weights, bias = model.coef_[0].astype(np.float64), float(model.intercept_[0])

    def native(x: Matrix) -> Floats:
        logit = design(x, data.columns, scaling) @ weights + bias
        return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float64)

    rounds = int(model.n_iter_[0])
    progress.metric("validate_auc", rounds, roc_auc(data.y_validate, native(data.x_validate)))
    progress.step(1, 2, f"Converged after {rounds} iterations")
    graph = _graph(data.columns, scaling, weights, bias, data.x.shape[1])
    return Fitted(graph, native, rounds, settings.plain(), settings.threads)


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


def _graph(columns: Columns, scaling: Scaling, weights: Floats, bias: float, width: int) -> onnx.ModelProto:
    writer = GraphWriter()
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
    writer.node("Sigmoid", [logit], "probability")
    return writer.finish(width)
