"""Which keyrings are trusted, where a passphrase comes from, and the station key."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as FailKeyring
from keyring.backends.null import Keyring as NullKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from core.identity import secrets as plimsoll_secrets
from core.identity.secrets import (
    find_passphrase,
    forget_passphrase,
    keyring_state,
    remember_passphrase,
    station_key,
)
from core.identity.vault import public_info
from core.kernel.errors import InputError, Refused


class Memory(KeyringBackend):  # type: ignore[misc]
    """A real keyring as far as the code can see."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("locked")
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("locked")
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.held:
            raise PasswordDeleteError("none")
        del self.held[service, username]


class PlaintextKeyring(Memory):
    """Named as the one that keyrings.alt installs."""


PlaintextKeyring.__module__ = "keyrings.alt.file"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = keyring.get_keyring()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("PLIMSOLL_PASSPHRASE", raising=False)
    yield
    keyring.set_keyring(before)


def use(backend: KeyringBackend) -> KeyringBackend:
    keyring.set_keyring(backend)
    return backend


@pytest.mark.parametrize("backend", [FailKeyring, NullKeyring, PlaintextKeyring])
def test_a39_backends_that_do_not_protect_are_refused(backend: type[KeyringBackend]) -> None:
    use(backend())
    state = keyring_state()
    assert not state.usable
    assert state.why
    with pytest.raises(Refused, match="not stored here"):
        remember_passphrase("usr-1", "a good passphrase")
    with pytest.raises(InputError) as caught:
        find_passphrase("usr-1")
    assert "PLIMSOLL_PASSPHRASE" in caught.value.remedy


def test_behind_a_chain_only_a_real_keyring_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, real = PlaintextKeyring(), Memory()

    class ChainerBackend(Memory):
        backends = (plain, real)

    ChainerBackend.__module__ = "keyring.backends.chainer"
    use(ChainerBackend())
    assert keyring_state().backend.endswith("Memory")
    remember_passphrase("usr-1", "a good passphrase")
    assert real.held
    assert not plain.held
    monkeypatch.setattr(ChainerBackend, "backends", (plain,))
    assert not keyring_state().usable


def test_order_is_keyring_then_environment_then_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Memory())
    asked: list[str] = []

    def prompt(text: str) -> str:
        asked.append(text)
        return "typed"

    assert find_passphrase("usr-1", prompt=prompt) == "typed"
    assert asked == ["Passphrase of usr-1: "]
    monkeypatch.setenv("PLIMSOLL_PASSPHRASE", "from the environment")
    assert find_passphrase("usr-1", prompt=prompt) == "from the environment"
    remember_passphrase("usr-1", "from the keyring")
    assert find_passphrase("usr-1", prompt=prompt) == "from the keyring"
    assert find_passphrase("usr-2", prompt=prompt) == "from the environment"
    forget_passphrase("usr-1")
    forget_passphrase("usr-1")
    assert find_passphrase("usr-1") == "from the environment"
    assert len(asked) == 1


def test_a_locked_keyring_is_passed_over_and_does_not_lose_a_secret() -> None:
    backend = Memory()
    backend.locked = True
    use(backend)
    assert find_passphrase("usr-1", prompt=lambda _: "typed") == "typed"
    with pytest.raises(Refused, match="did not take"):
        remember_passphrase("usr-1", "a good passphrase")


def test_station_key_without_a_keyring_is_one_private_file(tmp_path: Path) -> None:
    use(FailKeyring())
    first = station_key("ws-1").private_bytes_raw()
    assert station_key("ws-1").private_bytes_raw() == first
    assert station_key("ws-2").private_bytes_raw() != first
    path = tmp_path / "state" / "plimsoll" / "stations" / "ws-1.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    use(Memory())  # a keyring that appears later does not change the key
    assert station_key("ws-1").private_bytes_raw() == first


def test_station_key_in_the_keyring_leaves_no_secret_on_disk(tmp_path: Path) -> None:
    backend = use(Memory())
    key = station_key("ws-1")
    assert station_key("ws-1").private_bytes_raw() == key.private_bytes_raw()
    files = list((tmp_path / "state" / "plimsoll" / "stations").iterdir())
    assert [file.name for file in files] == ["ws-1.in-keyring"]
    assert files[0].read_text() == public_info(key).key_id
    use(FailKeyring())  # headless, keyring away: no second key is made behind anybody's back
    with pytest.raises(Refused, match="keyring that this session cannot reach"):
        station_key("ws-1")
    use(backend)
    assert station_key("ws-1").private_bytes_raw() == key.private_bytes_raw()


def test_a_swapped_station_key_is_noticed() -> None:
    backend = Memory()
    use(backend)
    station_key("ws-1")
    station_key("ws-2")
    backend.held["plimsoll", "station/ws-1"] = backend.held["plimsoll", "station/ws-2"]
    with pytest.raises(Refused, match="another station key"):
        station_key("ws-1")


def test_a_keyring_that_refuses_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Memory()
    use(backend)
    backend.locked = True
    with pytest.raises(Refused, match="did not take"):
        station_key("ws-1")
    assert list((tmp_path / "state" / "plimsoll" / "stations").iterdir()) == []
    backend.locked = False
    station_key("ws-1")


def test_station_key_files_are_checked(tmp_path: Path) -> None:
    use(FailKeyring())
    station_key("ws-1")
    path = tmp_path / "state" / "plimsoll" / "stations" / "ws-1.key"
    path.chmod(0o640)
    with pytest.raises(Refused, match="Other users"):
        station_key("ws-1")
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(Refused, match="damaged"):
        station_key("ws-1")
    for name in ("../up", "", "a/b", "-x"):
        with pytest.raises(InputError, match="not a workspace id"):
            station_key(name)


def test_nothing_secret_is_in_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    use(NullKeyring())
    monkeypatch.setattr(plimsoll_secrets, "ENVIRONMENT", "PLIMSOLL_PASSPHRASE")
    with pytest.raises(Refused) as caught:
        remember_passphrase("usr-1", "canary-passphrase")
    assert "canary" not in str(caught.value.as_dict())
