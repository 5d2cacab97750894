"""Every malformed file becomes a sound snapshot or an error in words, in the worker process that the product uses."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from core.engine.pool import Worker
from core.engine.workfolder import write_job
from core.kernel.errors import InputError, PlimsollError
from core.project.schema import Source

from .malformed import malformed

COUNT = 500
CRASHES = ("worker process", "The work failed", "longer than", "broke down")


def params(path: Path, form: str) -> dict[str, object]:
    """What the engine gives to the work of an ingestion."""
    source = Source.read({"kind": form, "path": path.name})
    return {
        "name": "t",
        "source": source.plain(),
        "project": str(path.parent),
        "noted": {"former": None, "needed": []},
    }


@pytest.mark.slow
def test_500_malformed_files_give_clear_errors_only(tmp_path: Path) -> None:
    seed = int(os.environ.get("PLIMSOLL_FUZZ_SEED", "2013"))
    worker = Worker(tmp_path / "workers.log")
    taken, refused, wrong = 0, 0, []
    try:
        for number in range(COUNT):
            files, job = tmp_path / "files", tmp_path / "jobs" / str(number)
            files.mkdir(exist_ok=True)
            form, path = malformed(number, seed, files)
            write_job(job, "core.engine.work.data:ingest_source", params(path, form), {})
            try:
                worker.run(job, lambda event: None, 20.0)
                found = pl.read_parquet(job / "table.parquet")
                assert found.height, path.name
                taken += 1
            except PlimsollError as error:
                refused += 1
                if not clear(error, path.name):
                    wrong.append(f"{number} {form}: {error}")
                left = [one.name for one in job.iterdir() if one.suffix in (".parquet", ".part", ".plain")]
                assert left == [], (path.name, left)
            if not worker.alive:
                worker.close()
                worker = Worker(tmp_path / "workers.log")
            if not path.is_dir():
                path.unlink(missing_ok=True)
    finally:
        worker.close()
    assert wrong == []
    assert taken + refused == COUNT
    assert taken > 10, "some files survive what was done to them"
    assert refused > 300


def clear(error: PlimsollError, name: str) -> bool:
    """Wrong input, said in words, with the place."""
    text = str(error)
    places = [error.where, *(problem.where for problem in error.problems)]
    named = any(name.split(".")[0] in place for place in places)
    crashed = any(word in error.headline for word in CRASHES)
    return isinstance(error, InputError) and named and not crashed and "Traceback" not in text and len(text) < 20_000
