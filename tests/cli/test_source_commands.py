"""data ingest of a growing folder, and secrets, as people and scripts use them."""

from __future__ import annotations

import keyring
import polars as pl
import pytest

from ..engine.ingestion import write_project
from ..identity.test_secrets import Memory
from .conftest import Run


def test_ingest_says_what_is_new_how_far_and_what_drifted(
    anywhere: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path_factory.mktemp("grown") / "workspace"
    assert anywhere("--as", "founder", "init", str(root)).code == 0
    project = write_project(root / "project", {"kind": "folder", "path": "in", "pattern": "*.csv"})
    (project / "in").mkdir()
    monkeypatch.chdir(root)
    nothing = anywhere("data", "ingest", "rides")
    assert nothing.code == 2
    assert "holds no file of this source" in nothing.err
    rides = pl.DataFrame({"id": [1, 2], "at": ["2024-01-01T00:00:00Z"] * 2, "bikers": [5, 6]})
    rides.write_csv(project / "in" / "1.csv")
    first = anywhere("--json", "data", "ingest", "rides")
    assert first.code == 0, first.err
    assert first.json["ingestion"]["rows_new"] == 2
    rides.with_columns(weather=pl.lit("clear"), id=pl.col("id") + 2).write_csv(project / "in" / "2.csv")
    people = anywhere("data", "ingest", "rides")
    assert people.code == 0, people.err
    for words in ("rows new: 2", "watermark: 2 files, the last 2.csv", "drift: new: weather"):
        assert words in people.out
    assert "drift: new: weather" in anywhere("data", "show", "rides").out
    again = anywhere("--json", "data", "ingest", "rides").json
    assert (again["steps"][0]["cached"], again["ingestion"]["rows_new"], again["ingestion"]["rows"]) == (True, 0, 4)
    anew = anywhere("--json", "data", "ingest", "rides", "--anew").json
    assert (anew["steps"][0]["cached"], anew["ingestion"]["rows"]) == (False, 4)


def test_a_secret_comes_from_standard_input_and_is_shown_by_name(anywhere: Run, run: Run, workspace: object) -> None:
    held, before = Memory(), keyring.get_keyring()
    keyring.set_keyring(held)
    here = ("--workspace", str(workspace))
    try:
        made = anywhere(*here, "secret", "set", "shop", stdin="hunter2 of the shop\n")
        assert made.code == 0, made.err
        assert "hunter2" not in made.out + made.err
        assert "hunter2 of the shop" in held.held.values()
        assert run("--json", "secret", "list").json[0]["state"] == "set"
        assert anywhere(*here, "secret", "set", "shop").code == 2  # nothing came in
        assert run("secret", "remove", "shop").code == 0
        assert "hunter2 of the shop" not in held.held.values()
    finally:
        keyring.set_keyring(before)
    refused = anywhere(*here, "secret", "set", "shop", stdin="hunter2\n")
    assert refused.code == 3
    assert "keyring" in refused.err
