"""Work on tables: ingest, derive, profile, validate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from core.contract.checks import run_checks
from core.data.guarding import guard_of
from core.data.records import Former
from core.data.sources import ingest
from core.data.tables import build_table
from core.engine.work.past import Earlier, figures_of
from core.engine.workfolder import BEFORE, JobFolder
from core.kernel.progress import Progress
from core.measures.profile import profile_of, profile_state
from core.measures.profile_facts import profile_facts
from core.measures.profile_state import pack_state
from core.project.schema import Source, Suite, Table


def ingest_source(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Read one source into a snapshot, on from the one before where it grows."""
    source = Source.read(folder.params["source"])
    noted = folder.params["noted"]
    return ingest(
        folder.params["name"],
        source,
        Path(folder.params["project"]),
        folder.out("table.parquet"),
        progress,
        former=Former.read(noted["former"]) if noted["former"] else None,
        before=folder.input(BEFORE) if folder.has(BEFORE) else None,
        needed=noted["needed"],
        secret=folder.secret(source.secret),
        files=noted.get("files"),
        guard=guard_of(source, folder.params["name"], folder.params.get("privacy", {})),
    ).plain()


def derive_table(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Run one derived table's query."""
    table = Table.read(folder.params["table"])
    return build_table(
        folder.params["name"], table, folder.inputs("table"), folder.out("table.parquet"), progress
    ).plain()


def profile_table(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Profile one snapshot: a report for people, and beside it the state that merges with others."""
    personal = folder.params.get("personal", [])
    state = profile_state(
        pl.scan_parquet(folder.input("table")), folder.params["name"], personal=personal, progress=progress
    )
    profile = profile_of(state)
    folder.write_json("report.json", profile)
    folder.out("state.bin").write_bytes(pack_state(state))
    return {"rows": profile.rows, "columns": len(profile.columns), "facts": profile_facts(profile)}


def validate_table(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Run one suite on one snapshot."""
    progress.step(0, 1, "checking")
    suite = Suite.read(folder.params["suite"])
    report = run_checks(
        pl.scan_parquet(folder.input("self")),
        suite.checks,
        table=folder.params["name"],
        tables={name: pl.scan_parquet(path) for name, path in folder.inputs("table").items()},
        key=folder.params["key"],
        personal=folder.params["personal"],
        past=Earlier.read(folder.params.get("past")),
        pause=progress.check,
    )
    folder.write_json("report.json", report)
    failed = [result for result in report.results if not result.passed]
    return {
        "passed": report.passed,
        "rows": report.rows,
        "checks": len(report.results),
        "failed": sum(result.severity == "fail" for result in failed),
        "warned": sum(result.severity == "warn" for result in failed),
        "skipped": sum(bool(result.skipped) for result in report.results),
        "by_check": {result.name: figures_of(result) for result in report.results},
        "first": [f"{result.name}: {result.observed}" for result in failed][:5],
    }
