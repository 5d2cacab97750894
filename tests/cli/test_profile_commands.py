"""Profiles as people, scripts and other questions see them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.engine.client import connect
from core.kernel.errors import NotFound


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
