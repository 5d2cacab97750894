"""Records what a real workspace answers, for the window's tests: ``python -m tests.app.record WORKSPACE USER``.

The passphrase comes from ``PLIMSOLL_PASSPHRASE``. Answers are thinned and what belongs to one machine
(addresses, kernel, packages) is replaced, so that the file is small and says nothing about where it was made.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import polars as pl

from app.opening import open_workspace

FILE = Path(__file__).parent / "answers.json"
GROWING = "station_files"
ADDRESS = "ssh://plimsoll-target@harbour:22/srv/plimsoll"


def plain(answer: Any, most: int = 40) -> Any:
    """Frames as rows with their types; everything else as it is."""
    if not isinstance(answer, pl.DataFrame):
        return answer
    texts = [pl.col(name).dt.to_string("iso:strict") for name, kind in answer.schema.items() if kind.is_temporal()]
    types = {name: str(kind.base_type()) for name, kind in answer.schema.items()}
    return {"frame": answer.with_columns(texts).head(most).to_dicts(), "types": types}


def thinned(report: dict[str, Any]) -> dict[str, Any]:
    """An evaluation with fewer points, slices and explained rows."""
    if "curves" in report:
        report["curves"] = {name: [*points[::8], *points[-1:]] for name, points in report["curves"].items()}
        report["thresholds"] = report["thresholds"][::5]
    report["slices"] = report["slices"][:30]
    for cluster in report.get("errors") or []:
        cluster["worst"] = cluster["worst"][:4]
    if report.get("explanation"):
        report["explanation"]["explained"] = report["explanation"]["explained"][:4]
        report["explanation"]["dependence"] = report["explanation"]["dependence"][:3]
        for one in report["explanation"]["dependence"]:
            one["rows"] = one["rows"][:4]
    return report


def record(client: Any) -> dict[str, Any]:
    """All answers that the pages ask for, by question and thing."""
    ask = client.ask
    frames = ("snapshots", "runs", "evaluations", "releases", "deployments", "alerts", "incidents", "ledger", "users")
    out: dict[str, Any] = {name: plain(ask(name)) for name in frames}
    out |= {
        "overview": ask("overview"),
        "targets": plain(ask("targets")),
        "whoami": ask("whoami"),
        "lineage": ask("lineage"),
    }
    out |= {"ledger_verify": ask("ledger_verify"), "monitoring": ask("monitoring")}
    out["monitoring"]["data"].pop("checks")
    out |= {"data_tables": plain(ask("data_tables")), "feature_catalogue": plain(ask("feature_catalogue"))}
    out["feature_view"] = ask("feature_view", name="origin_delays")
    out["personal_tags"] = plain(ask("personal_tags", table="flights"))
    out["check_history"] = plain(ask("check_history", table=GROWING, check="local hour is unique"))
    grown = ask("snapshots").filter(pl.col("table") == GROWING)["snapshot"].to_list()
    pair = {"a": grown[-1], "b": grown[0]}
    out["snapshot_diff"] = ask("snapshot_diff", key=["origin", "time_hour"], **pair)
    out["profiles_compared"] = ask("profiles_compared", **pair)
    out["data_sheet"] = ask("data_sheet", id="airlines")
    out["snapshot"] = snapshot = ask("snapshot", id="flights")
    snapshot["profile"]["columns"] = snapshot["profile"]["columns"][:12]
    out["runs_found"] = plain(ask("runs_found"))
    out["run_names"] = ask("run_names")
    out["leakage"] = ask("snapshot", id="flights_features")["leakage"]
    out["run"] = run = ask("run", id=ask("runs")["run"][0])
    run["environment"] |= {"packages": {"polars": "2.1.0"}, "system": "Linux", "cpu": "CPU", "memory_mib": 0}
    out["run_metrics"] = plain(ask("run_metrics", id=run["run"]))
    out["evaluation"] = thinned(ask("evaluation", id=ask("evaluations")["evaluation"][0]))
    out["release"] = {name: ask("release", id=name) for name in ask("releases")["release"]}
    out["incident"] = ask("incident", id=ask("incidents")["incident"][0])
    return out


def main(arguments: list[str]) -> int:
    """Write the file."""
    client = open_workspace(Path(arguments[0]), arguments[1])
    try:
        answers = record(client)
    finally:
        client.close()
    text = json.dumps(answers, default=str, sort_keys=True, separators=(",", ":"))
    FILE.write_text(re.sub(r"ssh://[^\s\"]+", ADDRESS, text) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
