"""Running an ONNX model here exactly as it runs on a target, and proving that it is the model trained."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from core.kernel.errors import SystemFault
from core.training.matrices import Matrix
from core.training.records import Parity, RowLatency

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

Outputs = npt.NDArray[np.float32]
Predict = Callable[[Matrix], npt.NDArray[np.float64]]
TOLERANCE = 1e-5
BATCH = 65_536


def session_of(model: bytes) -> onnxruntime.InferenceSession:
    """A session on one CPU thread: the same bits whatever the machine's load."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def plain_session(model: bytes) -> onnxruntime.InferenceSession:
    """The same without any rearrangement of the graph: each node as it was written."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_model(session: onnxruntime.InferenceSession, x: Matrix) -> Outputs:
    """The model's one output, float32 [n] or [n, k], for a matrix [n, d]."""
    names = [session.get_outputs()[0].name]
    starts = range(0, len(x), BATCH) if len(x) else [0]
    return np.concatenate([session.run(names, {"features": x[start : start + BATCH]})[0] for start in starts])


def prove_parity(
    session: onnxruntime.InferenceSession, native: Predict, x: Matrix, *, scaled: bool = False, hint: str = ""
) -> Parity:
    """Compare ONNX with the native model on all rows of ``x``.

    Probabilities may differ by :data:`TOLERANCE`; ``scaled`` numbers by that part of the largest of them.

    Raises:
        SystemFault: when any row differs more. A conversion that is nearly right is wrong.
    """
    expected = native(x)
    found = run_model(session, x).astype(np.float64)
    if found.shape != expected.shape:
        raise SystemFault(f"The ONNX model gives {list(found.shape)}, the trained one {list(expected.shape)}")
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0 if scaled else 1.0
    difference = np.abs(found - expected) / scale
    difference = np.where(np.isnan(difference), np.inf, difference).reshape(len(x), -1).max(axis=1, initial=0.0)
    beyond = int((difference > TOLERANCE).sum())
    if beyond:
        raise SystemFault(
            f"The ONNX model differs from the trained one in {beyond:,} of {len(x):,} validation rows",
            detail=f"Largest difference {difference.max():.3g}, allowed {TOLERANCE:g}"
            + (f" (of the largest prediction, {scale:.6g})" if scaled else ""),
            remedy=f"Nothing was kept. {hint or 'Change the settings, or report the conversion'}",
        )
    worst = float(difference.max()) if len(x) else 0.0
    return Parity(rows=len(x), max_difference=worst, tolerance=TOLERANCE, beyond=beyond, scale=scale)


def row_latency(session: onnxruntime.InferenceSession, x: Matrix, runs: int = 300) -> RowLatency:
    """Wall time of single rows, one after the other."""
    times, names = [], [session.get_outputs()[0].name]
    for i in range(runs):
        row = x[i % len(x)][None, :]
        begun = time.perf_counter()
        session.run(names, {"features": row})
        times.append((time.perf_counter() - begun) * 1e6)
    p50, p99 = np.quantile(times[runs // 10 :], [0.5, 0.99])
    return RowLatency(p50_us=round(float(p50), 1), p99_us=round(float(p99), 1), runs=runs)
