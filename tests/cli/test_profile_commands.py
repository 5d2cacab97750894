"""Profiles as people, scripts and other questions see them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.engine.client import connect
from core.kernel.errors import NotFound
from core.measures.profile import profile_state
from core.measures.profile_state import pack_state


def test_the_figures_of_a_column_over_the_snapshots_of_its_table(run: Any, workspace: Path) -> None:
    shown = {column["name"]: column for column in run("--json", "data", "profile", "hours").json["columns"]}
    with closing(connect(workspace)) as held:
        history = held.ask("profile_history", table="hours", column="temp")
        assert held.ask("profile", id="hours")["columns"] == list(shown.values())
        assert set(held.ask("profile_history", table="hours")["column"]) == set(shown)
        with pytest.raises(NotFound):
            held.ask("profile_history", table="hours", column="nothing")
    row = history.row(0, named=True)
    assert (row["mean"], row["rows"]) == (shown["temp"]["mean"], 1337)
    assert row["p50"] == shown["temp"]["quantiles"]["p50"]
    assert row["mean_length"] is None


def test_two_days_are_compared_merged_and_carried_without_their_data(run: Any, workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "hours.profile"
    exported = run("--json", "data", "profile", "hours", "--export", str(file)).json
    assert exported["bytes"] == file.stat().st_size < 200_000
    alike = run("data", "profile", "hours", str(file))
    assert "0 columns differ" in alike.out
    merged = run("--json", "data", "profile", "hours", str(file), "--merge").json
    once = run("--json", "data", "profile", "hours").json
    assert merged["rows"] == 2 * once["rows"] == 2674
    for twice, column in zip(merged["columns"], once["columns"], strict=True):
        assert (twice["distinct"], twice["min"], twice["mean"]) == (column["distinct"], column["min"], column["mean"])
        assert [item["count"] for item in twice["top"]] == [2 * item["count"] for item in column["top"]]
    changed = pl.read_csv(workspace / "project" / "hours.csv", try_parse_dates=True).drop("bikers")
    changed = changed.with_columns(temp=pl.col("temp") * 3, weather=pl.lit("mauve"), extra=1)
    file.write_bytes(pack_state(profile_state(changed.lazy(), "elsewhere")))
    said = run("--json", "data", "profile", "hours", str(file)).json
    assert (said["added"], said["removed"]) == (["extra"], ["bikers"])
    weather = next(column for column in said["columns"] if column["name"] == "weather")
    assert [level["value"] for level in weather["new_levels"]] == ["mauve"]
    assert weather["new_share"] == 1.0
    people = run("data", "profile", "hours", str(file)).out
    assert "1 new level" in people


def test_what_cannot_be_meant_is_said_at_once(run: Any, tmp_path: Path) -> None:
    wrong = run("data", "profile", "hours", "hours", "--history", "temp", "--export", str(tmp_path / "x.bin"))
    assert wrong.code == 2
    assert "--history" in wrong.err
    assert ".profile" in wrong.err
    assert run("data", "profile", "hours", "hours", "hours").code == 2
    (tmp_path / "bad.profile").write_bytes(b"PLIMSOLL PROFILE 1\nnothing")
    for name in ("bad.profile", "none.profile"):
        assert run("data", "profile", "hours", str(tmp_path / name)).code == 2


def test_people_see_whole_figures_without_a_decimal(run: Any) -> None:
    said = run("data", "profile", "hours", "--history", "temp").out
    assert "distinct" in said
    assert "1,337" in said
    assert "1,337.0" not in said
    mean = run("--json", "data", "profile", "hours", "--history", "temp").json[0]["mean"]
    assert f"{mean:,.4g}" in said
