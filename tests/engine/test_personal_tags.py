"""Personal data in a workspace: proposed, masked at once, decided by a person, minimised. One workspace, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.kernel.errors import InputError, NotFound, Refused

from ..faults.orders import PASSPHRASE
from .people_project import customers, name_of, write_people


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tags") / "workspace"
    found_workspace(made, "founder", PASSPHRASE)
    return made


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[Client]:
    project = write_people(root.parent / "project")
    held = connect(root, user="founder", passphrase=PASSPHRASE)
    held.change("user.add", {"name": "vera", "roles": ["viewer"]}, passphrase=PASSPHRASE)
    held.change("project.load", {"path": str(project)})
    view = walk(held, "features")
    assert view["state"] == "done", view["error"]
    view = walk(held, "validate:customers")
    yield held
    held.close()


def walk(held: Client, last: str) -> dict[str, Any]:
    run = held.change("pipeline.run", {"last": last})["pipeline"]
    while (view := held.ask("pipeline", id=run))["state"] == "running":
        held.pause(0.05)
    return dict(view)


def states(held: Client, table: str) -> dict[str, str]:
    frame = held.ask("personal_tags", table=table)
    return dict(zip(frame["column"], frame["state"], strict=True))


def test_columns_are_declared_or_proposed_with_reasons(client: Client) -> None:
    assert states(client, "customers") == {
        "born": "proposed",
        "customer": "declared",
        "email": "declared",
        "postcode": "proposed",
        "sex": "proposed",
    }


def examples(client: Client, table: str, check: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ask("snapshot", id=table)["validation"]["results"][check]["examples"]
    return found


def test_examples_are_masked_while_a_proposal_is_open(client: Client) -> None:
    assert {example["values"]["sex"] for example in examples(client, "customers", 0)} == {"(masked)"}
    assert {example["key"]["customer"] for example in examples(client, "customers", 0)} == {"(masked)"}
    assert {example["values"]["customer"] for example in examples(client, "orders", 2)} == {"(masked)"}
    assert "(masked)" not in {example["values"]["size"] for example in examples(client, "orders", 1)}


def _postcodes(held: Client) -> list[Any]:
    columns = held.ask("profile", id="customers")["columns"]
    return list(next(column["top"] for column in columns if column["name"] == "postcode"))


def test_a_person_decides_and_it_is_on_record(client: Client) -> None:
    walk(client, "profile:customers")
    assert client.ask("profile_state", ids=["customers"])["state"]
    assert _postcodes(client)
    for column, verdict in (("postcode", "confirmed"), ("sex", "rejected")):
        request = {"table": "customers", "column": column, "verdict": verdict, "reason": "looked at it"}
        client.change("privacy.decide", request)
    with pytest.raises(NotFound, match="no profile that merges"):  # it held the values of what is personal now
        client.ask("profile_state", ids=["customers"])
    assert client.ask("ledger_verify")["problems"] == []
    walk(client, "profile:customers")
    assert client.ask("profile_state", ids=["customers"])["state"]
    assert not _postcodes(client)
    row = client.ask("personal_tags", table="customers").filter(pl.col("column") == "postcode").row(0, named=True)
    assert (row["state"], row["by"], row["reason"]) == ("confirmed", "founder", "looked at it")
    assert row["minimised"] == "generalise at ingest"
    assert states(client, "customers")["sex"] == "rejected"
    walk(client, "validate:customers")
    assert {example["values"]["sex"] for example in examples(client, "customers", 0)} == {"m"}


def test_who_may_not_does_not_and_what_is_not_there_is_not_tagged(client: Client) -> None:
    request = {"table": "customers", "column": "sex", "verdict": "confirmed", "reason": "no"}
    with pytest.raises(Refused):
        client.as_user("vera", PASSPHRASE).change("privacy.decide", request)
    with pytest.raises(NotFound, match="no column"):
        client.change("privacy.decide", {**request, "column": "nothing"})
    with pytest.raises(InputError, match="declared personal"):
        client.change("privacy.decide", {**request, "column": "email", "verdict": "rejected"})


def test_the_snapshot_holds_no_raw_value(client: Client, root: Path) -> None:
    path = [file["path"] for file in client.ask("snapshot_file", id="customers")["files"]]
    frame = pl.read_parquet(path)
    assert "full_name" not in frame.columns
    assert frame["postcode"].str.len_chars().unique().to_list() == [2]
    for file in root.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert b"@example.org" not in data, file
            assert b"Lindqvist" not in data, file


def test_joins_by_a_hash_and_groups(client: Client) -> None:
    row = client.ask("anonymity").filter(pl.col("table") == "customers").row(0, named=True)
    frame = pl.read_parquet([file["path"] for file in client.ask("snapshot_file", id="customers")["files"]])
    sizes = frame.group_by("postcode", "sex").len()["len"]
    assert (row["k"], row["below"]) == (sizes.min(), sizes.filter(sizes < 5).sum())


def test_a_copy_that_leaves_is_minimised_and_on_record(client: Client, tmp_path: Path) -> None:
    out = tmp_path / "customers.parquet"
    job = client.change("privacy.export", {"table": "customers", "file": str(out)})["job"]
    told = client.wait(job)
    frame = pl.read_parquet(out)
    assert frame["born"].dt.month().unique().to_list() == [1]
    assert told["changed"] == {"born": "cut to the year", "customer": "masked"}
    assert set(frame["customer"].str.replace_all(r"9", "")) == {"xx-xxxxx-"}
    assert frame.height == customers().height
    assert name_of(3) not in set(frame["customer"])
    kinds = client.ask("ledger")["kind"].to_list()
    assert "privacy.export" in kinds
