"""How a check, or all checks of a table, went over its snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import col, select

from core.contract.schema import CheckResult
from core.engine.pasts import newest_report
from core.engine.questions.profiles import profiled, read_profile
from core.engine.references import gone, require_content
from core.engine.registry import question
from core.engine.work.past import figures_of
from core.kernel.digests import strict_json
from core.kernel.errors import NotFound
from core.store.tables import Report, Snapshot

if TYPE_CHECKING:
    from core.engine.engine import Engine

HISTORY: dict[str, Any] = {
    "snapshot": pl.String,
    "created_at": pl.Datetime("us", "UTC"),
    "check": pl.String,
    "severity": pl.String,
    "passed": pl.Boolean,
    "skipped": pl.String,
    "failed": pl.Int64,
    "rows": pl.Int64,
    "share": pl.Float64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


@question("suite_proposal")
def suite_proposal(engine: Engine, id: str) -> list[dict[str, Any]]:
    """Checks that a table's newest profile and rows suggest, each as ``check`` and ``why``, for a person to edit."""
    from core.data.propose_data import Other, propose

    with engine.workspace.database.reading() as session:
        row = require_content(session, profiled(session, id))
        profile = read_profile(engine, session, row)
        lost = gone(session)
        newest = {one.name: one for one in session.exec(select(Snapshot).order_by(col(Snapshot.created_at)))}
        near = [one for one in newest.values() if one.name != row.name and one.kind in ("source", "table")]
        near = [one for one in near if one.id not in lost and newest_report(session, "profile", one.id)]
        others = {
            one.name: Other(pl.scan_parquet(engine.workspace.blobs.path(one.blob)), read_profile(engine, session, one))
            for one in near
        }
    frame = pl.scan_parquet(engine.workspace.blobs.path(row.blob))
    found = propose(frame, profile, others, engine.workspace.clock.now())
    return [{"check": each.check.model_dump(mode="json", exclude_defaults=True), "why": each.why} for each in found]


@question("check_history")
def check_history(engine: Engine, table: str, check: str = "") -> pl.DataFrame:
    """The verdicts of one check, or of all, over the validated snapshots of a table, oldest first.

    ``share`` is failures over rows; ``value`` is what a check on a statistic saw, ``low`` and
    ``high`` what it allowed then. ``skipped`` says why a check was not asked.

    Raises:
        NotFound: when the table was never validated, or never by a check of that name.
    """
    rows: list[dict[str, Any]] = []
    names: set[str] = set()
    with engine.workspace.database.reading() as session:
        query = select(Snapshot).where(Snapshot.name == table).order_by(col(Snapshot.created_at), col(Snapshot.id))
        for snapshot in session.exec(query):
            report = newest_report(session, "validation", snapshot.id)
            for name, told in _told(engine, report).items() if report is not None else ():
                names.add(name)
                if check in ("", name):
                    rows.append({"snapshot": snapshot.id, "created_at": snapshot.created_at, "check": name, **told})
    if not rows:
        what = f"was never checked by {check!r}" if check and names else "was never validated"
        known = "Its checks: " + ", ".join(sorted(names)) if names else ""
        raise NotFound(f"The table {table!r} {what}", detail=known, remedy=f"Run `plimsoll data validate {table}`.")
    return pl.DataFrame(rows, schema=HISTORY)


def _told(engine: Engine, report: Report) -> dict[str, dict[str, Any]]:
    """The verdicts in the row of a report; of an earlier version's report, from its body."""
    if "by_check" in report.facts:
        kept: dict[str, dict[str, Any]] = report.facts["by_check"]
        return kept
    body = strict_json(engine.workspace.blobs.path(report.blob).read_bytes())
    return {item["name"]: figures_of(CheckResult.read(item)) for item in body["results"]}
