"""Who the tracking port lets in, what it refuses, and that what it acknowledged is on record."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.engine.engine import Engine
from core.engine.registry import QUESTIONS
from core.engine.tracking.callers import peer_uid
from core.engine.tracking.door import Door
from core.kernel.digests import digest_bytes

from .conftest import PASSPHRASE

MAKE = "/api/2.0/mlflow/runs/create"


@pytest.fixture(scope="module")
def web(door: Door) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=door.url, trust_env=False, timeout=60) as made:
        yield made


def test_health_and_version(web: httpx.Client) -> None:
    assert web.get("/health").text == "OK"
    assert web.get("/version").text == "3.17.2"
    assert web.get("/api/3.0/mlflow/server-info").json()["store_type"] == "SqlStore"


def test_a_relative_artifact_location_is_made_whole(web: httpx.Client) -> None:
    made = web.post("/api/2.0/mlflow/experiments/create", json={"name": "beside", "artifact_location": "my/files"})
    found = web.get("/api/2.0/mlflow/experiments/get", params=made.json()).json()["experiment"]
    assert found["artifact_location"] == str(Path.cwd() / "my" / "files")


def test_without_credentials_the_kernel_says_who_it_is(web: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = web.post(MAKE, json={"experiment_id": "0", "start_time": 5})
    assert made.json()["run"]["info"]["start_time"] == 5
    monkeypatch.setattr("core.engine.tracking.callers.peer_uid", lambda *_: 4321)
    stranger = web.post(MAKE, json={})
    assert (stranger.status_code, stranger.json()["error_code"]) == (401, "PERMISSION_DENIED")
    assert peer_uid("10.0.0.1:99", "127.0.0.1:1") is None


def test_passphrases_tokens_and_roles(web: httpx.Client, engine: Engine) -> None:
    """A viewer may look and not log, and the refusal is in the ledger; a revoked token ends."""
    wrong = web.get("/api/2.0/mlflow/experiments/get?experiment_id=0", auth=("watcher", "not the passphrase"))
    assert wrong.status_code == 403
    watcher = ("watcher", PASSPHRASE)
    assert web.get("/api/2.0/mlflow/experiments/get?experiment_id=0", auth=watcher).status_code == 200
    refused = web.post(MAKE, json={"experiment_id": "0"}, auth=watcher)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    newest = QUESTIONS["ledger"](engine, limit=1).to_dicts()[0]
    assert (newest["actor"], newest["kind"], newest["outcome"]) == ("watcher", "tracking.create_run", "refused")

    token, login = secrets.token_urlsafe(16), engine.login("founder", None)
    digest = digest_bytes(token.encode())
    engine.change(login, "user.add_token", {"digest": digest, "label": "test"}, None, None)
    assert QUESTIONS["access_tokens"](engine)["label"].to_list() == ["test"]
    bearer = {"authorization": f"Bearer {token}"}
    assert web.post(MAKE, json={"experiment_id": "0"}, headers=bearer).status_code == 200
    engine.change(login, "user.revoke_token", {"digest": digest[3:12]}, None, None)
    assert QUESTIONS["access_tokens"](engine).is_empty()
    assert web.post(MAKE, json={}, headers={"authorization": f"Bearer {token[:-1]}"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example:80"}, {"origin": "http://evil.example"}, {"content-type": "text/plain"}],
)
def test_a_page_in_a_browser_cannot_write_here(headers: dict[str, str], web: httpx.Client) -> None:
    """Neither by another site's form, nor by a name that was made to point at this machine."""
    answer = web.post(MAKE, content=b'{"experiment_id": "0"}', headers={"content-type": "application/json", **headers})
    assert answer.status_code in (400, 403)


def test_wrong_fields_are_named_in_the_clients_words(web: httpx.Client) -> None:
    run = web.post(MAKE, json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    point = {"run_id": run, "key": "a", "value": 1, "timestamp": 1}
    for change, words in (
        ({"run_id": None}, "Missing value for required parameter 'run_id'"),
        ({"key": 31}, "Invalid value 31 for parameter 'key' supplied"),
        ({"step": "x"}, "Invalid value \\\"x\\\" for parameter 'step' supplied"),
        ({"key": "../up"}, "Invalid metric name"),
        ({"key": "k" * 251}, "exceeded length limit of 250"),
    ):
        answer = web.post("/api/2.0/mlflow/runs/log-metric", json={**point, **change})
        assert answer.status_code == 400
        assert words in answer.text, answer.text
    batch = {"run_id": run, "metrics": [{"key": "a", "value": 1, "timestamp": 1}] * 1001}
    assert "at most 1000 metrics" in web.post("/api/2.0/mlflow/runs/log-batch", json=batch).json()["message"]
    assert web.get("/api/2.0/mlflow/traces/1").json()["error_code"] == "ENDPOINT_NOT_FOUND"


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", "a/../../b", "..%2f..%2fx", "a\\b"])
def test_files_stay_in_their_run(path: str, web: httpx.Client) -> None:
    run = web.post(MAKE, json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    form = {"run_uuid": run, "path": path}
    assert (
        web.post("/ajax-api/2.0/mlflow/upload-artifact", params=form, content=b"x").json()["message"] == "Invalid path"
    )
    assert web.get("/get-artifact", params=form).status_code == 400


def test_a_file_is_a_blob_and_stays_one(web: httpx.Client, engine: Engine) -> None:
    """It is handed out as a download, whatever it is; collection keeps it, deleted runs' files too."""
    run = web.post(MAKE, json={"experiment_id": "0"}).json()["run"]["info"]
    place = "/api/2.0/mlflow-artifacts/artifacts/" + run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    page = b"<script>alert(1)</script>"
    assert web.put(f"{place}/page.html", content=page).status_code == 200
    back = web.get(f"{place}/page.html")
    assert (back.content, back.headers["content-disposition"]) == (page, "attachment")
    assert back.headers["content-type"] == "application/octet-stream"
    assert web.put(f"{place}/page.html", content=b"").status_code == 200
    assert web.get(f"{place}/page.html").content == b""
    web.post("/api/2.0/mlflow/runs/delete", json={"run_id": run["run_id"]})
    plan = QUESTIONS["garbage"](engine)
    assert digest_bytes(page) not in str(plan)
    assert engine.workspace.blobs.has(digest_bytes(page))
