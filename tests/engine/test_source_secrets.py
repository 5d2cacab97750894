"""Passwords of sources: from the keyring to the worker through its pipe, and written down nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import keyring
import pytest
import redis

from core.engine.client import Client, connect
from core.engine.founding import found_workspace
from core.engine.workfolder import JobFolder, write_job
from core.kernel.errors import InputError, NotFound, Refused

from ..faults.orders import PASSPHRASE
from ..identity.test_secrets import Memory
from ..servers import PASSWORD, redis_server
from .ingestion import holding, newest, take, write_project


@pytest.fixture
def memory() -> Iterator[Memory]:
    before = keyring.get_keyring()
    held = Memory()
    keyring.set_keyring(held)
    yield held
    keyring.set_keyring(before)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    found_workspace(tmp_path / "workspace", "founder", PASSPHRASE)
    held = connect(tmp_path / "workspace", user="founder", passphrase=PASSPHRASE)
    yield held
    held.close()


def kept(memory: Memory) -> list[str]:
    """Secrets of sources in the keyring, which also holds the station's key."""
    return [value for (_, entry), value in memory.held.items() if entry.startswith("secret/")]


def test_a_secret_is_used_and_written_nowhere(memory: Memory, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    with redis_server() as port, closing(connect(root, user="founder", passphrase=PASSPHRASE)) as client:
        server = redis.Redis(port=port, password=PASSWORD)
        server.xadd("rides", {"id": 1, "at": "2024-01-01T00:00:00Z", "bikers": 5})
        url = f"redis://127.0.0.1:{port}/0"
        source = {"kind": "stream", "url": url, "stream": "rides", "secret": "rides_password"}
        project = write_project(tmp_path / "project", source)
        with pytest.raises(NotFound, match="not in the keyring"):
            take(client, project)
        client.change("secret.set", {"name": "rides_password"}, passphrase="a-wrong-password")
        with pytest.raises(Refused, match="does not let us in"):
            take(client, project)
        client.change("secret.set", {"name": "rides_password"}, passphrase=PASSWORD)
        take(client, project)
        assert newest(client)["bikers"].to_list() == [5]
        server.close()
        assert kept(memory) == [PASSWORD]
        shown = client.ask("secrets").to_dicts()
        assert [(row["secret"], row["state"], row["used_by"]) for row in shown] == [("rides_password", "set", "rides")]
        client.change("secret.remove", {"name": "rides_password"})
        assert kept(memory) == []
        assert client.ask("secrets")["state"].to_list() == ["removed"]
    for secret in (PASSWORD, "a-wrong-password"):
        assert holding(tmp_path, secret.encode()) == []


def test_what_is_no_secret_and_where_none_can_be_kept(client: Client, memory: Memory) -> None:
    for name, value in (("Not A Name", "x"), ("name", ""), ("name", "two\nlines")):
        with pytest.raises(InputError):
            client.change("secret.set", {"name": name}, passphrase=value)
    keyring.set_keyring(keyring.backends.fail.Keyring())
    with pytest.raises(Refused, match="kept in a keyring"):
        client.change("secret.set", {"name": "name"}, passphrase="x")


def test_a_job_blots_its_secrets_out_of_what_it_says(tmp_path: Path) -> None:
    write_job(tmp_path / "job", "x:y", {}, {})
    folder = JobFolder(tmp_path / "job", {"name": 'p"ä ss/1'})
    folder.note_log('said p"ä ss/1 and p%22%C3%A4%20ss%2F1')
    folder.close()
    assert (tmp_path / "job" / "log.txt").read_text() == "said ••• and •••\n"
    assert folder.without_secrets('{"a": "p\\"\\u00e4 ss/1"}') == '{"a": "•••"}'
    assert folder.secret("name") == 'p"ä ss/1'
