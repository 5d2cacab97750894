"""data and features: what people and scripts see of tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl


def test_lists_are_tables_for_people_and_one_document_for_scripts(run: Any) -> None:
    people = run("data", "list")
    assert people.code == 0
    assert "bikes_features" in people.out
    tables = {row["table"]: row for row in run("data", "list", "--json").json}
    assert tables["hours"]["rows"] == 1337
    assert tables["hours"]["checks_warned"] == 1


def test_one_snapshot_by_table_and_by_the_beginning_of_its_id(run: Any) -> None:
    found = run("--json", "data", "show", "hours").json
    assert run("--json", "data", "show", found["snapshot"][:9]).json == found
    assert "in_set(weather)" in run("data", "show", "hours").out
    columns = {item["name"]: item for item in run("--json", "data", "profile", "hours").json["columns"]}
    assert columns["weather"]["distinct"] == 4


def test_an_unknown_table_is_wrong_input_in_words_and_in_json(run: Any) -> None:
    people = run("data", "show", "nothing")
    assert (people.code, people.out) == (2, "")
    assert "✗" in people.err
    script = run("--json", "data", "show", "nothing")
    assert script.code == 2
    assert script.json["error"] == "NotFound"


def test_validation_from_the_cache_and_of_a_bad_file(run: Any, workspace: Path, tmp_path: Path) -> None:
    assert run("--json", "data", "validate", "hours").json["passed"] is True
    bad = tmp_path / "bad.csv"
    pl.read_csv(workspace / "project" / "hours.csv").with_columns(temp=-pl.col("temp")).write_csv(bad)
    people = run("data", "validate", "hours", "--file", str(bad))
    assert people.code == 1
    assert "between(temp)" in people.out
    assert run("--json", "data", "validate", "hours", "--file", str(bad)).json["passed"] is False
    assert run("data", "validate", "hours", "--file", str(tmp_path / "none.csv")).code == 2
    assert run("data", "validate", "planets", "--file", str(bad)).code == 2


def test_proposal_and_sheet_are_text_that_can_be_kept(run: Any) -> None:
    from ruamel.yaml import YAML

    checks = YAML(typ="safe").load(run("data", "propose", "hours").out)["suites"]["hours"]["checks"]
    assert {"kind": "unique", "columns": ["hour"]} in checks
    assert run("data", "sheet", "hours").out.startswith("# Data sheet: hours")


def test_restore_writes_the_very_rows_and_diff_sees_none(run: Any, tmp_path: Path) -> None:
    restored = run("--json", "data", "restore", "hours", str(tmp_path / "out")).json
    assert pl.read_parquet(restored["file"]).height == 1337
    same = run("--json", "data", "diff", "hours", "hours", "--key", "hour").json
    assert (same["rows_added"], same["rows_removed"], same["rows_changed"]) == (0, 0, 0)
    assert run("data", "diff", "hours", "hours", "--key", "weather").code == 2


def test_a_tag_names_a_snapshot_and_a_dry_run_removes_nothing(run: Any) -> None:
    tagged = run("--json", "data", "tag", "hours", "first").json
    assert run("--json", "data", "show", "first").json["tags"] == ["first"]
    assert run("--json", "data", "diff", "first", "hours", "--key", "hour", "--rows", "5").json["rows"] == []
    assert "first" in run("data", "list").out
    assert run("--json", "data", "collect-garbage", "--dry-run").json["blobs"] == {}
    assert run("data", "collect-garbage").code == 0
    assert run("--json", "data", "show", tagged["snapshot"]).json["content"] == "kept"
    assert run("data", "tag", "hours", "hours").code != 0
    assert run("data", "untag", "first").code == 0
    assert run("data", "show", "first").code == 2


def test_ingest_and_build_come_from_the_cache(run: Any) -> None:
    for words in (("data", "ingest", "hours"), ("features", "build")):
        steps = run("--json", *words).json["steps"]
        assert all(step["cached"] for step in steps)
    assert run("data", "ingest", "planets").code == 2


def test_features_with_their_fill(run: Any) -> None:
    features = {row["feature"]: row for row in run("--json", "features", "list").json}
    assert features["temp"]["filled"] == 1.0
    assert run("features", "show", "planets").code == 2
    assert run("features", "parity", "latest").code == 2  # nothing was served


def test_a_fresh_workspace_without_a_project(anywhere: Any, tmp_path: Path) -> None:
    assert anywhere("--as", "founder", "init", str(tmp_path / "new")).code == 0
    here = ("--workspace", str(tmp_path / "new"), "--json")
    assert anywhere(*here, "data", "list").json == []
    assert anywhere(*here, "features", "list").code == 2
    assert anywhere("--workspace", str(tmp_path), "data", "list").code == 2


def test_history_of_a_check_over_snapshots(run: Any) -> None:
    found = run("--json", "data", "history", "hours", "in_set(weather)").json
    assert [(row["passed"], row["severity"], row["rows"]) for row in found] == [(False, "warn", 1337)]
    assert found[0]["share"] == found[0]["failed"] / 1337 > 0.05
    assert "unique(hour)" in run("data", "history", "hours").out
    lost = run("data", "history", "hours", "nothing")
    assert lost.code == 2
    assert "unique(hour)" in lost.err
    assert run("data", "history", "planets").code == 2


def test_suites_of_other_tools_become_checks_and_the_rest_is_listed(run: Any, tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    suites = Path(__file__).parents[1] / "data" / "imported"
    whole = run("data", "import-suite", str(suites / "pandera_wage.yaml"), "--table", "hours")
    assert whole.code == 0
    checks = YAML(typ="safe").load(whole.out)["suites"]["hours"]["checks"]
    assert {"kind": "unique", "columns": ["year", "age", "wage"]} in checks
    part = run("data", "import-suite", str(suites / "gx_wage.json"))
    assert part.code == 1
    assert "json_parseable" in part.err
    assert YAML(typ="safe").load(part.out)["suites"]["wage"]["checks"]
    assert len(run("--json", "data", "import-suite", str(suites / "gx_wage.json")).json["unmapped"]) == 3
    (tmp_path / "junk").write_text("junk")
    assert run("data", "import-suite", str(tmp_path / "junk")).code == 2
