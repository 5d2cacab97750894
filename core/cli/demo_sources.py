"""The demo's stages at the data desk: sources of every kind, what was corrected, and what had to go."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl

from core.cli.demo import FOUNDER, PASSPHRASES, Demo
from core.cli.demo_desk import (
    EXAMPLE,
    add_suite,
    correct,
    crew_of,
    holding,
    http_server,
    observe,
    prepare_desk,
    publish,
    redis_server,
)
from core.engine.client import connect
from core.engine.founding import found_workspace
from core.kernel.errors import SystemFault, error_from_dict
from core.workspace.workspace import MARKER

KINDS = {"observations": "SQLite", "airports": "HTTP", "airlines": "Excel", "planes": "JSON lines"}
STREAM, FIRST_ENTRIES, MORE_ENTRIES = "departures", 500, 250
DELIVERED = "as-delivered"
WRONG = {"N10156": 56, "N102UW": 183, "N103US": 184}
GONE, NEW = "N104UW", "N99999"
ERASED = 17
END_OF_JANUARY = "2013-02-01T04:00:00Z"


def data_desk(demo: Demo) -> None:
    """A workspace of its own beside the flights', so that what is erased and collected there is missed nowhere."""
    root = demo.root / "desk"
    if not (root / MARKER).is_file():
        found_workspace(root, FOUNDER, PASSPHRASES[FOUNDER])
    (root / "project" / "served").mkdir(parents=True, exist_ok=True)
    with http_server(root / "project" / "served") as http_port, redis_server() as redis_port:
        prepare_desk(root / "project", http_port, redis_port)
        client = connect(root, user=FOUNDER, passphrase=PASSPHRASES[FOUNDER])
        try:
            if redis_port is not None:  # this Redis is new: it holds what was taken from the one before it
                publish(redis_port, 0, FIRST_ENTRIES + (MORE_ENTRIES if client.ask("ingestion", source=STREAM) else 0))
            desk = Demo(root, client, demo.live, demo.lines, {"redis": redis_port})
            for stage in STAGES:
                stage(desk)
        finally:
            client.close()


def walk(desk: Demo, step: str) -> list[dict[str, Any]]:
    """Load the project as it stands and walk to a step; the steps."""
    desk.founder.change("project.load", {"path": str(desk.root / "project")})
    view = desk.pipeline(desk.founder.change("pipeline.run", {"reason": "desk", "last": step})["pipeline"])
    if view["state"] != "done":
        raise error_from_dict(view["error"]) if view["error"] else SystemFault("The walk ended early")
    steps: list[dict[str, Any]] = view["steps"]
    return steps


def take_sources(desk: Demo) -> None:
    """Everything into snapshots; then the database has a month more, and only that is read."""
    with desk.stage("Sources: SQL, HTTP, Excel, JSON lines", "desk · plimsoll data ingest observations") as line:
        walk(desk, "table:inventory")
        taken = [f"{kind} {desk.founder.ask('ingestion', source=name)['rows']:,} rows" for name, kind in KINDS.items()]
        observe(desk.root / "project", 2)
        walk(desk, "ingest:observations")
        now = desk.founder.ask("ingestion", source="observations")
        line.result = f"{', '.join(taken)}; a month later {now['rows_new']:,} new of {now['rows']:,} rows were read"
        line.ok = now["rows"] > now["rows_new"] > 0


def take_stream(desk: Demo) -> None:
    """Entries of a Redis stream, each once."""
    with desk.stage("Stream (Redis)", "desk · plimsoll data ingest departures") as line:
        port = desk.facts["redis"]
        if port is None:
            line.result = "skipped: redis-server is not installed on this machine (Debian: redis-server)"
            return
        if desk.founder.ask("ingestion", source=STREAM)["rows"] == FIRST_ENTRIES:
            publish(port, FIRST_ENTRIES, MORE_ENTRIES)
        walk(desk, f"ingest:{STREAM}")
        taken = desk.founder.ask("ingestion", source=STREAM)
        files = desk.founder.ask("snapshot_file", id=STREAM)["files"]
        ids = pl.read_parquet([one["path"] for one in files])["stream_id"]
        line.result = f"{taken['rows_new']} new entries after {FIRST_ENTRIES}; {ids.n_unique()} ids, each once"
        line.ok = ids.is_unique().all() and ids.len() == FIRST_ENTRIES + MORE_ENTRIES


def online_redis(desk: Demo) -> None:
    """A view in a Redis that several targets could share."""
    with desk.stage("Redis as online store", "desk · plimsoll features materialize weather --redis URL") as line:
        port = desk.facts["redis"]
        if port is None:
            line.result = "skipped: redis-server is not installed on this machine (Debian: redis-server)"
            return
        request = {"view": "weather", "to": END_OF_JANUARY, "redis": f"redis://127.0.0.1:{port}/0"}
        done = desk.job(desk.founder, "features.materialize", request, "Materialise")
        fresh = desk.founder.change("features.freshness", {"at": END_OF_JANUARY})
        (view,) = done["views"]
        states = ", ".join(one["state"] for one in fresh["views"] if one["place"] == done["place"])
        line.result = f"{view['rows']:,} rows of {view['entities']} airports, {states} at {END_OF_JANUARY[:16]}"
        line.ok = bool(fresh["passed"])


def python_table(desk: Demo) -> None:
    """A feature that is a function: called again with less of the past, to see that it never looks ahead."""
    with desk.stage("A feature in Python", "desk · plimsoll features show dry_spells") as line:
        walk(desk, "table:dry_spells")
        found = desk.founder.ask("snapshot", id="dry_spells")
        files = desk.founder.ask("snapshot_file", id="dry_spells")["files"]
        longest = pl.read_parquet([one["path"] for one in files]).sort("dry_hours", nulls_last=True, descending=True)
        hours, origin = longest["dry_hours"][0], longest["origin"][0]
        line.result = (
            f"{found['rows']:,} rows, none changes with what came later; longest dry: {hours} hours at {origin}"
        )
        line.ok = hours > 0


def import_suite(desk: Demo) -> None:
    """Checks of another tool, put into the project and asked."""
    from core.data.suite_import import read_suite
    from core.data.suite_text import suite_yaml

    with desk.stage("A suite of Great Expectations", "desk · plimsoll data import-suite planes_suite.json") as line:
        suite = read_suite(EXAMPLE / "planes_suite.json")
        checks = [(check.model_dump(mode="json", exclude_defaults=True), "") for check in suite.checks]
        add_suite(desk.root / "project", suite_yaml("planes", checks, suite.unmapped))
        walk(desk, "validate:planes")
        report = desk.founder.ask("snapshot", id="planes")["validation"]
        found = [f"{one['name']}: {one['failed']:,} rows" for one in report["results"] if not one["passed"]]
        left = "; ".join(f"{one.what} ({one.why})" for one in suite.unmapped)
        line.result = f"{len(checks)} checks, {len(found)} found something ({'; '.join(found)}); not imported: {left}"
        line.ok = bool(report["passed"] and found and left)


def correct_cells(desk: Demo) -> None:
    """The fleet is delivered again, with corrections: what differs, row by row and cell by cell."""
    with desk.stage(
        "Differences by key, cell by cell", "desk · plimsoll data diff as-delivered planes --key tailnum"
    ) as line:
        if DELIVERED not in desk.founder.ask("snapshots")["tags"].to_list():
            desk.founder.change("snapshot.tag", {"snapshot": "planes", "tag": DELIVERED})
            correct(desk.root / "project", WRONG, GONE, NEW)
            walk(desk, "ingest:planes")
        between = {"a": DELIVERED, "b": "planes", "key": ["tailnum"]}
        counts = desk.founder.ask("snapshot_diff", **between)
        rows = desk.founder.ask("snapshot_changes", **between, offset=0, limit=10)
        cells = [
            f"{row['key']['tailnum']} {cell['column']} {cell['before']} → {cell['after']}"
            for row in rows
            if row["change"] == "changed"
            for cell in row["cells"]
        ]
        counted = {name: counts[f"rows_{name}"] for name in ("added", "removed", "changed")}
        line.result = ", ".join(f"{count} {name}" for name, count in counted.items()) + f": {'; '.join(cells)}"
        line.ok = counted == {"added": 1, "removed": 1, "changed": len(WRONG)}


def restore(desk: Demo) -> None:
    """The fleet as it was first delivered, out of the blobs, each byte proven."""
    from core.data.restoring import restore_table

    with desk.stage("Restore a snapshot", "desk · plimsoll data restore as-delivered DIR") as line:
        found = desk.founder.ask("snapshot_file", id=DELIVERED)
        folder = desk.root / "restored"
        folder.mkdir(exist_ok=True)
        size = restore_table([(Path(one["path"]), one["digest"]) for one in found["files"]], folder / "planes.parquet")
        back = pl.read_parquet(folder / "planes.parquet")
        same = back.filter(tailnum=GONE).height == 1
        line.result = f"{back.height:,} rows, {size:,} bytes with their digests; {GONE} is there again"
        line.ok = same and back.height == desk.founder.ask("snapshot", id=DELIVERED)["rows"]
        shutil.rmtree(folder)


def retain(desk: Demo) -> None:
    """Shifts that may no longer be kept go from every snapshot."""
    with desk.stage("Retention of rows", "desk · plimsoll privacy retain shifts") as line:
        before = desk.founder.ask("ingestion", source="shifts")["rows"]
        done = erase(desk, "privacy.search_expired", {"table": "shifts"}, "The time allowed is over")
        rows = done["rows"] if done else 0
        line.result = (
            f"{rows} of {before} shifts were older than 365 days and are gone" if done else "nothing is too old"
        )


def erase_person(desk: Demo) -> None:
    """One of the crew, who are made up, asks to be forgotten: nothing of them is left, and a proof is signed."""
    with desk.stage("Erase a person, with proof", "desk · plimsoll privacy erasures") as line:
        crew = crew_of(ERASED)
        held = holding(desk.root, [crew], skip=("project",))
        done = erase(desk, "privacy.search", {"table": "crew", "column": "crew", "value": crew}, "They asked to go")
        erasures = desk.founder.ask("erasures").filter(table="crew")
        proof = desk.founder.ask("erasure_proof", id=erasures["erasure"][0])
        left = holding(desk.root, [crew], skip=("project",))
        ledger = desk.founder.ask("ledger_verify")
        words = (
            f"{done['rows']} rows in {len(held)} files held {crew} (made up)" if done else f"{crew} was erased before"
        )
        line.result = (
            f"{words}; {len(left)} hold it now; proof {'signed and valid' if proof['valid'] else 'invalid'}; "
            f"ledger {'sound' if ledger['ok'] else '; '.join(ledger['problems'])}"
        )
        line.ok = bool(proof["valid"] and ledger["ok"] and not left)


def erase(desk: Demo, search: str, request: dict[str, str], reason: str) -> dict[str, Any] | None:
    """Search, and remove what was found; nothing when there was none."""
    found = desk.job(desk.founder, search, request, "Search")
    if not found["rows"]:
        return None
    asked = {"plan": found["plan"], "reason": reason}
    done: dict[str, Any] = desk.founder.change("privacy.erase", asked, passphrase=PASSPHRASES[FOUNDER])
    return done


def collect_garbage(desk: Demo) -> None:
    """What no rule keeps: told first, then removed; what is tagged stays."""
    with desk.stage("Collect garbage", "desk · plimsoll data collect-garbage --dry-run") as line:
        plan = desk.founder.ask("garbage")
        names = sorted({one["table"] for one in plan["snapshots"]})
        done = desk.founder.change("data.collect", {})
        ledger = desk.founder.ask("ledger_verify")
        line.result = (
            f"dry run: {len(plan['snapshots'])} snapshots ({', '.join(names) or 'none'}), {plan['bytes']:,} bytes; "
            f"removed {done['blobs']} files, {done['bytes']:,} bytes; ledger {'sound' if ledger['ok'] else 'broken'}"
        )
        line.ok = bool(ledger["ok"] and done["bytes"] == plan["bytes"])


STAGES = (
    take_sources,
    take_stream,
    online_redis,
    python_table,
    import_suite,
    correct_cells,
    restore,
    retain,
    erase_person,
    collect_garbage,
)
