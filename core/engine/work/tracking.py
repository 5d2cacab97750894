"""Work on what others tracked: reading MLflow's folders and databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.blobs.packs import sync_folder
from core.engine.workfolder import JobFolder
from core.kernel.progress import Progress


def read_mlflow(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Read experiments and runs into the job's folder."""
    from core.training.mlflow_import import read_mlflow as read

    counts = read(Path(folder.params["path"]), folder.path, progress)
    sync_folder(folder.path)
    return dict(counts)
