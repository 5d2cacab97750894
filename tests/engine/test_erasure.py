"""Erasure of a person: from every byte of the workspace, with a signed proof, and the ledger still verifies.

One workspace that went through the whole loop up to a trained model, in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.kernel.errors import Conflict, InputError, NotFound, Refused

from ..faults.orders import PASSPHRASE
from .people_project import customers, in_store, name_of, placed, places_of, walk, write_people

GONE = name_of(17)
ORDERS = sorted(placed().filter(pl.col("customer") == GONE)["order_id"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("erasure") / "workspace"
    found_workspace(made, "founder", PASSPHRASE)
    return made


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[Client]:
    project = write_people(root.parent / "project")
    held = connect(root, user="founder", passphrase=PASSPHRASE)
    walk(held, project)
    yield held
    held.close()


def search(held: Client, column: str, value: str, table: str = "customers", *, dry: bool = False) -> dict[str, Any]:
    request = {"table": table, "column": column, "value": value, "dry_run": dry}
    return held.wait(held.change("privacy.search", request)["job"])


def test_before_they_are_everywhere_but_not_in_the_ledger(client: Client, root: Path) -> None:
    assert len(ORDERS) > 10
    held = places_of(root, [GONE, *ORDERS])
    assert len(held) >= 4
    assert in_store(root, [GONE, *ORDERS]) == []


def test_a_dry_run_tells_and_changes_nothing(client: Client, root: Path) -> None:
    before = {file for file in (root / "blobs").rglob("*") if file.is_file()}
    told = search(client, "customer", GONE, dry=True)
    rows = {item["table"]: item["rows"] for item in told["tables"]}
    assert rows["customers"] == 1
    assert rows["orders"] == rows["events"] == len(ORDERS)
    assert rows["parcels_features"] > 0
    assert told["held"] == []
    after = {file for file in (root / "blobs").rglob("*") if file.is_file()}
    assert len(after - before) == 1  # the plan
    assert places_of(root / "erasures", [GONE]) == []
    with pytest.raises(InputError, match="not the plan"):
        client.change("privacy.erase", {"plan": told["plan"], "reason": "asked"}, passphrase=PASSPHRASE)


def test_who_is_unknown_or_untellable_is_said(client: Client) -> None:
    assert search(client, "customer", "nobody at all", dry=True)["rows"] == 0
    with pytest.raises(InputError, match="tell nobody apart"):
        search(client, "postcode", "10115")
    with pytest.raises(NotFound, match="no source"):
        search(client, "colour", "red", "spending")


def test_a_stale_plan_is_refused(client: Client) -> None:
    plan = search(client, "customer", GONE)["plan"]
    search(client, "customer", name_of(3), dry=True)
    with pytest.raises(Conflict, match="changed since"):
        client.change("privacy.erase", {"plan": plan, "reason": "asked"}, passphrase=PASSPHRASE)


def test_erased_they_are_nowhere_and_the_ledger_verifies(client: Client, root: Path) -> None:
    plan = search(client, "email", customers()["email"][17])  # stored as a hash: found by the raw value
    with pytest.raises(Refused):
        client.change("privacy.erase", {"plan": plan["plan"], "reason": "asked"}, passphrase="wrong passphrase")
    assert plan["rows"] > 2 * len(ORDERS)
    done = client.change("privacy.erase", {"plan": plan["plan"], "reason": "they asked"}, passphrase=PASSPHRASE)
    assert done["held"] == []
    assert len(done["runs"]) == 1
    assert places_of(root, [GONE, *ORDERS, customers()["email"][17]]) == []
    report = client.ask("ledger_verify")
    assert report["problems"] == []


def test_others_are_all_still_there(client: Client) -> None:
    for name, raw in (("customers", customers()), ("orders", placed())):
        files = [file["path"] for file in client.ask("snapshot_file", id=name)["files"]]
        frame = pl.concat([pl.read_parquet(file) for file in files])
        assert set(frame["customer"]) == set(raw["customer"]) - {GONE}
        assert frame.height == raw.filter(pl.col("customer") != GONE).height


def test_the_proof_is_signed_and_names_no_person(client: Client) -> None:
    row = client.ask("erasures").row(0, named=True)
    assert (row["valid"], row["state"], row["kind"], row["reason"]) == (True, "complete", "person", "they asked")
    found = client.ask("erasure_proof", id=row["erasure"])
    assert found["valid"]
    text = json.dumps(found)
    assert GONE not in text
    assert not any(order in text for order in ORDERS)
    assert {table["name"] for table in found["statement"]["tables"]} >= {"customers", "orders", "events"}
    assert found["statement"]["by"]["name"]


def test_reading_the_source_again_does_not_bring_them_back(client: Client, root: Path) -> None:
    """The sources' files still hold them; the walk reads them again and builds the features anew."""
    walk(client, root.parent / "project", "features")
    assert places_of(root, [GONE, *ORDERS]) == []
    assert client.ask("ledger_verify")["problems"] == []


def test_a_missing_file_without_a_proof_is_still_named(client: Client, root: Path) -> None:
    blob = client.ask("snapshots")["digest"][0].removeprefix("b3:")
    file = root / "blobs" / blob[:2] / blob[2:]
    data = file.read_bytes()
    file.unlink()
    problems = client.ask("ledger_verify")["problems"]
    assert any("missing" in problem and blob in problem for problem in problems)
    file.write_bytes(data)
    assert client.ask("ledger_verify")["problems"] == []


def test_an_altered_proof_is_named_and_excuses_nothing(client: Client, root: Path) -> None:
    proof = client.ask("erasures").row(0, named=True)["proof"]
    digest = next(name for name in _proof_blobs(root))
    data = digest.read_bytes()
    envelope = json.loads(data)
    digest.chmod(0o644)
    digest.write_text(json.dumps({**envelope, "signatures": []}))
    problems = client.ask("ledger_verify")["problems"]
    assert any("proof is missing, altered" in problem for problem in problems), proof
    assert any("missing" in problem and "Blob" in problem for problem in problems)
    digest.write_bytes(data)
    assert client.ask("ledger_verify")["problems"] == []


def _proof_blobs(root: Path) -> Iterator[Path]:
    for file in (root / "blobs").glob("??/*"):
        if b"vnd.plimsoll.erasure" in file.read_bytes():
            yield file


def test_rows_that_are_older_than_allowed_go_by_the_same_way(client: Client, root: Path) -> None:
    file = root.parent / "project" / "plimsoll.yaml"
    days = (datetime.now(UTC) - datetime(2020, 2, 1, tzinfo=UTC)).days
    file.write_text(file.read_text().replace("keep: 36500d", f"keep: {days}d"))
    with pytest.raises(NotFound, match="no rule of retention"):
        client.change("privacy.search_expired", {"table": "customers"})
    client.change("project.load", {"path": str(file.parent)})
    old = set(placed().filter(pl.col("placed") < "2020-01-31")["order_id"])
    told = client.wait(client.change("privacy.search_expired", {"table": "orders"})["job"])
    assert told["rows"] > 2 * 1000
    client.change("privacy.erase", {"plan": told["plan"], "reason": "time is over"}, passphrase=PASSPHRASE)
    assert places_of(root, sorted(old)) == []
    assert client.ask("ledger_verify")["problems"] == []
    assert client.ask("erasures")["kind"].to_list() == ["retention", "person"]
    view = client.ask("pipeline", id=ingest(client))
    assert view["state"] == "done", view["error"]
    assert places_of(root, sorted(old)) == []  # reading the source again does not bring them back either


def ingest(held: Client) -> str:
    run = held.change("pipeline.run", {"last": "ingest:orders"})["pipeline"]
    while held.ask("pipeline", id=run)["state"] == "running":
        held.pause(0.05)
    return str(run)
