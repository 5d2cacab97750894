"""runs reproduce: the same bytes from the record alone, and the first input that changed since, by name."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from .conftest import PROJECT, call, orders


def test_a_run_is_made_again_to_the_byte(own: Path) -> None:
    found = call("--json", "runs", "reproduce", "plain")
    assert found.code == 0
    assert found.json["verdict"] == "identical"
    assert found.json["model_then"] == found.json["model_now"]
    assert found.json["changed"] == found.json["environment"] == []


def test_what_changed_since_is_named_first_cause_first(own: Path) -> None:
    text = PROJECT.replace("plain: {trainer: logistic, settings: {max_iter: 40}}", "plain: {trainer: logistic}")
    (own / "project" / "plimsoll.yaml").write_text(
        text.replace("amount: {expression: amount}", "amount: {expression: amount + 1}")
    )
    orders().with_columns(pl.col("amount") + 1.0).write_csv(own / "project" / "orders.csv")
    assert call("data", "ingest", "orders").code == 0
    found = call("--json", "runs", "reproduce", "latest")
    assert found.json["verdict"] == "identical"  # it is made from the record, not from what is there now
    assert [item["what"] for item in found.json["changed"]] == ["source orders", "features", "setting max_iter"]
    assert (found.json["changed"][-1]["then"], found.json["changed"][-1]["now"]) == ("40", "default")
    assert "source orders" in call("runs", "reproduce", "plain").out


def test_a_run_whose_data_are_gone_says_what_is_missing(own: Path) -> None:
    run = call("--json", "runs", "show", "plain").json
    blob = own / "blobs" / run["inputs"]["data"][3:5] / run["inputs"]["data"][5:]
    kept = blob.read_bytes()
    blob.unlink()
    found = call("runs", "reproduce", "plain")
    blob.write_bytes(kept)
    assert found.code == 2
    assert "training set" in found.err
