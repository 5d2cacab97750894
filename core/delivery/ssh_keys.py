"""Keys of SSH: the host's, which is looked at once and pinned, and ours, which is a file of ours."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncssh

from core.delivery.records import HostKey
from core.kernel.errors import Conflict, InputError, SystemFault

HOST_KEY_ALGORITHMS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "rsa-sha2-512", "rsa-sha2-256")


def pinned_key(text: str) -> asyncssh.SSHKey:
    """Parse the public key of a target record.

    Raises:
        InputError: when there is no key or it cannot be read. There is no way to connect without one.
    """
    try:
        return asyncssh.import_public_key(text.strip())
    except (asyncssh.KeyImportError, ValueError) as error:
        raise InputError(
            "The target has no readable host key",
            detail=str(error),
            remedy="Scan the host's key, compare its fingerprint with the one its operator gives, and pin it.",
        ) from error


def fingerprint(key: asyncssh.SSHKey) -> str:
    """``SHA256:<base64>``, as ``ssh-keygen -l`` prints it."""
    return str(key.get_fingerprint())


def algorithms_for(key: asyncssh.SSHKey) -> list[str]:
    """Signature algorithms under which a server may present this very key."""
    kind = key.get_algorithm()
    return ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]


def describe(host: str, port: int, key: asyncssh.SSHKey) -> HostKey:
    """The record of a presented key, its comment left out."""
    text = " ".join(key.export_public_key().decode().split()[:2])
    return HostKey(host=host, port=port, text=text, sha256=fingerprint(key))


async def presented_key(host: str, port: int, timeout: float) -> HostKey:
    """Ask a server for its key without logging in."""
    found = await asyncio.wait_for(
        asyncssh.get_server_host_key(host, port, server_host_key_algs=list(HOST_KEY_ALGORITHMS), config=None), timeout
    )
    if found is None:
        raise SystemFault("The server presents no host key", where=f"{host}:{port}")
    return describe(host, port, found)


def make_client_key(path: Path) -> str:
    """Write a new Ed25519 key pair (``path`` with mode 0600, and ``path.pub``); returns the public line.

    Raises:
        Conflict: when there is a file already; keys are never overwritten.
    """
    key = asyncssh.generate_private_key("ssh-ed25519", comment="plimsoll")
    public = key.export_public_key()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Conflict("There is a key already", where=str(path)) from error
    with os.fdopen(handle, "wb") as file:
        file.write(key.export_private_key())
    path.with_name(path.name + ".pub").write_bytes(public)
    return public.decode().strip()


def read_client_key(path: Path, passphrase: str | None) -> asyncssh.SSHKey:
    """Load the private key of a target record; others must not be able to read the file.

    Raises:
        InputError: absent, unreadable, too open, or locked with another passphrase.
    """
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and mode & 0o077:
            raise InputError("Others can read the client key", where=str(path), remedy=f"chmod 600 {path}")
        return asyncssh.read_private_key(path, passphrase)
    except OSError as error:
        raise InputError("Cannot read the client key", where=str(path), detail=error.strerror or "") from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise InputError(
            "The client key cannot be opened", where=str(path), detail=str(error), remedy="Check its passphrase."
        ) from error
