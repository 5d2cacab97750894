"""Work on tables that the project's own Python makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.data.writing import described, whole_file
from core.engine.workfolder import JobFolder
from core.kernel.digests import digest_json
from core.kernel.progress import Progress
from core.project.schema import Table


def make_table(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Call the function and keep its rows as the job's table."""
    from core.features.python_tables import python_table

    name = folder.params["name"]
    spec = Table.read(folder.params["table"]).python
    assert spec is not None
    rows = python_table(name, spec, folder.inputs("table"), Path(folder.params["project"]), progress)
    out = folder.out("table.parquet")
    with whole_file(out) as part:
        rows.write_parquet(part, compression="zstd", compression_level=3)
    return described(name, out, digest_json(spec.plain())).plain()
