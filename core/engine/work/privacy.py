"""Work for privacy: looking for personal data, and a copy that may leave."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from core.data.minimise import minimised
from core.data.personal import propose_personal, quasi_identifiers
from core.data.writing import columns_of, sink, whole_file
from core.engine.workfolder import JobFolder
from core.identity.privacy_key import privacy_secret
from core.kernel.progress import Progress
from core.measures.anonymity import k_anonymity
from core.project.privacy import Minimise


def find_personal(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Propose the columns of one table that may hold personal data, and measure how far its rows hide."""
    progress.step(0, 2, "looking at names and values")
    frame = pl.scan_parquet(folder.input("table"))
    found = propose_personal(frame, folder.params["name"])
    progress.step(1, 2, "measuring groups")
    schema = frame.collect_schema()
    stated = [name for name in folder.params["quasi"] if name in schema]
    columns = stated or quasi_identifiers(found.findings)
    if columns:
        figures = k_anonymity(frame, columns)
        found = found.model_copy(update={"anonymity": {**figures.plain(), "below_share": figures.below_share}})
    folder.write_json("report.json", found)
    return {"findings": [finding.plain() for finding in found.findings], "anonymity": found.anonymity}


def export_table(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Write a minimised copy of one table to where it leaves from."""
    progress.step(0, 1, "minimising")
    params = folder.params
    rules = {name: Minimise.read(rule) for name, rule in params["rules"].items()}
    frame = minimised(
        pl.scan_parquet(folder.input("table")), rules, privacy_secret(params["workspace"]), params["name"]
    )
    out = Path(params["file"])
    with whole_file(out) as part:
        sink(frame, part, progress)
    written = pl.scan_parquet(out)
    schema = written.collect_schema()
    quasi = [name for name in params["quasi"] if name in schema]
    figures = k_anonymity(written, quasi).plain() if quasi else None
    rows = int(written.select(pl.len()).collect().item())
    return {
        "rows": rows,
        "columns": schema.names(),
        "types": [column.plain() for column in columns_of(schema)],
        "anonymity": figures,
        "bytes": out.stat().st_size,
        "sha256": sha256_file(out),
    }


def sha256_file(file: Path) -> str:
    """SHA-256 in hexadecimal, read in pieces: what Croissant names files by."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
