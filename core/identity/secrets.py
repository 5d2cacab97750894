"""Passphrases and the station's own key: the desktop keyring where there is a real one.

A backend that stores in plain text, stores nothing or fails is refused by name: installing
``keyrings.alt`` silently makes the plaintext file the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import keyring
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError, PasswordDeleteError

from core.identity.files import private_folder, refuse_if_open_to_others, write_private
from core.identity.vault import public_info
from core.kernel.errors import InputError, Refused
from core.kernel.records import Record

SERVICE = "plimsoll"
ENVIRONMENT = "PLIMSOLL_PASSPHRASE"
REFUSED_BACKENDS = ("keyrings.alt", "keyring.backends.fail", "keyring.backends.null", "plaintext")
WORKSPACE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class KeyringState(Record):
    """Whether this session has a keyring that may be trusted with a secret, and why not."""

    usable: bool
    backend: str
    why: str = ""


def keyring_state() -> KeyringState:
    """For the self-check and the settings page."""
    chosen, name, why = _choose(keyring.get_keyring())
    return KeyringState(usable=chosen is not None, backend=name, why=why)


def find_passphrase(user: str, *, prompt: Callable[[str], str] | None = None) -> str:
    """The user's passphrase: from the keyring, then ``PLIMSOLL_PASSPHRASE``, then by asking.

    Raises:
        InputError: when none of the three has one.
    """
    found = _get(f"passphrase/{user}") or os.environ.get(ENVIRONMENT, "")
    if not found and prompt is not None:
        found = prompt(f"Passphrase of {user}: ")
    if found:
        return found
    state = keyring_state()
    raise InputError(
        f"No passphrase for {user}",
        detail=f"The keyring {'holds none' if state.usable else 'cannot be used: ' + state.why}.",
        remedy=f"Run this in a terminal to be asked for it, or set {ENVIRONMENT} for this one command.",
    )


def remember_passphrase(user: str, passphrase: str) -> None:
    """Store a passphrase in the keyring.

    Raises:
        Refused: when there is no keyring that may hold it.
    """
    backend, name, why = _choose(keyring.get_keyring())
    if backend is None:
        raise Refused(
            "A passphrase is not stored here",
            detail=f"Keyring {name}: {why}.",
            remedy="Log in to a desktop session with a keyring, or type the passphrase each time.",
        )
    _set(backend, f"passphrase/{user}", passphrase)


def forget_passphrase(user: str) -> None:
    """Remove a passphrase from the keyring; silent when there was none."""
    backend, _, _ = _choose(keyring.get_keyring())
    if backend is None:
        return
    try:
        backend.delete_password(SERVICE, f"passphrase/{user}")
    except PasswordDeleteError:
        return


def station_key(workspace_id: str) -> Ed25519PrivateKey:
    """The key of this workstation for one workspace, made the first time it is asked for.

    It signs ledger checkpoints and the trust roots of targets without anybody present, so it is kept
    like an SSH host key: in the keyring, else in a 0600 file outside the workspace. Where it was put
    is remembered, so that a session without keyring never silently makes a second one.

    Raises:
        Refused: when the file is readable by others, is not a key, or the keyring that holds it is away.
    """
    path = _station_path(workspace_id)
    stored = _get(f"station/{workspace_id}")
    marker = path.with_suffix(".in-keyring")
    if stored:
        return _expected(_from_pem(stored.encode(), f"keyring {SERVICE}"), marker)
    if path.exists():
        refuse_if_open_to_others(path)
        return _from_pem(path.read_bytes(), str(path))
    if marker.exists():
        raise Refused(
            "The station key is in a keyring that this session cannot reach",
            where=str(marker),
            detail=keyring_state().why or "The keyring no longer holds it.",
            remedy="Run this inside the desktop session, or remove the marker to make a new key (targets must then "
            "be enrolled again).",
        )
    return _make_station_key(workspace_id, path, marker)


def _make_station_key(workspace_id: str, path: Path, marker: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    private_folder(path.parent)
    backend, _, _ = _choose(keyring.get_keyring())
    try:
        if backend is None:
            write_private(path, _to_pem(key), replace=False)
        else:
            _keep_in_keyring(backend, workspace_id, key, marker)
    except FileExistsError:
        return station_key(workspace_id)
    return key


def _keep_in_keyring(backend: KeyringBackend, workspace_id: str, key: Ed25519PrivateKey, marker: Path) -> None:
    write_private(marker, public_info(key).key_id.encode(), replace=False)
    try:
        _set(backend, f"station/{workspace_id}", _to_pem(key).decode())
    except Refused:
        marker.unlink()
        raise


def _expected(key: Ed25519PrivateKey, marker: Path) -> Ed25519PrivateKey:
    if marker.exists() and marker.read_text().strip() != public_info(key).key_id:
        raise Refused(
            "The keyring holds another station key than the one made here",
            where=str(marker),
            remedy="Find out who changed it; remove the marker only to accept the key in the keyring.",
        )
    return key


def _station_path(workspace_id: str) -> Path:
    if not WORKSPACE_ID.fullmatch(workspace_id):
        raise InputError(f"{workspace_id!r} is not a workspace id", remedy="Use letters, digits, - and _.")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "plimsoll" / "stations" / f"{workspace_id}.key"


def _to_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _from_pem(data: bytes, where: str) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except ValueError as error:
        raise Refused("The station key is damaged", where=where, remedy="Put a copy of it back.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("The station key is not an Ed25519 key", where=where, remedy="Put a copy of it back.")
    return key


def _choose(backend: KeyringBackend) -> tuple[KeyringBackend | None, str, str]:
    """The backend to use, its name, and why none may be used."""
    kind = type(backend)
    name = f"{kind.__module__}.{kind.__name__}"
    if kind.__module__ == "keyring.backends.chainer":
        members = [_choose(member) for member in getattr(backend, "backends", ())]
        return next((found for found in members if found[0] is not None), (None, name, "no real keyring is behind it"))
    if "keyring.backends.fail" in name:
        return None, name, "this session has no keyring"
    if any(bad in name.lower() for bad in REFUSED_BACKENDS):
        return None, name, "it does not protect what it stores"
    return backend, name, ""


def _get(entry: str) -> str | None:
    backend, _, _ = _choose(keyring.get_keyring())
    if backend is None:
        return None
    try:
        found: str | None = backend.get_password(SERVICE, entry)
    except KeyringError:  # locked or away: the caller goes on to its next source and says so
        return None
    return found


def _set(backend: KeyringBackend, entry: str, secret: str) -> None:
    try:
        backend.set_password(SERVICE, entry, secret)
    except KeyringError as error:
        raise Refused("The keyring did not take the secret", detail=str(error), remedy="Unlock it first.") from error


def trusted_backend() -> KeyringBackend | None:
    """The keyring that may hold secrets, or none."""
    return _choose(keyring.get_keyring())[0]


def read_entry(entry: str) -> str | None:
    """An entry of the trusted keyring; none when it is locked or holds none."""
    return _get(entry)


def write_entry(backend: KeyringBackend, entry: str, secret: str) -> None:
    """Store an entry.

    Raises:
        Refused: when the keyring does not take it.
    """
    _set(backend, entry, secret)
