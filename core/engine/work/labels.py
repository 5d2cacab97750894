"""Work on labels: a delivery checked whole, and votes weighed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from core.engine.workfolder import JobFolder
from core.kernel.clock import parse_utc
from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.project.schema import Project


def add_labels(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Read a file of labels, hold it against what is kept and known, and write what is new."""
    from core.monitoring.label_stream import check_delivery

    progress.step(0, 2, "reading labels")
    params = folder.params
    frame = _read_table(Path(params["file"]))
    kept = [pl.read_parquet(path) for path in folder.inputs("labels").values()]
    stored = pl.concat(kept, how="vertical_relaxed") if kept else None
    progress.check()
    progress.step(1, 2, "checking labels")
    made = check_delivery(
        frame,
        stored,
        params["key"],
        known=_known(folder, params["key"]),
        now=parse_utc(params["now"]),
        task=params["task"],
    )
    made.rows.write_parquet(folder.out("table.parquet"), compression="zstd", compression_level=3)
    return {
        "rows": made.rows.height,
        "repeated": made.repeated,
        "corrected": made.corrected,
        "empty": made.empty,
        "columns": made.rows.columns,
        "first": str(made.rows["known_at"].min() or ""),
        "last": str(made.rows["known_at"].max() or ""),
    }


def _known(folder: JobFolder, key: list[str]) -> pl.Series | None:
    """Keys of the events table and of everything that was predicted; none where any key is taken."""
    from core.monitoring.labels import key_text

    if not folder.has("events"):
        return None
    events = pl.read_parquet(folder.input("events"), columns=key)
    keys = [events.select(key_text(events, key).alias("key"))["key"]]
    keys += [pl.read_parquet(path, columns=["key"])["key"] for path in folder.inputs("predictions").values()]
    return pl.concat(keys).unique()


def _read_table(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise InputError("There is no such file", where=str(path))
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            "The file of labels cannot be read", detail=str(error), where=str(path), remedy="Give CSV or Parquet."
        ) from error


def make_weak_labels(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Let the labelling functions vote on the events of a training set, and weigh their votes."""
    from core.monitoring.weak_labels import weak_labels

    project = Project.read(folder.params["project"])
    key, labelling = project.events.key, project.labelling
    if labelling is None:
        raise InputError("The project has no labelling functions")
    rows = pl.read_parquet(folder.input("training_set"))
    events = pl.read_parquet(folder.input("events"))
    more = [name for name in events.columns if name not in rows.columns]
    wide = rows.join(events.select(*key, *more), on=key, how="left", maintain_order="left")
    table, report = weak_labels(wide, labelling, key, rows["label"], progress)
    table.write_parquet(folder.out("table.parquet"), compression="zstd", compression_level=3)
    return report.plain()
