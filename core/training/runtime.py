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

Probabilities = npt.NDArray[np.float32]
Predict = Callable[[Matrix], npt.NDArray[np.float64]]
TOLERANCE = 1e-5
BATCH = 65_536


def session_of(model: bytes) -> onnxruntime.InferenceSession:
    """A session on one CPU thread: the same bits whatever the machine's load."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_model(session: onnxruntime.InferenceSession, x: Matrix) -> Probabilities:
    """Probabilities float32 [n] of a matrix [n, d]."""
    parts = [
        session.run(["probability"], {"features": x[start : start + BATCH]})[0] for start in range(0, len(x), BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def prove_parity(session: onnxruntime.InferenceSession, native: Predict, x: Matrix) -> Parity:
    """Compare ONNX with the native model on all rows of ``x``.

    Raises:
        SystemFault: when any row differs beyond :data:`TOLERANCE`. A conversion that is nearly right is wrong.
    """
    difference = np.abs(run_model(session, x).astype(np.float64) - native(x))
    difference = np.where(np.isnan(difference), np.inf, difference)
    beyond = int((difference > TOLERANCE).sum())
    if beyond:
        raise SystemFault(
            f"The ONNX model differs from the trained one in {beyond:,} of {len(x):,} validation rows",
            detail=f"Largest difference {difference.max():.3g}, allowed {TOLERANCE:g}",
            remedy="Nothing was kept. Change the trainer's settings, or report the conversion",
        )
    worst = float(difference.max()) if len(x) else 0.0
    return Parity(rows=len(x), max_difference=worst, tolerance=TOLERANCE, beyond=beyond)


def row_latency(session: onnxruntime.InferenceSession, x: Matrix, runs: int = 300) -> RowLatency:
    """Wall time of single rows, one after the other."""
    times = []
    for i in range(runs):
        row = x[i % len(x)][None, :]
        begun = time.perf_counter()
        session.run(["probability"], {"features": row})
        times.append((time.perf_counter() - begun) * 1e6)
    p50, p99 = np.quantile(times[runs // 10 :], [0.5, 0.99])
    return RowLatency(p50_us=round(float(p50), 1), p99_us=round(float(p99), 1), runs=runs)
