"""The demo's stages about data: files that arrive month by month, what they changed, and a past week of features."""

from __future__ import annotations

import json

from core.cli.demo import Demo
from core.cli.demo_site import DELIVERIES, SOURCE, deliver
from core.kernel.errors import SystemFault, error_from_dict

JULY = "2013-07-01T00:00:00Z"
BACK_SINCE = "2013-06-24T00:00:00Z"
LOCAL_HOUR = "local hour is unique"


def months_arrive(demo: Demo) -> None:
    """The stations deliver half a year, month by month: only new rows are read, every check is asked anew."""
    with demo.stage("Files arrive", "Data · plimsoll data history station_files") as line:
        for month in DELIVERIES:
            deliver(demo.facts["site"], month)
            walk_to(demo, f"validate:{SOURCE}", f"month {month}")
            if month in DELIVERIES[-2:]:  # what a page compares when it is opened
                walk_to(demo, f"profile:{SOURCE}", f"month {month}")
        made = demo.founder.ask("snapshots").filter(table=SOURCE).sort("created_at")
        taken = made["rows"][-1] - made["rows"][0]
        history = demo.founder.ask("check_history", table=SOURCE, check=LOCAL_HOUR)
        failing = [str(count) for count in history["failed"].to_list()]
        line.result = (
            f"{made.height} snapshots; {taken:,} rows were added to {made['rows'][0]:,}, none of the old read again; "
            f"{LOCAL_HOUR}: {', '.join(failing)} rows fail (the clock change of November)"
        )
        line.ok = made.height > len(DELIVERIES) and history["failed"][-1] > 0


def walk_to(demo: Demo, step: str, reason: str) -> None:
    """Walk the pipeline up to a step, as its author."""
    view = demo.pipeline(demo.person("ada").change("pipeline.run", {"reason": reason, "last": step})["pipeline"])
    if view["state"] != "done":
        raise error_from_dict(view["error"]) if view["error"] else SystemFault("The walk ended early")


def compare_snapshots(demo: Demo) -> None:
    """The first and the last of those snapshots: rows by key, and the shapes of the columns."""
    with demo.stage("Compare two snapshots", "Data, Changes · plimsoll data diff A B --key origin,time_hour") as line:
        made = demo.founder.ask("snapshots").filter(table=SOURCE).sort("created_at")["snapshot"].to_list()
        key = ["origin", "time_hour"]
        found = demo.founder.ask("snapshot_diff", a=made[0], b=made[-1], key=key)
        moved = demo.founder.ask("profiles_compared", a=made[0], b=made[-1])["columns"]
        named = [f"{one['name']} ({one['says']})" for one in moved if one["state"] == "changed"][:2]
        demo.person("ada").change("snapshot.tag", {"snapshot": made[0], "tag": "first-half-year"})
        line.result = (
            f"{found['rows_added']:,} rows added, {found['rows_removed']} removed, {found['rows_changed']} changed; "
            f"moved most: {'; '.join(named)}; the first is tagged first-half-year"
        )


def backfill(demo: Demo) -> None:
    """A past week of a view, computed day by day."""
    with demo.stage("Backfill a past week", "Features · plimsoll features backfill origin_delays") as line:
        request = {"view": "origin_delays", "since": BACK_SINCE, "until": JULY, "by": "day"}
        done = demo.job(demo.person("ada"), "features.backfill", request, "Backfill")
        line.result = (
            f"{done['values']:,} values in {done['partitions']} partitions: {done['new']} computed for the first time, "
            f"{done['equal']} equal to the time before"
        )
        line.ok = bool(done["passed"])


def weak_labels(demo: Demo) -> None:
    """Rules of thumb vote on every flight; the truth is looked at afterwards, to see how they did."""
    with demo.stage("Weak labels", "plimsoll labels weak") as line:
        demo.job(demo.person("ada"), "labels.weak", {}, "Weak labels")
        found = demo.founder.ask("weak_labels")
        model, majority = found["model"]["auc"], found["majority"]["auc"]
        line.result = (
            f"{len(found['functions'])} rules say something about {found['labelled']:,} of {found['rows']:,} flights; "
            f"weighed by the label model ROC-AUC {model:.3f}, by majority {majority:.3f}; kept apart from true labels"
        )


def data_sheets(demo: Demo) -> None:
    """What a person hands on with a table: its sheet, its Croissant metadata, and what is personal in it."""
    with demo.stage("Data sheet, Croissant, personal data", "Data, Data sheet · plimsoll data sheet planes") as line:
        folder = demo.root / "sheets"
        folder.mkdir(exist_ok=True)
        sheet = demo.founder.ask("data_sheet", id="planes")
        (folder / "planes.md").write_text(sheet, encoding="utf-8")
        request = {"table": "planes", "file": str(folder / "planes.parquet")}
        exported = demo.job(demo.person("oscar"), "privacy.export", request, "Export planes")
        metadata = demo.founder.ask("croissant", id="planes", exported=exported)
        (folder / "planes.json").write_text(json.dumps(metadata, ensure_ascii=False, indent=2), encoding="utf-8")
        tagged = demo.founder.ask("personal_tags").height
        line.result = (
            f"sheet of {len(sheet.splitlines())} lines; Croissant with {exported['rows']:,} rows beside it; "
            f"{tagged} columns look like personal data"
        )
