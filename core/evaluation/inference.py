"""What an answer costs: the packaged model timed as it is asked, one request and a batch."""

from __future__ import annotations

import os
import time

import numpy as np
import polars as pl

from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.evaluation.error_records import InferenceCost

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

REQUESTS, WARM = 300, 30
BATCH = 20_000


def inference_cost(model: bytes, contract: Contract, rows: pl.DataFrame) -> InferenceCost:
    """Time single rows from fields to answer, and a batch of up to 20,000 rows; wall time, one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name, transformer = session.get_outputs()[0].name, transformer_of(contract)
    whole, bare = [], []
    singles = [rows[i % rows.height] for i in range(min(REQUESTS, max(1, rows.height)))]
    for i in range(REQUESTS):
        row = singles[i % len(singles)]
        begun = time.perf_counter()
        x = transformer.matrix(row)
        ready = time.perf_counter()
        session.run([name], {"features": x})
        done = time.perf_counter()
        whole.append(done - begun)
        bare.append(done - ready)
    batch = rows[:BATCH]
    begun = time.perf_counter()
    session.run([name], {"features": transformer.matrix(batch)})
    spent = time.perf_counter() - begun
    p50, p99 = np.quantile(np.array(whole[WARM:]) * 1e6, [0.5, 0.99])
    return InferenceCost(
        request_p50_us=round(float(p50), 1),
        request_p99_us=round(float(p99), 1),
        model_p50_us=round(float(np.median(bare[WARM:])) * 1e6, 1),
        rows_per_s=round(batch.height / spent) if spent > 0 else 0.0,
        batch_rows=batch.height,
        bytes=len(model),
    )
