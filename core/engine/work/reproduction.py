"""Work: a run made again in a folder of its own, and compared with what the first one left."""

from __future__ import annotations

import time
from typing import Any

from core.engine.workfolder import JobFolder
from core.kernel.progress import Progress


def train_again(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Train with the recorded parameters on the recorded inputs; nothing but the verdict is kept."""
    from core.engine.work.training import train_candidate
    from core.training.records import RunEnvironment
    from core.training.reproduce import reproduction

    began = time.perf_counter()
    made = train_candidate(folder, progress)
    report = reproduction(
        recorded={**folder.params["recorded"], "predictions": folder.input("predictions_then")},
        model_now=made["result"]["model_digest"],
        predictions=folder.out("predictions.parquet"),
        environment=RunEnvironment.read(made["environment"]),
        seconds=round(time.perf_counter() - began, 3),
    )
    folder.write_json("report.json", report)
    return {"reproduction": report.plain()}
