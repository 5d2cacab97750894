"""The workspace's privacy secret: the key of hashed columns and of the marks of erased subjects.

It is kept like the station key, in the keyring or else in a 0600 file outside the workspace, and never
exported: a copy of the workspace alone does not tell who is behind a hash.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import keyring
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.identity.files import private_folder, refuse_if_open_to_others, write_private
from core.identity.secrets import WORKSPACE_ID, _choose, _get, _set
from core.kernel.errors import InputError, NotFound, Refused

BYTES = 32


def privacy_secret(workspace_id: str, *, make: bool = False) -> bytes | None:
    """The 32 bytes, or none where there are none and ``make`` is off.

    Raises:
        Refused: when the file is readable by others or damaged, or the keyring that holds it is away.
    """
    path = _path(workspace_id)
    stored = _get(f"privacy/{workspace_id}")
    if stored:
        return _read(stored, "keyring")
    if path.exists():
        refuse_if_open_to_others(path)
        return _read(path.read_text("ascii"), str(path))
    if path.with_suffix(".in-keyring").exists():
        raise Refused(
            "The privacy secret is in a keyring that this session cannot reach",
            where=str(path.with_suffix(".in-keyring")),
            remedy="Run this inside the desktop session.",
        )
    return _make(workspace_id, path) if make else None


def fingerprint(secret: bytes) -> str:
    """A name for the secret that tells nothing of it: 16 hex digits of SHA-256 over a label and the secret."""
    return hashlib.sha256(b"plimsoll privacy fingerprint" + secret).hexdigest()[:16]


def write_sealed(path: Path, body: bytes, secret: bytes) -> None:
    """Write ``body`` so that only the holder of the secret reads it (AES-256-GCM; the file's name is bound in)."""
    nonce = secrets.token_bytes(12)
    write_private(path, nonce + AESGCM(_sealing_key(secret)).encrypt(nonce, body, path.name.encode()))


def open_sealed(path: Path, secret: bytes) -> bytes:
    """What :func:`write_sealed` wrote.

    Raises:
        NotFound: when the file is not there. Refused: when it is damaged, or the secret is another one.
    """
    try:
        data = path.read_bytes()
        return AESGCM(_sealing_key(secret)).decrypt(data[:12], data[12:], path.name.encode())
    except FileNotFoundError as error:
        raise NotFound("What was sealed for later is not there", where=str(path)) from error
    except (InvalidTag, ValueError) as error:
        raise Refused("What was sealed for later is damaged, or sealed with another secret", where=str(path)) from error


def _sealing_key(secret: bytes) -> bytes:
    return hashlib.sha256(b"plimsoll privacy sealing" + secret).digest()


def _make(workspace_id: str, path: Path) -> bytes:
    secret = secrets.token_bytes(BYTES)
    private_folder(path.parent)
    backend, _, _ = _choose(keyring.get_keyring())
    try:
        if backend is None:
            write_private(path, secret.hex().encode(), replace=False)
        else:
            write_private(path.with_suffix(".in-keyring"), fingerprint(secret).encode(), replace=False)
            _set(backend, f"privacy/{workspace_id}", secret.hex())
    except FileExistsError:  # another process was first
        return privacy_secret(workspace_id) or secret
    return secret


def _path(workspace_id: str) -> Path:
    if not WORKSPACE_ID.fullmatch(workspace_id):
        raise InputError(f"{workspace_id!r} is not a workspace id", remedy="Use letters, digits, - and _.")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "plimsoll" / "privacy" / f"{workspace_id}.key"


def _read(text: str, where: str) -> bytes:
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != BYTES:
        raise Refused("The privacy secret is damaged", where=where, remedy="Put a copy of it back.")
    return secret
