"""Sealed signing keys: one file a key, opened only by its owner's passphrase.

Argon2id (RFC 9106) turns the passphrase into a key, AES-256-GCM seals the 32 private bytes, and the
whole header (cost parameters, salt, public key, generation) is authenticated with them: lowering the
cost, swapping the public key or the salt makes the seal fail. Admins cannot open a key; a lost
passphrase means a new key.
"""

from __future__ import annotations

import base64
import re
import secrets
import unicodedata
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.identity.files import private_folder, refuse_if_open_to_others, write_private
from core.identity.kdf import argon2id
from core.identity.lockout import TRIES, Watch, begin_try, read_tries, real_moment, succeeded
from core.kernel.digests import canonical_json, digest_bytes, digest_json, strict_json
from core.kernel.envelope import key_id_of
from core.kernel.errors import InputError, NotFound, PlimsollError, Refused
from core.kernel.records import Record

SHORTEST_PASSPHRASE = 8  # NIST SP 800-63B
LARGEST_FILE = 16_384
KEY_ID = re.compile(r"key-[0-9a-f]{16}")


class KdfCost(Record):
    """Argon2id parameters: memory in KiB, passes, lanes."""

    memory_kib: int
    passes: int
    lanes: int


STANDARD = KdfCost(memory_kib=65_536, passes=3, lanes=4)  # 0.4 s on a workstation
LEAST = KdfCost(memory_kib=19_456, passes=2, lanes=1)  # OWASP's floor; weaker files are not read
MOST = KdfCost(memory_kib=1_048_576, passes=16, lanes=16)  # a hostile file must not eat the machine


class PublicKeyInfo(Record):
    """The public half: its id and 32 raw bytes, base64."""

    key_id: str
    public_key: str


class SealHeader(Record):
    """Everything about a sealed key that is not secret; authenticated by the seal."""

    format: Literal["plimsoll-sealed-key"] = "plimsoll-sealed-key"
    version: Literal[1] = 1
    key_id: str
    public_key: str
    generation: int
    kdf: Literal["argon2id"] = "argon2id"
    cost: KdfCost
    salt: str
    cipher: Literal["aes-256-gcm"] = "aes-256-gcm"
    nonce: str


class SealedKey(Record):
    """A key file. ``digest`` covers header and sealed bytes: it tells damage from a wrong passphrase."""

    header: SealHeader
    sealed: str
    digest: str


def create_key(folder: Path, passphrase: str, *, cost: KdfCost = STANDARD) -> PublicKeyInfo:
    """Make a signing key and seal it as ``<folder>/<key_id>.sealed`` (mode 0600).

    Raises:
        InputError: when the passphrase is too short or ``cost`` is outside [LEAST, MOST].
    """
    key = Ed25519PrivateKey.generate()
    info = public_info(key)
    _write(folder, _seal(key, passphrase, cost, generation=1))
    return info


def public_info(key: Ed25519PrivateKey) -> PublicKeyInfo:
    """Id and public bytes of a private key."""
    public = key.public_key().public_bytes_raw()
    return PublicKeyInfo(key_id=key_id_of(public), public_key=base64.b64encode(public).decode())


def sealed_header(folder: Path, key_id: str) -> SealHeader:
    """What a key file says of itself, without opening it.

    Raises:
        NotFound: when there is no such key. Refused: when the file is damaged or weakened.
    """
    return _read(folder, key_id).header


def unseal(
    folder: Path, key_id: str, passphrase: str, *, watch: Watch = real_moment, least_generation: int = 1
) -> Ed25519PrivateKey:
    """Open a key with its owner's passphrase.

    ``least_generation`` is the newest generation that the caller has on record: an older copy of
    the file (put back to revive an old passphrase) is refused.

    Raises:
        NotFound: no such key. Refused: wrong passphrase, locked, damaged, weakened or older file.
    """
    file = _read(folder, key_id)
    tries = begin_try(_tries_path(folder, key_id), watch())
    newest = max(least_generation, tries.generation)
    if file.header.generation < newest:
        raise Refused(
            "This key file is an older copy",
            where=f"{key_id}.sealed",
            detail=f"It is generation {file.header.generation}, and generation {newest} has been seen.",
            remedy="Put the newest copy back, or ask an admin to revoke the key and issue a new one.",
        )
    key = _open(file, passphrase, left=TRIES - tries.failures)
    succeeded(_tries_path(folder, key_id), file.header.generation, watch())
    return key


def reseal(
    folder: Path, key_id: str, old: str, new: str, *, cost: KdfCost = STANDARD, watch: Watch = real_moment
) -> int:
    """Change the passphrase; returns the file's new generation (keep it on record).

    Raises:
        As :func:`unseal`, and InputError when the new passphrase is too short.
    """
    check_passphrase(new)
    key = unseal(folder, key_id, old, watch=watch)
    generation = sealed_header(folder, key_id).generation + 1
    _write(folder, _seal(key, new, cost, generation))
    succeeded(_tries_path(folder, key_id), generation, watch())
    return generation


def failed_tries(folder: Path, key_id: str, *, watch: Watch = real_moment) -> int:
    """Wrong passphrases in a row, for the alert that misuse must raise."""
    return read_tries(_tries_path(folder, key_id), watch()).failures


def check_passphrase(passphrase: str) -> None:
    """Refuse a passphrase that is too short to seal anything with."""
    if len(passphrase.strip()) < SHORTEST_PASSPHRASE:
        raise InputError(
            f"A passphrase needs at least {SHORTEST_PASSPHRASE} characters",
            remedy="Four or five unrelated words are easy to keep and hard to guess.",
        )


def _seal(key: Ed25519PrivateKey, passphrase: str, cost: KdfCost, generation: int) -> SealedKey:
    check_passphrase(passphrase)
    if not _cost_allowed(cost):
        raise InputError("The Argon2id cost is outside what may be used", detail=expected_cost())
    header = SealHeader(
        **public_info(key).plain(),
        generation=generation,
        cost=cost,
        salt=base64.b64encode(secrets.token_bytes(16)).decode(),
        nonce=base64.b64encode(secrets.token_bytes(12)).decode(),
    )
    cipher = AESGCM(_derive(passphrase, header))
    sealed = cipher.encrypt(base64.b64decode(header.nonce), key.private_bytes_raw(), _authenticated(header))
    text = base64.b64encode(sealed).decode()
    return SealedKey(header=header, sealed=text, digest=_digest(header, text))


def _open(file: SealedKey, passphrase: str, left: int) -> Ed25519PrivateKey:
    header = file.header
    try:
        nonce, sealed = base64.b64decode(header.nonce, validate=True), base64.b64decode(file.sealed, validate=True)
        raw = AESGCM(_derive(passphrase, header)).decrypt(nonce, sealed, _authenticated(header))
        key = Ed25519PrivateKey.from_private_bytes(raw)
    except (InvalidTag, ValueError) as error:
        raise Refused(
            "The passphrase does not open this key",
            where=f"{header.key_id}.sealed",
            detail=f"{left} tries are left before the key is locked." if left else "The key is now locked.",
            remedy="Type it again. If it is lost, ask an admin to revoke the key and issue a new one.",
        ) from error
    if public_info(key).key_id != header.key_id:
        raise _damaged(header.key_id, "The sealed key is not the one that the file names.")
    return key


def _read(folder: Path, key_id: str) -> SealedKey:
    path = _path(folder, key_id)
    if not path.is_file():
        raise NotFound(
            f"There is no signing key {key_id} on this workstation",
            where=str(folder),
            remedy="Copy the key file here, or ask an admin to issue a new key.",
        )
    refuse_if_open_to_others(path)
    try:
        file = SealedKey.read(strict_json(path.read_bytes()[:LARGEST_FILE]))
    except PlimsollError as error:
        raise _damaged(key_id, error.headline) from error
    if file.digest != _digest(file.header, file.sealed) or file.header.key_id != key_id:
        raise _damaged(key_id, "Its content does not match its digest and name.")
    if not _cost_allowed(file.header.cost):
        raise _damaged(key_id, f"Its passphrase protection was weakened or inflated. {expected_cost()}")
    return file


def _damaged(key_id: str, detail: str) -> Refused:
    return Refused(
        "The key file is damaged or was altered",
        where=f"{key_id}.sealed",
        detail=detail,
        remedy="Put a copy back, or ask an admin to revoke the key and issue a new one.",
    )


def expected_cost() -> str:
    """The allowed range in words."""
    return (
        f"Allowed: {LEAST.memory_kib} to {MOST.memory_kib} KiB, {LEAST.passes} to {MOST.passes} passes, "
        f"{LEAST.lanes} to {MOST.lanes} lanes."
    )


def _cost_allowed(cost: KdfCost) -> bool:
    pairs = zip(LEAST.plain().values(), cost.plain().values(), MOST.plain().values(), strict=True)
    return all(low <= value <= high for low, value, high in pairs)


def _derive(passphrase: str, header: SealHeader) -> bytes:
    text = unicodedata.normalize("NFKC", passphrase).encode()
    salt = base64.b64decode(header.salt, validate=True)
    cost = header.cost
    return argon2id(text, salt, passes=cost.passes, lanes=cost.lanes, memory_kib=cost.memory_kib)


def _authenticated(header: SealHeader) -> bytes:
    return canonical_json(header.plain())


def _digest(header: SealHeader, sealed: str) -> str:
    return digest_json([digest_bytes(_authenticated(header)), sealed])


def _path(folder: Path, key_id: str) -> Path:
    if not KEY_ID.fullmatch(key_id):
        raise InputError(f"{key_id!r} is not a key id", remedy="Key ids look like key-0123456789abcdef.")
    return folder / f"{key_id}.sealed"


def _tries_path(folder: Path, key_id: str) -> Path:
    return _path(folder, key_id).with_suffix(".tries")


def _write(folder: Path, file: SealedKey) -> None:
    write_private(_path(private_folder(folder), file.header.key_id), canonical_json(file.plain()))
