"""From a registered version to a package that verifies: proposing, refusals, signing, packing, checking offline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from core.engine.client import Client

from .conftest import PEOPLE


@pytest.fixture(scope="module")
def release(workspace: Path) -> dict[str, str]:
    """The release of this file; tests fill it in as they go."""
    return {}


def test_propose_once(run: Any, release: dict[str, str]) -> None:
    made = run("--json", "release", "propose", "latest").json
    release["id"] = made["release"]
    assert made["dossier_digest"].startswith("b3:")
    again = run("release", "propose", "latest")
    assert again.code == 2
    assert made["release"] in again.err


def test_who_made_it_may_not_sign_it(run: Any, release: dict[str, str]) -> None:
    refused = run("--json", "release", "sign", release["id"], "--meaning", "approve", "--comment", "mine")
    assert refused.code == 3
    assert refused.json["error"] == "Refused"
    shown = run("--json", "ledger", "show", "--where", "release.sign").json
    assert shown[0]["outcome"] == "refused"


@pytest.fixture(scope="module")
def door(owner: Client) -> Iterator[httpx.Client]:
    """What MLflow's clients call, open on this workspace."""
    opened = owner.open_tracking(0)
    with httpx.Client(base_url=f"{opened.url}/api/2.0/mlflow/", trust_env=False, timeout=60) as made:
        yield made
    opened.close()


CHAMPION = {"name": "bikes", "version": "1", "alias": "champion"}
PRODUCTION = {"name": "bikes", "version": "1", "stage": "Production"}


def test_no_client_makes_a_champion_before_the_signatures(door: httpx.Client) -> None:
    for path, asked in (("registered-models/alias", CHAMPION), ("model-versions/transition-stage", PRODUCTION)):
        refused = door.post(path, json=asked)
        assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
        assert "0 of 2 sign-offs" in refused.json()["message"]
    assert door.get("registered-models/get", params={"name": "bikes"}).json()["registered_model"]["aliases"] == []


def test_packing_needs_the_signatures(run: Any, release: dict[str, str]) -> None:
    assert run("release", "package", release["id"]).code == 3
    assert run("release", "export", release["id"], "x.tar").code == 2


def test_two_reviewers_sign_and_the_package_verifies(run: Any, release: dict[str, str], tmp_path: Path) -> None:
    for name in ("grace", "katherine"):
        signed = run(
            "--json", "release", "sign", release["id"], "--meaning", "approve", "--comment", "Read it all.", user=name
        )
        assert signed.code == 0, signed.err
    assert signed.json["complete"] is True
    assert "grace" in run("release", "show", release["id"]).out
    made = run("--json", "release", "package", release["id"], "--to", str(tmp_path))
    assert made.code == 0, made.err
    release["file"] = made.json["file"]
    checked = run("--json", "release", "verify", release["file"])
    assert checked.code == 0, checked.out
    assert (checked.json["ok"], len(checked.json["approved_by"])) == (True, 2)
    copy = tmp_path / "copy.tar"
    assert run("release", "export", "latest", str(copy)).code == 0
    assert copy.read_bytes() == Path(release["file"]).read_bytes()


def test_an_approved_version_becomes_champion_through_the_door(run: Any, owner: Client, door: httpx.Client) -> None:
    """By who may deploy, and no other; again is no second promotion, and it comes back after it was archived."""
    os.environ["PLIMSOLL_NEW_PASSPHRASE"] = PEOPLE["grace"]
    assert run("user", "add", "ana", "--role", "analyst").code == 0
    refused = door.post("registered-models/alias", json=CHAMPION, auth=("ana", PEOPLE["grace"]))
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert "deploy.switch" in refused.text

    def stages() -> list[str]:
        return [str(row["stage"]) for row in run("--json", "models", "list").json]

    assert stages() == ["staging"]
    for _ in range(2):
        assert door.post("registered-models/alias", json=CHAMPION).status_code == 200
    for alias in ("champion", "production"):
        found = door.get("registered-models/alias", params={"name": "bikes", "alias": alias}).json()
        assert found["model_version"]["version"] == "1"
    assert stages() == ["production"]
    for stage in ("Archived", "Production"):
        moved = door.post("model-versions/transition-stage", json={**PRODUCTION, "stage": stage})
        assert moved.json()["model_version"]["current_stage"] == stage
    back = door.post("model-versions/transition-stage", json={**PRODUCTION, "stage": "Staging"})
    assert back.json()["error_code"] == "PERMISSION_DENIED"
    kept = owner.ask("ledger", limit=40)
    assert kept.filter((pl.col("kind") == "registry.alias") & (pl.col("outcome") == "refused")).height >= 2
    assert owner.ask("ledger_verify")["problems"] == []


def test_a_changed_package_does_not_verify(run: Any, release: dict[str, str], tmp_path: Path) -> None:
    data = Path(release["file"]).read_bytes()
    at = data.index(b'"approvals_needed"') + len(b'"approvals_needed":')
    changed = tmp_path / "changed.tar"
    changed.write_bytes(data[:at] + data[at:].replace(b"2", b"1", 1))
    found = run("--json", "release", "verify", str(changed))
    assert found.code == 1
    assert found.json["ok"] is False
    assert found.json["problems"]
    changed.write_bytes(b"no package at all")
    assert run("release", "verify", str(changed)).code == 2


def test_a_target_is_never_added_without_a_pinned_key(run: Any, tmp_path: Path) -> None:
    unreachable = run("target", "add", "box", "ssh://ops@127.0.0.1:1/opt/plimsoll", "--key", str(tmp_path / "key"))
    assert unreachable.code == 4
    assert run("target", "add", "box", "http://box/", "--key", "key").code == 2
    assert run("--json", "target", "list").json == []
    for words in (("check", "box"), ("remove", "box")):
        assert run("target", *words).code == 2
    assert run("rollout", "status", "box").code == 2
    assert run("deploy", "latest", "--to", "box").code == 2
