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
    shown = {column["name"]: column for column in run("--json", "data", "profile", "orders").json["columns"]}
    with closing(connect(workspace)) as held:
        history = held.ask("profile_history", table="orders", column="amount")
        assert held.ask("profile", id="orders")["columns"] == list(shown.values())
        assert set(held.ask("profile_history", table="orders")["column"]) == set(shown)
        with pytest.raises(NotFound):
            held.ask("profile_history", table="orders", column="nothing")
    row = history.row(0, named=True)
    assert (row["mean"], row["rows"]) == (shown["amount"]["mean"], 2000)
    assert row["p50"] == shown["amount"]["quantiles"]["p50"]
    assert row["mean_length"] is None


def test_two_days_are_compared_merged_and_carried_without_their_data(run: Any, workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "orders.profile"
    exported = run("--json", "data", "profile", "orders", "--export", str(file)).json
    assert exported["bytes"] == file.stat().st_size < 200_000
    alike = run("data", "profile", "orders", str(file))
    assert "0 columns differ" in alike.out
    merged = run("--json", "data", "profile", "orders", str(file), "--merge").json
    once = run("--json", "data", "profile", "orders").json
    assert merged["rows"] == 2 * once["rows"] == 4000
    for twice, column in zip(merged["columns"], once["columns"], strict=True):
        assert (twice["distinct"], twice["min"], twice["mean"]) == (column["distinct"], column["min"], column["mean"])
        assert [item["count"] for item in twice["top"]] == [2 * item["count"] for item in column["top"]]
    changed = pl.read_csv(workspace / "project" / "orders.csv", try_parse_dates=True).drop("back")
    changed = changed.with_columns(amount=pl.col("amount") * 3, colour=pl.lit("mauve"), extra=1)
    file.write_bytes(pack_state(profile_state(changed.lazy(), "elsewhere")))
    said = run("--json", "data", "profile", "orders", str(file)).json
    assert (said["added"], said["removed"]) == (["extra"], ["back"])
    colour = next(column for column in said["columns"] if column["name"] == "colour")
    assert [level["value"] for level in colour["new_levels"]] == ["mauve"]
    assert colour["new_share"] == 1.0
    people = run("data", "profile", "orders", str(file)).out
    assert "1 new level" in people


def test_what_cannot_be_meant_is_said_at_once(run: Any, tmp_path: Path) -> None:
    wrong = run("data", "profile", "orders", "orders", "--history", "amount", "--export", str(tmp_path / "x.bin"))
    assert wrong.code == 2
    assert "--history" in wrong.err
    assert ".profile" in wrong.err
    assert run("data", "profile", "orders", "orders", "orders").code == 2
    (tmp_path / "bad.profile").write_bytes(b"PLIMSOLL PROFILE 1\nnothing")
    for name in ("bad.profile", "none.profile"):
        assert run("data", "profile", "orders", str(tmp_path / name)).code == 2


def test_people_see_whole_figures_without_a_decimal(run: Any) -> None:
    said = run("data", "profile", "orders", "--history", "amount").out
    assert "distinct" in said
    assert "2,000" in said
    assert "2,000.0" not in said
    mean = run("--json", "data", "profile", "orders", "--history", "amount").json[0]["mean"]
    assert f"{mean:,.4g}" in said
